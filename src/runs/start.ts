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
import { isJsonObject } from '../shared/json.js';
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

type RunRow = {
  id: number;
  fence: number;
  attempt: number;
  jig: string;
  inputs: JsonObject | null;
  memo: JsonObject;
  wake_reason: string | null;
  expected_boot: { class: string; otherwise: 'fail' | 'wake' } | null;
  noderole_id: number;
  role_id: number;
  want_gen: number;
  pending_parents: number;
  slack: number;
  last_ok_hash: string | null;
  last_ok_epoch: number | null;
  force_run: boolean;
  /** Destructive, and its installation is complete. */
  installed: boolean;
  committed_data: JsonObject;
  sysdata: JsonObject;
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

/** Shared by the runs of a batch: nobody writes to it. */
type RoleRow = {
  role_id: number;
  role_name: string;
  template: JsonObject;
  attribs: Attrib[];
  jig_config: JsonObject;
  timeout_seconds: number;
  validity: string;
  destructive: boolean;
};

/** Side by side, not merged: an object of thirty keys made for each run costs more than the rest of its start. */
type Row = { run: RunRow; role: RoleRow };

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
  const frozen = jobs.flatMap((job) => {
    const row = byId.get(job.runId);
    if (!row || row.run.fence !== job.fence) return [];
    const { inputs, from } = row.run.inputs === null ? freezeInputs(sourcesOf(row)) : { inputs: row.run.inputs, from: null };
    return [{ row, inputs, from, hash: hashInputs(inputs) }];
  });
  if (frozen.length === 0) return jobs.map(() => ({ kind: 'dropped' }));

  const started = await db.query<{ run_id: number; new_fence: number }>({
    name: 'start-take',
    text: 'SELECT run_id, new_fence FROM start_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
    values: [
      frozen.map((item) => item.row.run.id),
      frozen.map((item) => item.row.run.fence),
      frozen.map((item) => JSON.stringify(item.inputs)),
      frozen.map((item) => item.hash),
      frozen.map((item) => item.row.run.want_gen),
      worker,
      leaseSeconds,
      frozen.map((item) => item.row.run.boot_epoch),
      frozen.map((item) => (item.from === null ? null : JSON.stringify(item.from))),
      frozen.map((item) => stops(item.row.run.jig, item.row.role.role_name)),
    ],
  });
  const fences = new Map(started.rows.map((row) => [row.run_id, row.new_fence]));
  await tellResumed(
    db,
    frozen.map((item) => item.row.run).filter((run) => run.inputs !== null && fences.has(run.id)),
  );
  const answers = new Map(frozen.map((item) => [item.row.run.id, toAnswer(item.row, item.inputs, item.hash, fences.get(item.row.run.id))]));
  return jobs.map((job) => {
    const answer = answers.get(job.runId);
    answers.delete(job.runId);
    return answer ?? { kind: 'dropped' };
  });
}

/** What runs are frozen from, by id; those that cannot be started have none. */
async function readRuns(db: Queryable, ids: number[]): Promise<Map<number, Row>> {
  const { rows } = await db.query<{ run: RunRow | null; role: RoleRow | null }>({
    name: 'start-read',
    text: 'SELECT run, role FROM start_read($1)',
    values: [ids],
  });
  const roles = new Map(rows.flatMap(({ role }) => (role === null ? [] : [[role.role_id, role]])));
  return new Map(
    rows.flatMap(({ run }) => {
      const role = run === null ? undefined : roles.get(run.role_id);
      return run === null || role === undefined ? [] : [[run.id, { run, role }]];
    }),
  );
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

function sourcesOf({ run, role }: Row): DataSources {
  return {
    attribs: role.attribs,
    template: role.template,
    deploymentRole: run.deployment_data ?? {},
    deploymentRoleRevisions: run.deployment_revisions ?? {},
    deploymentRoleWall: run.deployment_wall ?? {},
    sysdata: run.sysdata,
    committed: run.committed_data,
    revisions: run.revisions,
    node: { id: run.node_id, name: run.node_name, arch: run.node_arch },
    parents: run.parents,
    wanted: run.wanted ?? [],
  };
}

/** Of its own attribs, of those it wants, wherever they were put, and of the walls that it reads whole. */
function secretsOf({ run, role }: Row, inputs: JsonObject): string[] {
  const wanted = (run.wanted ?? []).flatMap(({ at, schema }) => {
    const value = valueAt(inputs, pathKeys(at));
    return !schema || value === undefined ? [] : secretsIn([{ name: 'value', schema }], { value });
  });
  const walls = isJsonObject(inputs.parents) ? inputs.parents : {};
  const parents = Object.entries(run.parents).flatMap(([name, { attribs }]) => {
    const wall = walls[name];
    return attribs === undefined || !isJsonObject(wall) ? [] : secretsIn(attribs, wall);
  });
  return [...secretsIn(role.attribs, inputs), ...wanted, ...parents];
}

function toAnswer(row: Row, inputs: JsonObject, hash: string, fence: number | undefined): StartAnswer {
  const { run, role } = row;
  if (fence === undefined) return { kind: 'dropped' };
  const first = run.inputs === null;
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
      memo: run.memo,
      wakeReason: run.wake_reason,
      expectedBoot: run.expected_boot,
      noderoleId: run.noderole_id,
      role: { name: role.role_name, config: role.jig_config, timeoutSeconds: role.timeout_seconds, attribs: role.attribs },
      secrets: secretsOf(row, inputs),
      node: { id: run.node_id, name: run.node_name, arch: run.node_arch, kind: run.node_kind },
    },
  };
}

/** Same inputs as the last success, and nothing since then ended its validity (engine-rules 9, 16); or installed already (15). */
function isMemoHit({ run, role }: Row, hash: string): boolean {
  if (run.installed) return true;
  if (run.force_run || role.destructive || run.last_ok_hash !== hash) return false;
  return role.validity !== 'boot' || run.last_ok_epoch === run.boot_epoch;
}
