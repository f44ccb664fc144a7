/**
 * The database: one pg pool for set-based SQL (claim, settle, batches) and one Prisma client for reads and single
 * writes, because an interactive transaction through the ORM costs five times a plain one (stack.md 1).
 * The only place that builds either. `int8` comes back as a number: our ids stay far below 2^53.
 */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.js';
import { ConfigError } from '../shared/errors.js';
import { assertNotPooled } from './pooler.js';

export type Pool = pg.Pool;
/** A client inside a transaction opened by `withTransaction`. */
export type Tx = pg.PoolClient;
export type Queryable = Pick<pg.Pool, 'query'>;
export type { PrismaClient } from '../generated/prisma/client.js';

export type Db = { pool: Pool; prisma: PrismaClient; url: string; close(): Promise<void> };

const INT8_OID = 20;

/** A pool with the engine's guards against a statement or a lock that never ends (engine-rules 12). Milliseconds. */
export function createPool(url: string, max: number, applicationName: string): Pool {
  const types: pg.CustomTypesConfig = {
    getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
      oid === INT8_OID && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
  };
  const pool = new pg.Pool({
    connectionString: url,
    max,
    types,
    application_name: applicationName,
    statement_timeout: 30_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  // An idle connection that the server closes must not end the process; the next query opens another.
  pool.on('error', () => undefined);
  // Nor one that is in a transaction, between two statements: nobody listens to it then, and its next statement will tell.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/**
 * Opens both clients. Connections are made on first use, and so is the Prisma client, which takes longer than all else that a
 * boot server opens at its start: extend what this returns by Object.assign, for a spread would make it. `assertReachable` tells early.
 */
export function openDb(options: { url: string; applicationName: string; poolSize?: number; prismaPoolSize?: number }): Db {
  const pool = createPool(options.url, options.poolSize ?? 10, options.applicationName);
  let prisma: PrismaClient | undefined;
  return {
    pool,
    get prisma() {
      return (prisma ??= new PrismaClient({ adapter: new PrismaPg({ connectionString: options.url, max: options.prismaPoolSize ?? 5 }) }));
    },
    url: options.url,
    async close() {
      await prisma?.$disconnect();
      await pool.end();
    },
  };
}

const OLDEST_SUPPORTED = 150_000;

/**
 * Throws ConfigError when the URL cannot be read, or the server cannot be reached within 3 s, is older than PostgreSQL 15 or
 * stands behind a transaction pooler.
 */
export async function assertReachable(url: string): Promise<void> {
  let client: pg.Client | undefined;
  try {
    client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
    await client.connect();
    const { rows } = await client.query<{ v: string }>('SHOW server_version_num');
    if (Number(rows[0]?.v) < OLDEST_SUPPORTED)
      throw new ConfigError(
        `DATABASE_URL: the server is PostgreSQL ${rows[0]?.v}, older than 15`,
        'use PostgreSQL 15 or newer, or unset DATABASE_URL for the embedded one',
      );
    await assertNotPooled(url);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const host = describeHost(url);
    throw new ConfigError(
      `DATABASE_URL: no PostgreSQL answers at ${host} (${cause instanceof Error ? cause.message : String(cause)})`,
      'start the server, correct DATABASE_URL, or unset it to use the embedded PostgreSQL',
      { cause },
    );
  } finally {
    await client?.end().catch(() => undefined);
  }
}

/** Host, port and database of a connection URL, without its password. */
function describeHost(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.hostname}:${parsed.port || 5432}${parsed.pathname}`;
  } catch {
    return 'a URL that cannot be read';
  }
}

/** Runs `work` in one READ COMMITTED transaction; rolls back and rethrows when it throws. */
export async function withTransaction<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  const tx = await pool.connect();
  let broken: Error | undefined;
  try {
    await tx.query('BEGIN');
    const result = await work(tx);
    await tx.query('COMMIT');
    return result;
  } catch (error) {
    await tx.query('ROLLBACK').catch((rollbackError: Error) => (broken = rollbackError));
    throw error;
  } finally {
    tx.release(broken);
  }
}
