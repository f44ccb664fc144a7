/**
 * The engine without queue, workers and timers: a database of its own, and every step of the engine as a call that the
 * test makes. What runs when is the test's choice, so a history can be repeated.
 */
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { openDb, type Db } from '../../src/db/client.js';
import { ensureSystem } from '../../src/deployments/system.js';
import { commitDeployment, createDeployment } from '../../src/deployments/verbs.js';
import { bindRole } from '../../src/noderoles/bind.js';
import { claim } from '../../src/noderoles/claim.js';
import { settle } from '../../src/noderoles/settle.js';
import type { Settlement } from '../../src/noderoles/settle.js';
import type { Ring, RunJob } from '../../src/queue/jobs.js';
import { parseBarclamp } from '../../src/roles/load.js';
import { importBarclamps } from '../../src/roles/store.js';
import { startRuns, type StartAnswer } from '../../src/runs/start.js';
import { emptyTables } from './empty-tables.js';
import { present } from '../../src/shared/assert.js';
import { createTestDatabase } from './postgres.js';

export type DirectEngine = {
  db: Db;
  deploymentId: number;
  /** As it was opened, in a fraction of the time that another database takes. */
  reset(): Promise<void>;
  close(): Promise<void>;
};

/** What a test of the engine writes, with everything that refers to it; settings of an installation stay. */
const RESET = [
  'node_roles',
  'node_role_edges',
  'runs',
  'waits',
  'facts',
  'propagations',
  'outbox_events',
  'outbox_batches',
  'late_results',
  'agent_work',
  'deployment_roles',
  'role_requires',
  'roles',
  'node_status',
  'nodes',
  'deployments',
  'worker_slots',
  'caps',
  'audit',
];

/** One deployment, `slots` worker slots of class fast (0: none), no nodes and no roles yet. */
export async function openDirectEngine({ slots = 1000, poolSize = 10 } = {}): Promise<DirectEngine> {
  const database = await createTestDatabase();
  // What a crash of the server would lose is of no interest here, and thousands of small commits are.
  const url = `${database.url}${database.url.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c synchronous_commit=off')}`;
  const db = openDb({ url, applicationName: 'direct-engine', poolSize });
  const engine: DirectEngine = {
    db,
    deploymentId: 0,
    async reset() {
      await emptyTables(db.pool, RESET);
      await ensureSystem(db);
      engine.deploymentId = (await createDeployment(db, { name: 'demo', actor: 'test' })).id;
      if (slots > 0) await addSlots(db, 'fast', slots);
    },
    async close() {
      await db.close();
      await database.drop();
    },
  };
  await engine.reset();
  return engine;
}

/** An engine for the tests of a file or of a `describe`: opened before them, as it was opened before each, closed after them. */
export function useEngine(options: Parameters<typeof openDirectEngine>[0] = {}): DirectEngine {
  let opened: DirectEngine | undefined;
  const engine = (): DirectEngine => present(opened, 'engine: it is opened for tests, not for what stands around them');
  beforeAll(async () => {
    opened = await openDirectEngine(options);
  });
  beforeEach(() => engine().reset());
  afterAll(() => opened?.close());
  return {
    get db() {
      return engine().db;
    },
    get deploymentId() {
      return engine().deploymentId;
    },
    reset: () => engine().reset(),
    close: () => engine().close(),
  };
}

/** A live worker; its heartbeat is of tomorrow. */
export async function addSlots(db: Db, jobClass: string, slots: number): Promise<void> {
  await db.pool.query(`INSERT INTO worker_slots (worker, job_class, slots, heartbeat_at) VALUES ($1, $1, $2, clock_timestamp() + interval '1 day')`, [
    jobClass,
    slots,
  ]);
}

/** Roles requiring each other as given; `more` adds keys of a role definition. Answers their ids. */
export async function addRoles(db: Db, roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}): Promise<Record<string, number>> {
  const definitions = Object.entries(roles).map(([name, requires]) => ({ name, jig: 'test', requires, backoff_seconds: 0, ...more[name] }));
  await importBarclamps(db.pool, [parseBarclamp(JSON.stringify({ barclamp: { name: 'test' }, roles: definitions }), 'test')], { missing: 'keep' });
  const { rows } = await db.pool.query<{ id: number; name: string }>('SELECT id, name FROM roles WHERE name = ANY($1)', [Object.keys(roles)]);
  return Object.fromEntries(rows.map((row) => [row.name, row.id]));
}

/** Nodes n1, n2, ... that are alive and booted into discovery. */
export async function addMachines(db: Db, count: number, kind: 'machine' | 'admin' | 'phantom' = 'machine'): Promise<number[]> {
  const { rows } = await db.pool.query<{ id: number }>(
    `INSERT INTO nodes (name, deployment_id, kind, alive, boot_class)
     SELECT $2 || (SELECT count(*) FROM nodes) + i, (SELECT id FROM deployments WHERE system), $2, true, 'discovery' FROM generate_series(1, $1::int) i RETURNING id`,
    [count, kind],
  );
  const ids = rows.map((row) => row.id);
  await db.pool.query(
    `INSERT INTO node_status (node_id, boot_id, boot_class, heartbeat_at) SELECT id, 'boot-' || id, 'discovery', clock_timestamp() + interval '1 day' FROM unnest($1::int[]) AS n(id)`,
    [ids],
  );
  return ids;
}

export async function bind(engine: DirectEngine, roleId: number, nodeId: number): Promise<number> {
  return (await bindRole(engine.db, { roleId, nodeId, deploymentId: engine.deploymentId, actor: 'test' })).nodeRoleId;
}

export const commit = (engine: DirectEngine) => commitDeployment(engine.db, engine.deploymentId, 'test');

export type NodeRoleRow = {
  id: number;
  state: string;
  version: number;
  pending_parents: number;
  want_gen: number;
  failures: number;
  current_run_id: number | null;
  error_code: string | null;
  blocked_by: number | null;
  last_ok_hash: string | null;
};

export async function nodeRole(db: Db, id: number): Promise<NodeRoleRow> {
  const { rows } = await db.pool.query<NodeRoleRow>(
    'SELECT id, state, version, pending_parents, want_gen, failures, current_run_id, error_code, blocked_by, last_ok_hash FROM node_roles WHERE id = $1',
    [id],
  );
  if (!rows[0]) throw new Error(`no noderole ${id}`);
  return rows[0];
}

export const stateOf = async (db: Db, id: number) => (await nodeRole(db, id)).state;

export type RunRow = {
  id: number;
  node_role_id: number;
  status: string;
  outcome: string | null;
  fence: number;
  dispatch: number;
  holds_slot: boolean;
  wake_reason: string | null;
  attempt: number;
  gen: number | null;
};

export async function runsOf(db: Db, nodeRoleId: number): Promise<RunRow[]> {
  const { rows } = await db.pool.query<RunRow>(
    'SELECT id, node_role_id, status, outcome, fence, dispatch, holds_slot, wake_reason, attempt, gen FROM runs WHERE node_role_id = $1 ORDER BY id',
    [nodeRoleId],
  );
  return rows;
}

/** Starts one job; answers what the worker would get. */
export async function start(db: Db, job: RunJob, leaseSeconds = 600): Promise<StartAnswer> {
  const [answer] = await startRuns(db.pool, [job], 'w1', leaseSeconds);
  if (!answer) throw new Error('start did not answer');
  return answer;
}

/** Starts one job and answers the fence its executor holds. Throws when the jig would not run. */
export async function begin(db: Db, job: RunJob): Promise<{ runId: number; fence: number }> {
  const answer = await start(db, job);
  if (answer.kind !== 'run') throw new Error(`run ${job.runId}: ${answer.kind}`);
  return { runId: answer.run.runId, fence: answer.run.fence };
}

/** Claims everything and starts it; answers by noderole. */
export async function claimAndBegin(db: Db): Promise<Map<number, { runId: number; fence: number }>> {
  const begun = new Map<number, { runId: number; fence: number }>();
  for (const ring of await claim(db.pool, 1000)) {
    const { rows } = await db.pool.query<{ node_role_id: number }>('SELECT node_role_id FROM runs WHERE id = $1', [ring.runId]);
    begun.set(rows[0]?.node_role_id ?? 0, await begin(db, ring));
  }
  return begun;
}

/** Claims, starts and succeeds until nothing can be claimed. */
export async function driveToEnd(db: Db, outcome: (job: Ring) => Settlement['outcome'] = () => ({ kind: 'done' })): Promise<void> {
  let rings = await claim(db.pool, 1000);
  while (rings.length > 0) {
    const answers = await startRuns(db.pool, rings, 'w1', 600);
    const batch = answers.flatMap((answer, index): Settlement[] => {
      if (answer.kind === 'dropped') return [];
      if (answer.kind === 'run') return [{ runId: answer.run.runId, fence: answer.run.fence, outcome: outcome(rings[index]) }];
      return [{ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } }];
    });
    await settle(db.pool, batch, 0);
    rings = await claim(db.pool, 1000);
  }
}

/** Calls one of the engine's functions that answers a number: `expire_waits()`. */
export async function call(db: Db, expression: string, values: unknown[] = []): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(`SELECT ${expression} AS n`, values);
  return rows[0]?.n ?? 0;
}

const UNSOUND = `
  SELECT 'counter drift of noderole ' || id || ': ' || stored || ' is not ' || truth AS what FROM drifted_counters(0, 2147483647)
  UNION ALL SELECT 'TODO with pending parents: ' || id FROM node_roles WHERE state = 'TODO' AND pending_parents <> 0
  UNION ALL SELECT 'two live slots of ' || exclusive_key FROM runs WHERE status <> 'ENDED' AND holds_slot GROUP BY exclusive_key HAVING count(*) > 1
  UNION ALL SELECT 'noderole ' || nr.id || ' is ' || nr.state || ' with ' || count(r.id) || ' deciding runs'
    FROM node_roles nr LEFT JOIN runs r ON r.node_role_id = nr.id AND r.status IN ('QUEUED', 'RUNNING', 'WAITING', 'WAKING')
    GROUP BY nr.id HAVING count(r.id) <> (nr.state = 'TRANSITION')::int OR max(r.id) IS DISTINCT FROM nr.current_run_id
  UNION ALL SELECT 'run ' || r.id || ' is ' || r.status || ' with ' || count(e.id) || ' end records' FROM runs r LEFT JOIN outbox_events e ON e.kind = 'run-ended' AND e.subject_id = r.id
    GROUP BY r.id HAVING count(e.id) <> (r.status = 'ENDED')::int
  UNION ALL SELECT 'run ' || coalesce(r.id, w.run_id) || ' is ' || coalesce(r.status::text, 'gone') || ', wait: ' || (w.run_id IS NOT NULL)
    FROM runs r FULL JOIN waits w ON w.run_id = r.id WHERE (r.status = 'WAITING') <> (w.run_id IS NOT NULL)
  UNION ALL SELECT 'history of noderole ' || h.id || ': it was ' || coalesce(h.before, 'unborn') || ' and left ' || h.from_state
    FROM (SELECT e.subject_id AS id, e.data->>'from' AS from_state, lag(e.data->>'to') OVER (PARTITION BY e.subject_id ORDER BY e.version, e.id) AS before FROM outbox_events e WHERE e.kind = 'noderole-changed') h
   WHERE h.from_state IS DISTINCT FROM coalesce(h.before, 'NONE')
  UNION ALL SELECT 'noderole ' || nr.id || ' is ' || nr.state || ', its last event says ' || coalesce(l.state, 'nothing')
    FROM node_roles nr LEFT JOIN (SELECT DISTINCT ON (e.subject_id) e.subject_id, e.data->>'to' AS state FROM outbox_events e WHERE e.kind = 'noderole-changed' ORDER BY e.subject_id, e.version DESC, e.id DESC) l ON l.subject_id = nr.id
   WHERE l.state IS DISTINCT FROM nr.state::text
  LIMIT 10`;

/** What must hold after every step, whatever happened: answers what does not, in words; empty is sound. */
export async function unsound(db: Db): Promise<string[]> {
  const { rows } = await db.pool.query<{ what: string }>({ name: 'unsound', text: UNSOUND });
  return rows.map((row) => row.what);
}
