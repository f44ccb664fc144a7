/** The product under load: a database of its own, its worker processes from dist/ as `npm start --split` starts them, and what they cost. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDb, type Db } from '../../../src/db/client.js';
import { RUNS_NODE_ARGUMENTS } from '../../../src/bin/node-arguments.js';
import { MIGRATED_FLAG } from '../../../src/bin/tables.js';
import { openQueueBackend, type QueueBackend } from '../../../src/queue/backend.js';
import { Doorbell } from '../../../src/queue/produce.js';
import { createLogger } from '../../../src/shared/logger.js';
import type { Tools } from '../bench.js';
import { startChild, type Child } from '../lib/children.js';
import { cpuSeconds, cpuSecondsOfFamily, peakResidentMb, proportionalMb } from '../lib/machine.js';
import type { PostgresServer } from '../lib/servers.js';

export type Servers = { postgres: PostgresServer; redis: { url: string; pid: number } };
export type BackendName = 'redis' | 'postgres';

export type ProductOptions = {
  backend: BackendName;
  /** Processes that execute and settle runs. */
  runs: number;
  /** Everything in one process, API and boot services too, as `npm start` runs it without --split. */
  whole?: boolean;
  settings?: Record<string, string>;
};

/** CPU seconds so far, by part. */
export type Usage = Record<string, number>;

export type Product = {
  db: Db;
  doorbell: Doorbell;
  /** Starts the processes; the database is there before. */
  start(): Promise<void>;
  usage(): Usage;
  /** By process: highest resident size; and the proportional share of all together now. MB. */
  memory(): { peak: Record<string, number>; proportional: number };
  close(): Promise<void>;
};

const PORTS = ['PRYBAR_PORT', 'PRYBAR_BOOT_HTTP_PORT', 'PRYBAR_DHCP_PORT', 'PRYBAR_TFTP_PORT', 'PRYBAR_DNS_PORT'];

const log = createLogger('bench', 'warn');

export async function createProduct(servers: Servers, options: ProductOptions, tools: Tools): Promise<Product> {
  const { postgres, redis } = servers;
  const database = await postgres.createDatabase('prybar');
  const db = openDb({ url: database.url, applicationName: 'bench', poolSize: 4 });
  const prefix = `bench-${randomBytes(4).toString('hex')}`;
  const redisUrl = options.backend === 'redis' ? redis.url : undefined;
  const backend: QueueBackend = openQueueBackend({ redisUrl, databaseUrl: database.url, prefix, log });
  const doorbell = new Doorbell(backend);
  const home = mkdtempSync(join(tmpdir(), 'prybar-bench-'));
  const children: Child[] = [];
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl ?? '',
    PRYBAR_QUEUE_PREFIX: prefix,
    PRYBAR_HOME: home,
    PRYBAR_LOG_LEVEL: 'warn',
    ...Object.fromEntries(PORTS.map((name) => [name, '0'])),
    NODE_ENV: 'production',
    ...options.settings,
  };
  let isClosed = false;
  const product: Product = {
    db,
    doorbell,
    async start() {
      const split: [string, string][] = [
        ['hooks', 'dist/workers/hooks.js'],
        ...Array.from({ length: options.runs }, (_, index): [string, string] => [`runs-${index + 1}`, 'dist/workers/runs.js']),
        ['annealer', 'dist/workers/annealer.js'],
      ];
      const programs: [string, string][] = options.whole ? [['all', 'dist/src/bin/all.js']] : split;
      // BENCH_PROFILE=runs-1 with BENCH_PROFILE_DIR writes a CPU profile of that process.
      const profiled = process.env['BENCH_PROFILE'];
      for (const [name, file] of programs) {
        const profile = name === profiled ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROFILE_DIR'] ?? tmpdir()}`] : [];
        const own = name.startsWith('runs') ? RUNS_NODE_ARGUMENTS : [];
        children.push(await startChild(name, { file, args: [MIGRATED_FLAG], env, execArgv: [...own, ...profile] }));
      }
    },
    usage() {
      const parts = children.map(({ name, pid }): [string, number] => [name, cpuSeconds(pid)]);
      return Object.fromEntries([...parts, ['postgresql', cpuSecondsOfFamily(postgres.pid)], ...(redisUrl ? [['redis', cpuSeconds(redis.pid)] as const] : [])]);
    },
    memory() {
      const peak = Object.fromEntries(children.map(({ name, pid }) => [name, peakResidentMb(pid)]));
      return { peak, proportional: children.reduce((sum, { pid }) => sum + proportionalMb(pid), 0) };
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await Promise.all(children.reverse().map((child) => child.stop()));
      await doorbell.close();
      await backend.close();
      await db.close();
      await database.drop();
      rmSync(home, { recursive: true, force: true });
    },
  };
  tools.onEnd(() => product.close());
  return product;
}

/** What was used between two looks, microseconds per unit, by part and in all. */
export function usagePer(before: Usage, after: Usage, units: number): { total: number; parts: string } {
  const used = Object.entries(after).map(([name, seconds]): [string, number] => [name, ((seconds - (before[name] ?? 0)) * 1e6) / units]);
  return {
    total: used.reduce((sum, [, micros]) => sum + micros, 0),
    parts: used.map(([name, micros]) => `${name} ${Math.round(micros)}`).join(', '),
  };
}
