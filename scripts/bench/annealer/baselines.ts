/** Other queues in the same run on the same servers, each in a process and a database of its own. */
import type { Tools } from '../bench.js';
import { startChild } from '../lib/children.js';
import { cpuSeconds, cpuSecondsOfFamily } from '../lib/machine.js';
import type { PostgresServer } from '../lib/servers.js';
import { migrate } from '../../../src/db/migrate.js';
import { createLogger } from '../../../src/shared/logger.js';

export type Baseline = { perSecond: number; cpuMicros: number };

type Told = { perSecond: number };

async function measure(
  postgres: PostgresServer,
  name: 'graphile' | 'bullmq',
  kind: 'empty' | 'prybar',
  args: number[],
  jobs: number,
  tools: Tools,
): Promise<Baseline> {
  const database = await postgres.createDatabase('empty');
  if (kind === 'prybar') await migrate({ connectionString: database.url, log: createLogger('bench', 'warn') });
  const child = await startChild(name, {
    file: `scripts/bench/baseline/${name}.ts`,
    args: [jobs, ...args].map(String),
    env: { DATABASE_URL: database.url },
    execArgv: ['--import', 'tsx'],
    ready: false,
  });
  tools.onEnd(() => child.stop());
  try {
    await child.message('running');
    const before = cpuSecondsOfFamily(postgres.pid) + cpuSeconds(child.pid);
    const told = await child.message<Told>('result');
    const used = cpuSecondsOfFamily(postgres.pid) + cpuSeconds(child.pid) - before;
    return { perSecond: told.perSecond, cpuMicros: (used * 1e6) / jobs };
  } finally {
    await child.stop();
    await database.drop();
  }
}

/** graphile-worker's plain jobs at concurrency 10; with `localQueue` its batching, which gives up what a lost worker held. */
export const measureGraphile = (postgres: PostgresServer, jobs: number, localQueue: number, tools: Tools): Promise<Baseline> =>
  measure(postgres, 'graphile', 'empty', [localQueue], jobs, tools);

/** BullMQ's no-op jobs on its PostgreSQL back end. */
export const measureBullmq = (postgres: PostgresServer, jobs: number, concurrency: number, tools: Tools): Promise<Baseline> =>
  measure(postgres, 'bullmq', 'prybar', [concurrency], jobs, tools);
