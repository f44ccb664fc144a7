/** The servers a bench runs on: PostgreSQL as the product starts its own, and redis-server, each for this run alone. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../../src/db/embedded.js';
import { migrate } from '../../../src/db/migrate.js';
import { findPackageRoot } from '../../../src/db/package-root.js';
import { findPostmaster } from '../../../src/db/postmaster.js';
import { createLogger } from '../../../src/shared/logger.js';
import { startRedisServer } from '../../../test/support/redis-server.js';
import type { Tools } from '../bench.js';

export type Database = { url: string; drop(): Promise<void> };

export type PostgresServer = {
  url: string;
  pid: number;
  /** Settings that decide what a commit costs, and the version. */
  settings: Record<string, string>;
  /** A database with Prybar's tables, or an empty one. */
  createDatabase(kind: 'prybar' | 'empty'): Promise<Database>;
};

const log = createLogger('bench', 'warn');

async function onServer<T extends object>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const urlOf = (server: string, name: string): string => {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
};

const SHOWN = ['server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'wal_level', 'autovacuum'];

/** BENCH_EXPLAIN_MS=20 has every statement slower than that, inside functions too, explained in the server's log (kept with KEEP_DB=1). */
async function explainSlow(url: string): Promise<void> {
  const ms = process.env['BENCH_EXPLAIN_MS'];
  if (ms === undefined) return;
  const settings = { log_min_duration: Number(ms), log_nested_statements: 'on', log_analyze: 'on', log_buffers: 'on', log_timing: 'off' };
  await onServer(url, `ALTER SYSTEM SET session_preload_libraries = 'auto_explain'`);
  for (const [name, value] of Object.entries(settings)) await onServer(url, `ALTER SYSTEM SET auto_explain.${name} = ${value}`).catch(() => undefined);
  await onServer(url, 'SELECT pg_reload_conf()');
}

/** Starts the embedded PostgreSQL on a data directory of its own, which is removed at the end. */
export async function startPostgres(tools: Tools): Promise<PostgresServer> {
  const dataDir = join(findPackageRoot(), '.prybar', 'bench', `postgres-${process.pid}`);
  const server = await startEmbeddedPostgres({ dataDir, log, onStep: (step) => tools.say(`  ${step}`) });
  tools.onEnd(async () => {
    await server.stop();
    if (process.env['KEEP_DB'] !== '1') rmSync(server.dataDir, { recursive: true, force: true });
  });
  const pid = findPostmaster(join(server.dataDir, 'cluster'))?.pid ?? 0;
  const rows = await onServer<{ name: string; setting: string }>(
    server.url,
    `SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name IN (${SHOWN.map((name) => `'${name}'`).join(', ')}) ORDER BY name`,
  );
  await explainSlow(server.url);
  await onServer(server.url, 'CREATE DATABASE bench_template TEMPLATE template0');
  await migrate({ connectionString: urlOf(server.url, 'bench_template'), log });
  let made = 0;
  return {
    url: server.url,
    pid,
    settings: Object.fromEntries(rows.map((row) => [row.name, row.setting])),
    async createDatabase(kind) {
      const name = `bench_${++made}`;
      await onServer(server.url, `CREATE DATABASE ${name} TEMPLATE ${kind === 'prybar' ? 'bench_template' : 'template0'}`);
      return { url: urlOf(server.url, name), drop: async () => void (await onServer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)) };
    },
  };
}

export async function startRedis(tools: Tools): Promise<{ url: string; pid: number }> {
  const redis = await startRedisServer();
  tools.onEnd(() => redis.stop());
  return redis;
}
