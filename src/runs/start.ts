/**
 * Starts runs, many in one go: freezes what a first start is given, consumes the fence, or decides that the jig need not
 * run (engine-rules 4, 9). The reads of a batch are one statement, so inputs, their generation and the parents' counter
 * come from one snapshot; the compare-and-set that follows lets each job start once.
 */
import type { Queryable } from '../db/client.js';
import type { JsonObject } from '../jigs/contract.js';
import { hashInputs, mergeInputs, type AttribDefault } from '../noderoles/data.js';
import type { RunJob } from '../queue/jobs.js';

/** Everything a jig's context is made of. `fence` is the new one, valid until the run ends or is taken away. */
export type StartedRun = {
  runId: number;
  fence: number;
  attempt: number;
  jig: string;
  inputs: JsonObject;
  memo: JsonObject;
  wakeReason: string | null;
  noderoleId: number;
  role: { name: string; config: JsonObject; timeoutSeconds: number };
  node: { id: number; name: string; arch: string; kind: string };
};

/** `dropped`: the job is stale, somebody else has it. `skip`: same inputs as the last success in this boot. `supersede`: a parent left ACTIVE. */
export type StartAnswer =
  | { kind: 'run'; run: StartedRun }
  | { kind: 'skip'; runId: number; fence: number }
  | { kind: 'supersede'; runId: number; fence: number }
  | { kind: 'dropped' };

type Row = {
  id: number;
  fence: number;
  attempt: number;
  jig: string;
  inputs: JsonObject | null;
  memo: JsonObject;
  wake_reason: string | null;
  noderole_id: number;
  want_gen: number;
  pending_parents: number;
  slack: number;
  last_ok_hash: string | null;
  last_ok_epoch: number | null;
  force_run: boolean;
  committed_data: JsonObject;
  sysdata: JsonObject;
  role_name: string;
  template: JsonObject;
  attribs: AttribDefault[];
  jig_config: JsonObject;
  timeout_seconds: number;
  validity: string;
  destructive: boolean;
  deployment_data: JsonObject | null;
  node_id: number;
  node_name: string;
  node_arch: string;
  node_kind: string;
  boot_epoch: number;
  parents: Record<string, JsonObject>;
};

// A barrier of thousands of parents must not copy all their walls into every child's inputs: the nearest sixteen, the
// node's own first.
const READ = `
  SELECT r.id, r.fence, r.attempt, r.jig, r.inputs, r.memo, r.wake_reason, nr.id AS noderole_id, nr.want_gen, nr.pending_parents, nr.slack,
         nr.last_ok_hash, nr.last_ok_epoch, nr.force_run, nr.committed_data, nr.sysdata,
         ro.name AS role_name, ro.template, ro.attribs, ro.jig_config, ro.timeout_seconds, ro.validity, 'destructive' = ANY(ro.flags) AS destructive,
         dr.committed_data AS deployment_data, n.id AS node_id, n.name AS node_name, n.arch AS node_arch, n.kind AS node_kind, n.boot_epoch,
         CASE WHEN r.inputs IS NULL THEN (
           SELECT coalesce(jsonb_object_agg(p.name, p.wall), '{}') FROM (
             SELECT pr.name || '@' || pn.name AS name, pnr.wall FROM node_role_edges e JOIN node_roles pnr ON pnr.id = e.parent_id
               JOIN roles pr ON pr.id = pnr.role_id JOIN nodes pn ON pn.id = pnr.node_id
              WHERE e.child_id = nr.id AND pnr.wall <> '{}' ORDER BY (pnr.node_id <> nr.node_id), pnr.id LIMIT 16) p)
         ELSE '{}' END AS parents
    FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = r.role_id JOIN nodes n ON n.id = r.node_id
    LEFT JOIN deployment_roles dr ON dr.deployment_id = nr.deployment_id AND dr.role_id = nr.role_id
   WHERE r.id = ANY($1::bigint[]) AND r.status IN ('QUEUED', 'WAKING')`;

// Consuming the fence is what lets a job start once, however often the queue delivers it.
const START = `
  UPDATE runs r SET fence = r.fence + 1, status = 'RUNNING', worker = $6, started_at = coalesce(r.started_at, clock_timestamp()),
         lease_until = clock_timestamp() + make_interval(secs => $7), rung_at = NULL,
         inputs = coalesce(r.inputs, i.inputs), inputs_hash = coalesce(r.inputs_hash, i.hash), gen = coalesce(r.gen, i.gen), boot_epoch = i.epoch
    FROM unnest($1::bigint[], $2::int[], $3::jsonb[], $4::text[], $5::int[], $8::int[]) AS i(id, fence, inputs, hash, gen, epoch)
   WHERE r.id = i.id AND r.fence = i.fence AND r.status IN ('QUEUED', 'WAKING')
  RETURNING r.id, r.fence`;

/** Starts the jobs of a batch for `worker`, each under a lease of `leaseSeconds`. Answers in the order of the jobs. */
export async function startRuns(db: Queryable, jobs: RunJob[], worker: string, leaseSeconds: number): Promise<StartAnswer[]> {
  const { rows } = await db.query<Row>({ name: 'start-read', text: READ, values: [jobs.map((job) => job.runId)] });
  const byId = new Map(rows.map((row) => [row.id, row]));
  const frozen = jobs.flatMap((job) => {
    const row = byId.get(job.runId);
    if (!row || row.fence !== job.fence) return [];
    const inputs = row.inputs ?? freeze(row);
    return [{ row, inputs, hash: hashInputs(inputs) }];
  });
  if (frozen.length === 0) return jobs.map(() => ({ kind: 'dropped' }));

  const started = await db.query<{ id: number; fence: number }>({
    name: 'start-take',
    text: START,
    values: [
      frozen.map((item) => item.row.id),
      frozen.map((item) => item.row.fence),
      frozen.map((item) => JSON.stringify(item.inputs)),
      frozen.map((item) => item.hash),
      frozen.map((item) => item.row.want_gen),
      worker,
      leaseSeconds,
      frozen.map((item) => item.row.boot_epoch),
    ],
  });
  const fences = new Map(started.rows.map((row) => [row.id, row.fence]));
  await tellResumed(
    db,
    frozen.map((item) => item.row).filter((row) => row.inputs !== null && fences.has(row.id)),
  );
  const answers = new Map(frozen.map((item) => [item.row.id, toAnswer(item.row, item.inputs, item.hash, fences.get(item.row.id))]));
  return jobs.map((job) => {
    const answer = answers.get(job.runId);
    answers.delete(job.runId);
    return answer ?? { kind: 'dropped' };
  });
}

/** A first start shows by its noderole's TRANSITION; going on after a wait changes no state, so it has an event of its own. */
async function tellResumed(db: Queryable, rows: Row[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(
    `SELECT emit_events(array_agg(('run-started', 'run', i.id, i.attempt, jsonb_build_object('noderole_id', i.noderole_id, 'node_id', i.node_id))::engine_event))
       FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS i(id, attempt, noderole_id, node_id)`,
    [rows.map((row) => row.id), rows.map((row) => row.attempt), rows.map((row) => row.noderole_id), rows.map((row) => row.node_id)],
  );
}

function freeze(row: Row): JsonObject {
  return mergeInputs({
    attribs: row.attribs,
    template: row.template,
    deploymentRole: row.deployment_data ?? {},
    sysdata: row.sysdata,
    committed: row.committed_data,
    node: { id: row.node_id, name: row.node_name, arch: row.node_arch },
    parents: row.parents,
  });
}

function toAnswer(row: Row, inputs: JsonObject, hash: string, fence: number | undefined): StartAnswer {
  if (fence === undefined) return { kind: 'dropped' };
  const first = row.inputs === null;
  if (first && row.pending_parents > row.slack) return { kind: 'supersede', runId: row.id, fence };
  if (first && isMemoHit(row, hash)) return { kind: 'skip', runId: row.id, fence };
  return {
    kind: 'run',
    run: {
      runId: row.id,
      fence,
      attempt: row.attempt,
      jig: row.jig,
      inputs,
      memo: row.memo,
      wakeReason: row.wake_reason,
      noderoleId: row.noderole_id,
      role: { name: row.role_name, config: row.jig_config, timeoutSeconds: row.timeout_seconds },
      node: { id: row.node_id, name: row.node_name, arch: row.node_arch, kind: row.node_kind },
    },
  };
}

/** Same inputs as the last success, and nothing since then ended its validity (engine-rules 9, 16). */
function isMemoHit(row: Row, hash: string): boolean {
  if (row.force_run || row.destructive || row.last_ok_hash !== hash) return false;
  return row.validity !== 'boot' || row.last_ok_epoch === row.boot_epoch;
}
