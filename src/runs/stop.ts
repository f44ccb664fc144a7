/**
 * The last turn of a run that was cancelled: its jig undoes what was begun (`onStop`), in a dispatch of its own, before
 * the machine is given to others (engine-rules 17). prisma/functions/32_stop.sql keeps the step, its tries and its proof.
 */
import { secretsOfRun } from '../attribs/shown-inputs.js';
import type { Queryable } from '../db/client.js';
import type { JsonObject, Stopped } from '../jigs/contract.js';
import type { RunJob } from '../queue/jobs.js';
import type { Turn } from './turn.js';

/** How long one call of `onStop` may take. Milliseconds. */
export const STOP_TIMEOUT_MS = 120_000;

/** A turn that undoes what the run began; `reason`: why it was stopped. */
export type StoppingRun = Turn & { reason: string };

type Row = {
  id: number;
  fence: number;
  attempt: number;
  jig: string;
  inputs: JsonObject | null;
  memo: JsonObject;
  stop_reason: string | null;
  noderole_id: number;
  role_name: string;
  jig_config: JsonObject;
  timeout_seconds: number;
  node_id: number;
  node_name: string;
  node_arch: string;
  node_kind: string;
};

/** Takes the undoing of a run, which consumes the job's fence; null when the job is for no such step or comes late. */
export async function takeStop(db: Queryable, job: RunJob, worker: string, leaseSeconds: number): Promise<StoppingRun | null> {
  const { rows } = await db.query<Row>(
    `SELECT r.id, r.fence, r.attempt, r.jig, r.inputs, r.memo, r.stop_reason, r.node_role_id AS noderole_id, ro.name AS role_name, ro.jig_config, ro.timeout_seconds,
            n.id AS node_id, n.name AS node_name, n.arch AS node_arch, n.kind AS node_kind
       FROM start_stop($1, $2, $3, $4) r JOIN roles ro ON ro.id = r.role_id JOIN nodes n ON n.id = r.node_id`,
    [job.runId, job.fence, worker, leaseSeconds],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    runId: row.id,
    fence: row.fence,
    attempt: row.attempt,
    jig: row.jig,
    inputs: row.inputs ?? {},
    memo: row.memo,
    reason: row.stop_reason ?? 'stopped',
    noderoleId: row.noderole_id,
    role: { name: row.role_name, config: row.jig_config, timeoutSeconds: row.timeout_seconds },
    node: { id: row.node_id, name: row.node_name, arch: row.node_arch, kind: row.node_kind },
    secrets: await secretsOfRun(db, row.id),
  };
}

/** Writes down what came of it, and ends the run when that proves that its machine is free. */
export async function endStop(db: Queryable, run: { runId: number; fence: number }, outcome: Stopped | { error: string }): Promise<void> {
  const failed = 'error' in outcome;
  await db.query('SELECT end_stop($1, $2, $3, $4, $5)', [
    run.runId,
    run.fence,
    failed ? null : (outcome.note ?? null),
    failed ? null : (outcome.proof ?? null),
    failed ? outcome.error : null,
  ]);
  // Not all of it: other runs are the sweep's.
  if (!failed)
    await db.query(`SELECT finish_stopped(ARRAY[r.id], stop_proof(r, interval '0')) FROM runs r WHERE r.id = $1 AND stop_proof(r, interval '0') IS NOT NULL`, [
      run.runId,
    ]);
}
