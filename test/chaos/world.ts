/** Everything of one chaos, opened and closed together: stores, processes, machines, operators, and who watches them. */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { transformFileSync } from '@swc/core';
import { existsSync, writeFileSync, readdirSync } from 'node:fs';
import { migrate } from '../../src/db/migrate.js';
import { isPassing } from '../../src/db/passing.js';
import { openDb, type Db } from '../../src/db/client.js';
import { findPackageRoot } from '../../src/db/package-root.js';
import { createLogger } from '../../src/shared/logger.js';
import { randomOf } from '../support/random.js';
import type { Options } from './options.js';
import { Follower } from './follower.js';
import { Machines } from './machines.js';
import { Operators } from './operators.js';
import { Supervised } from './processes.js';
import { PROCESSES, type ProcessName } from './schedule.js';
import { createSite, type Site } from './site.js';
import { freePort, Postgres, Redis } from './stores.js';

export const LEASE_SECONDS = 4;
const START_LIMIT_MS = 120_000;

export type World = {
  folder: string;
  postgres: Postgres;
  redis: Redis | undefined;
  /** Past the proxy, tried again while PostgreSQL is away. */
  db: Db;
  site: Site;
  processes: Map<ProcessName, Supervised>;
  machines: Machines;
  operators: Operators;
  follower: Follower;
};

/** Undoes what was opened, the last first; what fails is told and does not keep the rest from closing. */
export class Closers {
  private readonly closers: [string, () => Promise<unknown>][] = [];

  add(what: string, close: () => Promise<unknown>): void {
    this.closers.push([what, close]);
  }

  async closeAll(): Promise<void> {
    for (const [what, close] of this.closers.splice(0).reverse())
      await close().catch((error: unknown) => process.stderr.write(`  ${what} did not close: ${error instanceof Error ? error.message : String(error)}\n`));
  }
}

export async function openWorld(options: Options, folder: string, closers: Closers): Promise<World> {
  const log = createLogger('chaos', 'error');
  for (const name of ['home', 'journal', 'logs']) mkdirSync(path.join(folder, name), { recursive: true });
  const postgres = await Postgres.start(path.join(folder, 'postgres'));
  closers.add('PostgreSQL', () => postgres.stop());
  const redis = options.backend === 'redis' ? await Redis.start() : undefined;
  if (redis) closers.add('Redis', () => redis.stop());
  await migrate({ connectionString: postgres.directUrl, log, queueTables: redis === undefined });
  const db = patient(openDb({ url: postgres.directUrl, applicationName: 'chaos-harness', poolSize: 12 }));
  closers.add('the connections', () => db.close());

  const apiPort = await freePort();
  const env = {
    DATABASE_URL: postgres.proxiedUrl,
    ...(redis ? { REDIS_URL: redis.proxiedUrl } : { REDIS_URL: '' }),
    PRYBAR_HOME: path.join(folder, 'home'),
    PRYBAR_PORT: String(apiPort),
    PRYBAR_QUEUE_PREFIX: 'chaos',
    PRYBAR_LOG_LEVEL: 'warn',
    PRYBAR_SWEEP_MS: '500',
    PRYBAR_RUN_LEASE_SECONDS: String(LEASE_SECONDS),
    PRYBAR_ALIVE_GRACE_SECONDS: '4',
    PRYBAR_CHAOS_JOURNAL: path.join(folder, 'journal'),
  };
  const worker = compileWorker();
  const dist = (file: string) => path.join(findPackageRoot(), 'dist', file);
  const modules: Record<ProcessName, string> = {
    'runs-0': worker,
    'runs-1': worker,
    'annealer-0': dist('workers/annealer.js'),
    'annealer-1': dist('workers/annealer.js'),
    hooks: dist('workers/hooks.js'),
    api: dist('src/bin/api.js'),
  };
  const processes = new Map(PROCESSES.map((name) => [name, new Supervised(name, modules[name], env, path.join(folder, 'logs'))]));
  const api = processes.get('api');
  if (api === undefined) throw new Error('no api');
  for (const child of processes.values()) closers.add(child.name, () => child.stop());
  // The API first: it makes the roles of the catalog and the token.
  const isReady = await Promise.race([api.start().then(() => true), sleep(START_LIMIT_MS, false, { ref: false })]);
  if (!isReady) throw new Error(`the API did not start within ${START_LIMIT_MS / 1000} s: ${path.join(folder, 'logs', 'api.log')}`);

  const random = randomOf(options.seed);
  const site: Site = { ...(await createSite(db, random, { nodes: options.nodes, roles: options.roles, deployments: 4 })), told: [] };
  const token = readFileSync(path.join(folder, 'home', 'admin-token'), 'utf8').trim();
  const address = { baseUrl: `http://127.0.0.1:${apiPort}`, token };
  const operators = new Operators(address, db.pool, site);
  const machines = new Machines(db, site.nodes, path.join(folder, 'journal'));
  await machines.start();
  closers.add('the machines', () => machines.close());
  const follower = await Follower.start(address, db.pool);
  closers.add('the follower', () => follower.close());
  return { folder, postgres, redis, db, site, processes, machines, operators, follower };
}

/** The processes of the chaos beside those of dist, so that they load the same modules. */
function compileWorker(): string {
  const root = findPackageRoot();
  const [from, to] = [path.join(root, 'test/chaos/worker'), path.join(root, 'dist/test/chaos/worker')];
  mkdirSync(to, { recursive: true });
  if (!existsSync(path.join(root, 'dist/workers/annealer.js'))) throw new Error('dist is missing: npm run build');
  for (const name of readdirSync(from)) {
    const { code } = transformFileSync(path.join(from, name), { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } });
    writeFileSync(path.join(to, name.replace(/\.ts$/, '.js')), code);
  }
  return path.join(to, 'runs.js');
}

const PATIENCE_MS = 60_000;

/** Its queries wait for a PostgreSQL that is being started again. Only reads and what may be repeated go this way. */
function patient(db: Db): Db {
  const query = db.pool.query.bind(db.pool) as (...args: unknown[]) => Promise<unknown>;
  const tried = async (...args: unknown[]): Promise<unknown> => {
    for (const until = Date.now() + PATIENCE_MS; ;) {
      try {
        return await query(...args);
      } catch (error) {
        if (!isPassing(error) || Date.now() > until) throw error;
        await sleep(200);
      }
    }
  };
  db.pool.query = tried as typeof db.pool.query;
  return db;
}
