/** The same rack on a PostgreSQL and a Redis that somebody else runs. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { createLogger } from '../../src/shared/logger.js';
import { urlOfDatabase, runOnServer } from '../support/postgres.js';
import { startRedisServer, type RedisServer } from '../support/redis-server.js';
import { assertSoundHistory } from './support/history.js';
import { Installation } from './support/installation.js';
import { pidOf } from './support/our-processes.js';
import { countersIn } from './support/rack-log.js';

describe('npm start', () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let redis: RedisServer;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'prybar-e2e-servers-'));
    chmodSync(folder, 0o755);
    postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'postgres'), log: createLogger('e2e', 'warn'), onStep: () => undefined });
    redis = await startRedisServer();
  });
  afterAll(async () => {
    await redis.stop();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['PostgreSQL', 'Redis', 'PostgreSQL and Redis'])('takes a rack to ACTIVE on an external %s, and leaves it running', async (which) => {
    const name = `e2e_${which.replaceAll(' ', '_').toLowerCase()}`;
    await runOnServer(postgres.url, `CREATE DATABASE ${name}`);
    const installation = await Installation.create({
      ...(which.includes('PostgreSQL') ? { DATABASE_URL: urlOfDatabase(postgres.url, name) } : {}),
      ...(which.includes('Redis') ? { REDIS_URL: redis.url, PRYBAR_QUEUE_PREFIX: name.replaceAll('_', '-') } : {}),
    });
    try {
      for (const args of [['--split'], []]) {
        const run = installation.start(['--rack', '3', '--until-active', '--plain', ...args]);
        await run.said(/nodes alive/, 60_000);
        const status = await installation.client().status();
        expect(status.database.kind).toBe(which.includes('PostgreSQL') ? 'external' : 'embedded');
        expect(status.queue.backend).toBe(which.includes('Redis') ? 'redis' : 'postgres');
        expect(pidOf(installation.home, 'postgres') === undefined).toBe(which.includes('PostgreSQL'));
        expect(await run.ended(120_000)).toEqual({ status: 0, signal: null });
        expect(installation.processes()).toEqual([]);
      }
      expect(countersIn(installation.log('rack'))[0]).toMatchObject({ complete: 3, of: 3, totals: { installs: 3 } });
      expect(postgres.isRunning()).toBe(true);
      if (which.includes('PostgreSQL')) await assertSoundHistory(installation);
    } finally {
      await installation.close();
    }
  });
});
