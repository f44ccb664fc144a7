/**
 * Starts runs, many in one go: freezes what a first start is given, consumes the fence, or decides that the jig need not
 * run (engine-rules 4, 9). The reads of a batch are one statement, so inputs, their generation and the parents' counter
 * come from one snapshot; the compare-and-set that follows lets each job start once.
 */
import type { Queryable } from '../db/client.js';
import type { JsonObject } from '../jigs/contract.js';
import { pathKeys, valueAt, type Attrib } from '../attribs/names.js';
import { secretsIn } from '../attribs/secrets.js';
import type { Wanted } from '../attribs/wanted.js';
import { freezeInputs, hashInputs, type DataSources, type ParentWall } from '../noderoles/data.js';
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
  role: { name: string; config: JsonObject; timeoutSeconds: number; attribs: readonly Attrib[] };
  node: { id: number; name: string; arch: string; kind: string };
  /** Strings among the inputs that no log may show. */
  secrets: string[];
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
  attribs: Attrib[];
  jig_config: JsonObject;
  timeout_seconds: number;
  validity: string;
  destructive: boolean;
  revisions: JsonObject;
  deployment_data: JsonObject | null;
  deployment_revisions: JsonObject | null;
  deployment_wall: JsonObject | null;
  node_id: number;
  node_name: string;
  node_arch: string;
  node_kind: string;
  boot_epoch: number;
  parents: Record<string, ParentWall>;
  /** Null when the role wants nothing. */
  wanted: Wanted[] | null;
};

// What is read of others (45_attribs.sql says who reads what; docs/attribs.md tells it in words). Roles that want nothing
// pay for none of it. Thousands of parents must not copy all their walls into every child's inputs: the nearest sixteen,
// who is in a cluster before all, then the node's own.
const READ = `
  SELECT r.id, r.fence, r.attempt, r.jig, r.inputs, r.memo, r.wake_reason, nr.id AS noderole_id, nr.want_gen, nr.pending_parents, nr.slack,
         nr.last_ok_hash, nr.last_ok_epoch, nr.force_run, nr.committed_data, nr.sysdata,
         nr.data_revisions AS revisions,
         ro.name AS role_name, ro.template, ro.attribs, ro.jig_config, ro.timeout_seconds, ro.validity, 'destructive' = ANY(ro.flags) AS destructive,
         dr.committed_data AS deployment_data, dr.data_revisions AS deployment_revisions, dr.wall AS deployment_wall,
         n.id AS node_id, n.name AS node_name, n.arch AS node_arch, n.kind AS node_kind, n.boot_epoch,
         CASE WHEN r.inputs IS NULL AND NOT nr.barrier THEN (
           SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_object('wall', p.wall, 'run', p.wall_run_id)), '{}') FROM (
             SELECT pr.name || '@' || pn.name AS name, pnr.wall, pnr.wall_run_id FROM node_role_edges e JOIN node_roles pnr ON pnr.id = e.parent_id
               JOIN roles pr ON pr.id = pnr.role_id JOIN nodes pn ON pn.id = pnr.node_id
              WHERE e.child_id = nr.id AND pnr.wall <> '{}' AND reads_parents(ro.wants, pnr.barrier)
              ORDER BY NOT pnr.barrier, (pnr.node_id <> nr.node_id), pnr.id LIMIT 16) p)
         ELSE '{}' END AS parents,
         CASE WHEN ro.wants <> '[]' THEN wanted_values(nr.id, ro.wants, n.discovery, n.hint) END AS wanted
    FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = r.role_id JOIN nodes n ON n.id = r.node_id
    LEFT JOIN deployment_roles dr ON dr.deployment_id = nr.deployment_id AND dr.role_id = nr.role_id
   WHERE r.id = ANY($1::bigint[]) AND r.status IN ('QUEUED', 'WAKING')`;

// Consuming the fence is what lets a job start once, however often the queue delivers it.
const START = `
  UPDATE runs r SET fence = r.fence + 1, status = 'RUNNING', worker = $6, started_at = coalesce(r.started_at, clock_timestamp()),
         lease_until = clock_timestamp() + make_interval(secs => $7), rung_at = NULL,
         inputs = coalesce(r.inputs, i.inputs), inputs_from = coalesce(r.inputs_from, i.inputs_from), inputs_hash = coalesce(r.inputs_hash, i.hash), gen = coalesce(r.gen, i.gen), boot_epoch = i.epoch
    FROM unnest($1::bigint[], $2::int[], $3::jsonb[], $4::text[], $5::int[], $8::int[], $9::jsonb[]) AS i(id, fence, inputs, hash, gen, epoch, inputs_from)
   WHERE r.id = i.id AND r.fence = i.fence AND r.status IN ('QUEUED', 'WAKING')
  RETURNING r.id, r.fence`;

/** Starts the jobs of a batch for `worker`, each under a lease of `leaseSeconds`. Answers in the order of the jobs. */
export async function startRuns(db: Queryable, jobs: RunJob[], worker: string, leaseSeconds: number): Promise<StartAnswer[]> {
  const { rows } = await db.query<Row>({ name: 'start-read', text: READ, values: [jobs.map((job) => job.runId)] });
  const byId = new Map(rows.map((row) => [row.id, row]));
  const frozen = jobs.flatMap((job) => {
    const row = byId.get(job.runId);
    if (!row || row.fence !== job.fence) return [];
    const { inputs, from } = row.inputs === null ? freezeInputs(sourcesOf(row)) : { inputs: row.inputs, from: null };
    return [{ row, inputs, from, hash: hashInputs(inputs) }];
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
      frozen.map((item) => (item.from === null ? null : JSON.stringify(item.from))),
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

function sourcesOf(row: Row): DataSources {
  return {
    attribs: row.attribs,
    template: row.template,
    deploymentRole: row.deployment_data ?? {},
    deploymentRoleRevisions: row.deployment_revisions ?? {},
    deploymentRoleWall: row.deployment_wall ?? {},
    sysdata: row.sysdata,
    committed: row.committed_data,
    revisions: row.revisions,
    node: { id: row.node_id, name: row.node_name, arch: row.node_arch },
    parents: row.parents,
    wanted: row.wanted ?? [],
  };
}

/** Of its own attribs, and of those it wants, wherever they were put. */
function secretsOf(row: Row, inputs: JsonObject): string[] {
  const wanted = (row.wanted ?? []).flatMap(({ at, schema }) => {
    const value = valueAt(inputs, pathKeys(at));
    return !schema || value === undefined ? [] : secretsIn([{ name: 'value', schema }], { value });
  });
  return [...secretsIn(row.attribs, inputs), ...wanted];
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
      role: { name: row.role_name, config: row.jig_config, timeoutSeconds: row.timeout_seconds, attribs: row.attribs },
      secrets: secretsOf(row, inputs),
      node: { id: row.node_id, name: row.node_name, arch: row.node_arch, kind: row.node_kind },
    },
  };
}

/** Same inputs as the last success, and nothing since then ended its validity (engine-rules 9, 16). */
function isMemoHit(row: Row, hash: string): boolean {
  if (row.force_run || row.destructive || row.last_ok_hash !== hash) return false;
  return row.validity !== 'boot' || row.last_ok_epoch === row.boot_epoch;
}
