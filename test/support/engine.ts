/** An engine for tests: own database and queue prefix, an annealer and a runs worker in this process, a graph to run. */
import { randomBytes } from 'node:crypto';
import { closeContext, openContext, type Context, type Part } from '../../src/bin/context.js';
import { loadConfig } from '../../src/config/config.js';
import type { Queryable } from '../../src/db/client.js';
import { ensureSystem } from '../../src/deployments/system.js';
import type { JigRegistry } from '../../src/jigs/contract.js';
import { importBarclamps } from '../../src/roles/store.js';
import { parseBarclamp } from '../../src/roles/load.js';
import { createJigs } from '../../jigs/index.js';
import { startAnnealer } from '../../workers/annealer.js';
import { startRunsWorker } from '../../src/runs/worker.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { redisUrl, type BackendName } from './redis.js';
import { waitFor } from './wait-for.js';

export type TestEngine = {
  context: Context;
  database: TestDatabase;
  /** Environment for a process of its own on the same database and queue. */
  env: NodeJS.ProcessEnv;
  startWorker(jigs?: JigRegistry, options?: { graceMs?: number }): Promise<Part>;
  startAnnealer(): Promise<Part>;
  close(): Promise<void>;
};

export async function createTestEngine(backend: BackendName, settings: Record<string, string> = {}): Promise<TestEngine> {
  const database = await createTestDatabase();
  const env = {
    DATABASE_URL: database.url,
    ...(backend === 'redis' ? { REDIS_URL: redisUrl() } : {}),
    PRYBAR_QUEUE_PREFIX: `t-${randomBytes(4).toString('hex')}`,
    PRYBAR_LOG_LEVEL: process.env.PRYBAR_TEST_LOG ?? 'error',
    PRYBAR_SWEEP_MS: '200',
    ...settings,
  };
  const context = openContext('test', loadConfig(env));
  await importBarclamps(context.db.pool, [
    parseBarclamp('barclamp: { name: crowbar }\nroles: [{ name: dhcp-database, jig: noop, flags: [bootstrap, service] }]', 'test'),
  ]);
  await ensureSystem(context.db);
  const parts: Part[] = [];
  const keep = (part: Part): Part => (parts.push(part), part);
  return {
    context,
    database,
    env,
    startWorker: async (jigs, options = {}) =>
      keep(
        await startRunsWorker({
          pool: context.db.pool,
          backend: context.backend,
          doorbell: context.doorbell,
          log: context.log,
          jigs: jigs ?? createJigs(new Map()),
          leaseSeconds: context.config.runLeaseSeconds,
          fastSlots: context.config.fastSlots,
          ...options,
        }),
      ),
    startAnnealer: async () => keep(await startAnnealer(context)),
    async close() {
      for (const part of parts.reverse()) await part.close();
      await closeContext(context);
      await database.drop();
    },
  };
}

/** Roles of jig `test` (or another), requiring each other as given: `{ a: [], b: ['a'] }`. */
export async function defineRoles(context: Context, roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}): Promise<void> {
  const definitions = Object.entries(roles).map(([name, requires]) => ({ name, jig: 'test', requires, backoff_seconds: 0, ...more[name] }));
  await importBarclamps(context.db.pool, [parseBarclamp(JSON.stringify({ barclamp: { name: 'test' }, roles: definitions }), 'test')], { missing: 'keep' });
}

/** Machines that are alive, in the system deployment; their last heartbeat is of tomorrow, so the sweep leaves them so. */
export async function addNodes(context: Context, count: number, prefix = 'n'): Promise<number[]> {
  const { rows } = await context.db.pool.query<{ id: number }>(
    `INSERT INTO nodes (name, deployment_id, alive, boot_class) SELECT $1 || i, (SELECT id FROM deployments WHERE system), true, 'discovery' FROM generate_series(1, $2::int) i RETURNING id`,
    [prefix, count],
  );
  await context.db.pool.query(
    `INSERT INTO node_status (node_id, boot_id, boot_class, heartbeat_at) SELECT id, 'boot-' || id, 'discovery', clock_timestamp() + interval '1 day' FROM unnest($1::int[]) AS n(id)`,
    [rows.map((row) => row.id)],
  );
  return rows.map((row) => row.id);
}

export async function roleId(context: Context, name: string): Promise<number> {
  return (await context.db.prisma.role.findUniqueOrThrow({ where: { name } })).id;
}

/** Counts of the noderoles of a deployment by state; zero states are left out. */
export async function statesOf(context: Context, deploymentId: number): Promise<Record<string, number>> {
  const { rows } = await context.db.pool.query<{ state: string; n: number }>(
    'SELECT state, count(*)::int AS n FROM node_roles WHERE deployment_id = $1 GROUP BY state',
    [deploymentId],
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

export async function untilAll(context: Context, deploymentId: number, state: string, timeoutMs = 30_000): Promise<void> {
  await waitFor(
    async () => {
      const states = await statesOf(context, deploymentId);
      if (Object.keys(states).length === 1 && states[state] !== undefined) return true;
      throw new Error(JSON.stringify(states));
    },
    { what: `every noderole of deployment ${deploymentId} to be ${state}`, timeoutMs },
  );
}

/** What must hold in every history: no two runs of one machine overlap, each ended run has one end record, counters equal their definition. */
export async function assertHistoryIsSound(context: { db: { pool: Queryable } }): Promise<void> {
  const { pool } = context.db;
  const overlap = await pool.query(
    `SELECT a.id, b.id AS other, a.exclusive_key FROM runs a JOIN runs b ON a.exclusive_key = b.exclusive_key AND a.id < b.id
      WHERE a.started_at IS NOT NULL AND b.started_at IS NOT NULL AND a.holds_slot AND b.holds_slot AND b.started_at < coalesce(a.ended_at, 'infinity') LIMIT 5`,
  );
  if (overlap.rows.length > 0) throw new Error(`two runs held one machine: ${JSON.stringify(overlap.rows)}`);
  const ends = await pool.query(
    `SELECT r.id, count(e.id)::int AS n FROM runs r LEFT JOIN outbox_events e ON e.kind = 'run-ended' AND e.subject_id = r.id WHERE r.status = 'ENDED' GROUP BY r.id HAVING count(e.id) <> 1 LIMIT 5`,
  );
  if (ends.rows.length > 0) throw new Error(`runs without exactly one end record: ${JSON.stringify(ends.rows)}`);
  const drift = await pool.query('SELECT * FROM drifted_counters(0, 2147483647) LIMIT 5');
  if (drift.rows.length > 0) throw new Error(`counters differ from their definition: ${JSON.stringify(drift.rows)}`);
}
