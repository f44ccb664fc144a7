/**
 * Brings a database to what this version of Prybar needs, at every start: Prisma's migrations, then the PL/pgSQL
 * functions of prisma/functions, then BullMQ's own tables. Safe when any number of processes start together: one
 * advisory lock is held round everything, the others wait and find nothing left to do.
 *
 * Forward only. It never drops, resets or downgrades.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runMigrations as migrateBullmq } from 'bullmq';
import pg from 'pg';
import { ConfigError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { findPackageRoot } from './package-root.js';
import { applyMigrations, connectionFields } from './schema-engine.js';

/** "PRYB" in ASCII. Every version of Prybar must use the same number, or two versions could migrate at once. */
const MIGRATION_LOCK_KEY = 0x50525942;

/** The oldest server the schema is tested on; Debian 12 ships it. */
const MINIMUM_SERVER_VERSION = 15;

export interface MigrateOptions {
  connectionString: string;
  log: Pick<Logger, 'info'>;
  /** Folder with migrations/ and functions/; default: prisma/ of this package. */
  prismaDirectory?: string;
  /** Also create BullMQ's tables (schema "bullmq"); false when the queue lives on Redis. Default true. */
  queueTables?: boolean;
}

export interface MigrateResult {
  /** Names of the migration folders applied by this call, in order. */
  applied: string[];
  /** Names of the functions files (re)installed by this call, without ".sql". */
  functions: string[];
}

interface FunctionFile {
  name: string;
  sql: string;
  sha256: string;
}

function readFunctionFiles(directory: string): FunctionFile[] {
  if (!existsSync(directory)) return [];
  const fileNames = readdirSync(directory).filter((name) => name.endsWith('.sql'));
  return fileNames.toSorted().map((fileName) => {
    const sql = readFileSync(join(directory, fileName), 'utf8');
    return { name: fileName.slice(0, -'.sql'.length), sql, sha256: createHash('sha256').update(sql).digest('hex') };
  });
}

/** Installs the files whose text differs from the recorded one, each with its record in one transaction. */
async function installFunctions(client: pg.Client, files: FunctionFile[]): Promise<string[]> {
  await client.query('CREATE TABLE IF NOT EXISTS installed_functions (name text PRIMARY KEY, sha256 text NOT NULL)');
  const { rows } = await client.query<{ name: string; sha256: string }>('SELECT name, sha256 FROM installed_functions');
  const installed = new Map(rows.map((row) => [row.name, row.sha256]));
  const changed = files.filter((file) => installed.get(file.name) !== file.sha256);
  for (const file of changed) {
    await client.query('BEGIN');
    try {
      await client.query(file.sql);
      await client.query('INSERT INTO installed_functions (name, sha256) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256', [
        file.name,
        file.sha256,
      ]);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw new Error(`prisma/functions/${file.name}.sql was not installed: ${(error as Error).message}`, { cause: error });
    }
  }
  return changed.map((file) => file.name);
}

async function requireServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>("SELECT current_setting('server_version_num') AS version");
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major >= MINIMUM_SERVER_VERSION) return;
  throw new ConfigError(`PostgreSQL ${major} is too old`, `point DATABASE_URL at PostgreSQL ${MINIMUM_SERVER_VERSION} or newer`);
}

/**
 * Migrates one database. Repeating it is harmless and cheap (some 50 ms). Rejects when the server cannot be reached
 * within 4 s, is too old, or when a migration or function fails; the lock is released in every case, also when the
 * process dies, because it belongs to the connection.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const { connectionString, log, prismaDirectory = join(findPackageRoot(), 'prisma'), queueTables = true } = options;
  const client = new pg.Client({ ...connectionFields(connectionString), connectionTimeoutMillis: 4_000 });
  client.on('error', () => {}); // a connection lost in the middle also rejects the query that was running: reported there
  await client.connect();
  try {
    await requireServerVersion(client);
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK_KEY]);
    const applied = await applyMigrations(connectionString, join(prismaDirectory, 'migrations'));
    const functions = await installFunctions(client, readFunctionFiles(join(prismaDirectory, 'functions')));
    if (queueTables) await migrateBullmq(client);
    if (applied.length + functions.length > 0) log.info({ applied, functions }, 'database migrated');
    return { applied, functions };
  } finally {
    await client.end();
  }
}
