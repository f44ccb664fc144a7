import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../../src/db/migrate.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const log = { info: () => {} };

let database: TestDatabase;
let prismaDirectory: string;

function writeMigration(name: string, sql: string): void {
  const folder = join(prismaDirectory, 'migrations', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'migration.sql'), sql);
}

async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

beforeEach(async () => {
  database = await createTestDatabase({ from: 'empty' });
  prismaDirectory = mkdtempSync(join(tmpdir(), 'prybar-migrate-'));
  mkdirSync(join(prismaDirectory, 'functions'));
  mkdirSync(join(prismaDirectory, 'migrations'));
  writeFileSync(join(prismaDirectory, 'migrations', 'migration_lock.toml'), 'provider = "postgresql"\n');
});

afterEach(async () => {
  await database.drop();
  rmSync(prismaDirectory, { recursive: true });
});

describe('migrate', () => {
  it('lets one of two concurrent callers apply everything, and both succeed', async () => {
    const [first, second] = await Promise.all([migrate({ connectionString: database.url, log }), migrate({ connectionString: database.url, log })]);
    expect([first.applied.length, second.applied.length]).toContain(0);
    expect(first.applied.length + second.applied.length).toBeGreaterThan(0);
    expect(await query('SELECT count(*)::int AS unfinished FROM _prisma_migrations WHERE finished_at IS NULL')).toEqual([{ unfinished: 0 }]);
    expect(await query("SELECT to_regclass('node_roles') IS NOT NULL OR to_regclass('node_role') IS NOT NULL AS present")).toEqual([{ present: true }]);
  });

  it("creates BullMQ's tables, unless the queue lives elsewhere", async () => {
    await migrate({ connectionString: database.url, log, prismaDirectory, queueTables: false });
    const isPresent = "SELECT count(*)::int AS n FROM pg_namespace WHERE nspname = 'bullmq'";
    expect(await query(isPresent)).toEqual([{ n: 0 }]);
    await migrate({ connectionString: database.url, log, prismaDirectory });
    expect(await query(isPresent)).toEqual([{ n: 1 }]);
  });

  it('keeps comments, strings and function bodies with semicolons whole', async () => {
    writeMigration('1_semicolons', `-- first; the table\nCREATE TABLE t (a text DEFAULT 'x;y');\nDO $$ BEGIN INSERT INTO t VALUES (DEFAULT); END $$;`);
    expect((await migrate({ connectionString: database.url, log, prismaDirectory })).applied).toEqual(['1_semicolons']);
    expect(await query('SELECT a FROM t')).toEqual([{ a: 'x;y' }]);
  });

  it('leaves nothing of a failed migration behind and applies it when it is mended', async () => {
    writeMigration('1_half', 'CREATE TABLE half (a int); SELECT broken;');
    await expect(migrate({ connectionString: database.url, log, prismaDirectory })).rejects.toThrow(/broken/);
    expect(await query("SELECT to_regclass('half')::text AS name")).toEqual([{ name: null }]);
    writeMigration('1_half', 'CREATE TABLE half (a int);');
    expect((await migrate({ connectionString: database.url, log, prismaDirectory })).applied).toEqual(['1_half']);
  });

  it('takes a migration that committed before the process died as applied', async () => {
    writeMigration('1_t', 'CREATE TABLE t (a int);');
    await migrate({ connectionString: database.url, log, prismaDirectory });
    // What a SIGKILL right after the commit leaves: the engine's own last update is missing, ours is inside the transaction.
    await query('UPDATE _prisma_migrations SET applied_steps_count = 0');
    expect((await migrate({ connectionString: database.url, log, prismaDirectory })).applied).toEqual([]);
  });

  it('installs only the functions whose text changed, in name order', async () => {
    const write = (name: string, value: number) =>
      writeFileSync(join(prismaDirectory, 'functions', name), `CREATE OR REPLACE FUNCTION ${name[0]}() RETURNS int LANGUAGE sql AS 'SELECT ${value}';`);
    write('b.sql', 1);
    write('a.sql', 1);
    const migrateNow = async () => (await migrate({ connectionString: database.url, log, prismaDirectory })).functions;
    expect(await migrateNow()).toEqual(['a', 'b']);
    expect(await migrateNow()).toEqual([]);
    write('b.sql', 2);
    expect(await migrateNow()).toEqual(['b']);
    expect(await query('SELECT a() AS a, b() AS b')).toEqual([{ a: 1, b: 2 }]);
  });

  it('names the functions file that PostgreSQL refused', async () => {
    writeFileSync(join(prismaDirectory, 'functions', 'wrong.sql'), 'CREATE FUNCTION');
    await expect(migrate({ connectionString: database.url, log, prismaDirectory })).rejects.toThrow(/functions\/wrong\.sql/);
  });
});
