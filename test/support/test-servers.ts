/**
 * The servers of one run of the integration tests: one PostgreSQL (embedded, unless PRYBAR_TEST_PG_URL or DATABASE_URL names one), a template
 * database migrated once, and one redis-server. Tests find them through test/support/postgres.ts and redis.ts.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/db/embedded.js';
import { migrate } from '../../src/db/migrate.js';
import { isAlive } from '../../src/db/os-process.js';
import { findPackageRoot } from '../../src/db/package-root.js';
import { findPostmaster, stopPostmaster } from '../../src/db/postmaster.js';
import { createLogger } from '../../src/shared/logger.js';
import { runOnServer, urlOfDatabase } from './postgres.js';
import { startRedisServer } from './redis-server.js';

export interface TestServers {
  stop(): Promise<void>;
}

declare global {
  /** Handed from global-setup.mjs to global-teardown.ts; both run in Jest's own process. */
  var prybarTestServers: TestServers | undefined;
}

const log = createLogger('test-setup', 'warn');
const say = (step: string) => process.stderr.write(`  ${step}\n`);

const serversDirectory = join(findPackageRoot(), '.prybar', 'test');

/** A run ended by Ctrl-C or SIGKILL leaves its server and data; the directory's name tells the process it belonged to. */
async function removeAbandonedServers(): Promise<void> {
  const names = existsSync(serversDirectory) ? readdirSync(serversDirectory) : [];
  const abandoned = names.filter((name) => /^postgres-\d+$/.test(name) && !isAlive(Number(name.slice('postgres-'.length))));
  for (const home of abandoned.map((name) => join(serversDirectory, name))) {
    const left = findPostmaster(join(home, 'cluster'));
    if (left) await stopPostmaster(left.pid);
    if (process.env['KEEP_DB'] !== '1') rmSync(home, { recursive: true, force: true });
  }
}

/** A server for this run alone: two runs at once never share one, and nothing of an earlier run is in the way. */
async function startOwnServer(): Promise<{ url: string; stop(): Promise<void> }> {
  await removeAbandonedServers();
  const dataDir = join(serversDirectory, `postgres-${process.pid}`);
  const server = await startEmbeddedPostgres({ dataDir, log, onStep: say });
  // What a crash of this machine would lose is of no interest; hundreds of databases and emptied tables are written to disk otherwise.
  for (const statement of ['ALTER SYSTEM SET fsync = off', 'ALTER SYSTEM SET full_page_writes = off', 'SELECT pg_reload_conf()'])
    await runOnServer(server.url, statement);
  return {
    url: server.url,
    async stop() {
      await server.stop();
      if (process.env['KEEP_DB'] === '1') say(`kept ${server.dataDir}`);
      else rmSync(server.dataDir, { recursive: true, force: true });
    },
  };
}

/** Starts them and tells the tests where they are, through the environment that Jest's workers inherit. */
export async function startTestServers(): Promise<TestServers> {
  const given = process.env['PRYBAR_TEST_PG_URL'] ?? process.env['DATABASE_URL'];
  const server = given ? { url: given, stop: () => Promise.resolve() } : await startOwnServer();
  const template = `prybar_test_template_${process.pid}`;
  await runOnServer(server.url, `CREATE DATABASE ${template} TEMPLATE template0`);
  await migrate({ connectionString: urlOfDatabase(server.url, template), log });
  const redis = await startRedisServer();

  process.env['PRYBAR_TEST_SERVER_URL'] = server.url;
  process.env['PRYBAR_TEST_TEMPLATE'] = template;
  process.env['PRYBAR_TEST_REDIS_URL'] = redis.url;
  return {
    async stop() {
      await redis.stop();
      if (given) await runOnServer(server.url, `DROP DATABASE IF EXISTS ${template} WITH (FORCE)`);
      await server.stop();
    },
  };
}
