/**
 * Starts runs, many in one go: freezes what a first start is given, consumes the fence, or decides that the jig need not
 * run (engine-rules 4, 9). The reads of a batch are one statement, so inputs, their generation and the parents' counter
 * come from one snapshot; the compare-and-set that follows lets each job start once.
 */
import { jsonbArray, jsonList, numberArray, textArray } from '../db/arrays.js';
import type { Queryable } from '../db/client.js';
import type { JsonObject } from '../jigs/contract.js';
import { pathKeys, valueAt, type Attrib } from '../attribs/names.js';
import { secretsIn } from '../attribs/secrets.js';
import type { RunJob } from '../queue/jobs.js';
import { isJsonObject } from '../shared/json.js';
import { Freezer, type Frozen } from './freeze.js';
import { readRuns, type Row, type RunRow } from './start-read.js';
import type { Turn } from './turn.js';

/** A turn that runs the jig. */
export type StartedRun = Turn & {
  wakeReason: string | null;
  expectedBoot: { class: string; otherwise: 'fail' | 'wake' } | null;
  role: { attribs: readonly Attrib[] };
};

/** `dropped`: the job is stale, somebody else has it. `skip`: same inputs as the last success in this boot. `supersede`: a parent left ACTIVE. */
export type StartAnswer =
  | { kind: 'run'; run: StartedRun }
  | { kind: 'skip'; runId: number; fence: number }
  | { kind: 'supersede'; runId: number; fence: number }
  | { kind: 'dropped' };

/**
 * Starts the jobs of a batch for `worker`, each under a lease of `leaseSeconds`. `stops` says whether a jig has something
 * to undo for a role. Answers in the order of the jobs.
 */
export async function startRuns(
  db: Queryable,
  jobs: RunJob[],
  worker: string,
  leaseSeconds: number,
  stops: (jig: string, role: string) => boolean = () => false,
): Promise<StartAnswer[]> {
  const byId = await readRuns(
    db,
    jobs.map((job) => job.runId),
  );
  const freezer = new Freezer();
  const ready = jobs.flatMap((job) => {
    const row = byId.get(job.runId);
    if (!row || row.run.fence !== job.fence) return [];
    return [{ row, frozen: freezer.freeze(row) }];
  });
  if (ready.length === 0) return jobs.map(() => DROPPED);

  const started = await take(db, ready, worker, leaseSeconds, stops);
  await tellResumed(
    db,
    ready.flatMap(({ row: { run, more } }) => (more.inputs !== null && started.has(run.id) ? [run] : [])),
  );
  const answers = new Map(ready.map(({ row, frozen }) => [row.run.id, started.has(row.run.id) ? toAnswer(row, frozen) : DROPPED]));
  return jobs.map((job) => {
    const answer = answers.get(job.runId);
    answers.delete(job.runId);
    return answer ?? DROPPED;
  });
}

const DROPPED: StartAnswer = { kind: 'dropped' };

/** Consumes the fences: whose was still the one that was read has started, and holds the next. Answers their ids. */
async function take(
  db: Queryable,
  ready: { row: Row; frozen: Frozen }[],
  worker: string,
  leaseSeconds: number,
  stops: (jig: string, role: string) => boolean,
): Promise<Set<number>> {
  const { rows } = await db.query<{ ids: string }>({
    name: 'start-take',
    text: `SELECT coalesce(string_agg(run_id::text, ','), '') AS ids FROM start_take($1, $2, ${jsonbArray('$3')}, $4, $5, $6, $7, $8, ${jsonbArray('$9')}, $10)`,
    values: [
      numberArray(ready.map(({ row }) => row.run.id)),
      numberArray(ready.map(({ row }) => row.run.fence)),
      jsonList(ready.map(({ frozen }) => frozen.text)),
      textArray(ready.map(({ frozen }) => frozen.hash)),
      numberArray(ready.map(({ row }) => row.run.want_gen)),
      worker,
      leaseSeconds,
      numberArray(ready.map(({ row }) => row.run.boot_epoch)),
      jsonList(ready.map(({ frozen }) => frozen.from ?? 'null')),
      `{${ready.map(({ row }) => stops(row.run.jig, row.role.role_name)).join(',')}}`,
    ],
  });
  return new Set(rows[0]?.ids.split(',').map(Number));
}

/** A first start shows by its noderole's TRANSITION; going on after a wait changes no state, so it has an event of its own. */
async function tellResumed(db: Queryable, rows: RunRow[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(
    `SELECT emit_events(array_agg(('run-started', 'run', i.id, i.attempt, jsonb_build_object('noderole_id', i.noderole_id, 'node_id', i.node_id))::engine_event))
       FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS i(id, attempt, noderole_id, node_id)`,
    [rows.map((row) => row.id), rows.map((row) => row.attempt), rows.map((row) => row.noderole_id), rows.map((row) => row.node_id)],
  );
}

/** Of its own attribs, of those it wants, wherever they were put, and of the walls that it reads whole. */
function secretsOf({ more, role }: Row, inputs: JsonObject): string[] {
  const wanted = (more.wanted ?? []).flatMap(({ at, schema }) => {
    const value = valueAt(inputs, pathKeys(at));
    return !schema || value === undefined ? [] : secretsIn([{ name: 'value', schema }], { value });
  });
  const walls = isJsonObject(inputs.parents) ? inputs.parents : {};
  const parents = Object.entries(more.parents).flatMap(([name, { attribs }]) => {
    const wall = walls[name];
    return attribs === undefined || !isJsonObject(wall) ? [] : secretsIn(attribs, wall);
  });
  return [...secretsIn(role.attribs, inputs), ...wanted, ...parents];
}

function toAnswer(row: Row, { inputs, hash }: Frozen): StartAnswer {
  const { run, more, role } = row;
  const fence = run.fence + 1;
  const first = more.inputs === null;
  if (first && run.pending_parents > run.slack) return { kind: 'supersede', runId: run.id, fence };
  if (first && isMemoHit(row, hash)) return { kind: 'skip', runId: run.id, fence };
  return {
    kind: 'run',
    run: {
      runId: run.id,
      fence,
      attempt: run.attempt,
      jig: run.jig,
      inputs,
      memo: more.memo,
      wakeReason: more.wake_reason,
      expectedBoot: more.expected_boot,
      noderoleId: run.noderole_id,
      role: { name: role.role_name, config: role.jig_config, timeoutSeconds: role.timeout_seconds, attribs: role.attribs },
      secrets: secretsOf(row, inputs),
      node: { id: run.node_id, name: run.node_name, arch: run.node_arch, kind: run.node_kind },
    },
  };
}

/** Same inputs as the last success, and nothing since then ended its validity (engine-rules 9, 16); or installed already (15). */
function isMemoHit({ run, more, role }: Row, hash: string): boolean {
  if (more.installed) return true;
  if (more.force_run || role.destructive || more.last_ok_hash !== hash) return false;
  return role.validity !== 'boot' || more.last_ok_epoch === run.boot_epoch;
}
