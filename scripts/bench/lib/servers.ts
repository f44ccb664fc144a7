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

/** BENCH_STATEMENTS=1: the statements that took longest in all, those inside functions too, are told when a database is dropped. */
const COUNTS_STATEMENTS = process.env['BENCH_STATEMENTS'] === '1';

async function tellStatements(url: string, tools: Tools): Promise<void> {
  const rows = await onServer<{ calls: number; ms: number; rows: number; blocks: number; query: string }>(
    url,
    `SELECT s.calls, s.total_exec_time AS ms, s.rows, s.shared_blks_hit + s.shared_blks_read AS blocks, left(regexp_replace(s.query, '\\s+', ' ', 'g'), 110) AS query
       FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() ORDER BY s.total_exec_time DESC LIMIT 40`,
  );
  for (const row of rows) tools.say(`      ${Math.round(row.ms)} ms, ${row.calls} calls, ${row.rows} rows, ${row.blocks} blocks: ${row.query}`);
}

/** Starts the embedded PostgreSQL on a data directory of its own, which is removed at the end. */
export async function startPostgres(tools: Tools): Promise<PostgresServer> {
  const dataDir = join(findPackageRoot(), '.prybar', 'bench', `postgres-${process.pid}`);
  const start = () => startEmbeddedPostgres({ dataDir, log, onStep: (step) => tools.say(`  ${step}`) });
  let server = await start();
  if (COUNTS_STATEMENTS) {
    await onServer(server.url, `ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`);
    await onServer(server.url, `ALTER SYSTEM SET pg_stat_statements.track = 'all'`);
    await server.stop();
    server = await start();
  }
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
      const url = urlOf(server.url, name);
      if (COUNTS_STATEMENTS) await onServer(url, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
      return {
        url,
        async drop() {
          if (COUNTS_STATEMENTS) await tellStatements(url, tools);
          await onServer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        },
      };
    },
  };
}

export async function startRedis(tools: Tools): Promise<{ url: string; pid: number }> {
  const redis = await startRedisServer();
  tools.onEnd(() => redis.stop());
  return redis;
}
