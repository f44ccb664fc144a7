/**
 * `prisma migrate deploy` in process: Prisma's own schema engine as WebAssembly, so that production needs neither the
 * Prisma CLI nor a downloaded engine. Compatible with the CLI's `_prisma_migrations` table.
 *
 * Holds no lock: src/db/migrate.ts does.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type * as glueModule from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { parse } from 'pg-connection-string';

type Glue = typeof glueModule;

/** The part of the WebAssembly global used here: its types come with the DOM's, which a server must not see. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

/**
 * The glue's functions, its timers apart: the engine leaves some of 10 s running after its work, which would keep a
 * command alive for that long. Unreferenced, they still fire while anything is going on.
 */
function importsWithoutLingering(glue: Glue): object {
  const timerNames = Object.keys(glue).filter((name) => name.startsWith('__wbg_setTimeout_'));
  const unreferenced = (callback: () => void, delayMs: number) => setTimeout(callback, delayMs >>> 0).unref();
  return { ...glue, ...Object.fromEntries(timerNames.map((name) => [name, unreferenced])) };
}

let loading: Promise<Glue> | undefined;

/** Once per process: the glue keeps the instance in a module variable, and a second instantiation panics. */
async function loadGlue(): Promise<Glue> {
  const require = createRequire(import.meta.url);
  const gluePath = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = readFileSync(gluePath.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': importsWithoutLingering(glue) });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue;
}

/** The migration folders of `directory` in name order, with their SQL, in the shape the engine wants. */
function readMigrations(directory: string) {
  const lockfile = join(directory, 'migration_lock.toml');
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  return {
    baseDir: directory,
    shadowDbInitScript: '',
    lockfile: { path: 'migration_lock.toml', content: existsSync(lockfile) ? readFileSync(lockfile, 'utf8') : null },
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: readFileSync(join(directory, name, 'migration.sql'), 'utf8') },
      },
    })),
  };
}

/** A URL as discrete fields: adapter-pg spreads its config over another database name, and a connectionString would win over it. */
export function connectionFields(connectionString: string): pg.PoolConfig {
  const { host, port, user, password, database, ssl } = parse(connectionString);
  return {
    ...(host && { host }),
    ...(port && { port: Number(port) }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(ssl !== undefined && { ssl: ssl as NonNullable<pg.PoolConfig['ssl']> }),
  };
}

type Migrations = ReturnType<typeof readMigrations>;

/**
 * adapter-pg, with each migration one transaction. Its own executeScript splits the text at every ';' (comments, strings
 * and PL/pgSQL bodies too) and sends the pieces over any connection of the pool, so a failure or a SIGKILL leaves half a
 * migration. Here the whole text is one simple query, which PostgreSQL runs as one transaction, and the row in
 * `_prisma_migrations` is finished inside it: an unfinished row then always means that nothing was done.
 */
function atomicAdapterFactory(pool: pg.Pool, migrations: Migrations, onScriptError: (error: Error) => void): PrismaPg {
  const migrationTexts = new Set(migrations.migrationDirectories.map((migration) => migration.migrationFile.content.value));
  const markFinished = '\n;UPDATE _prisma_migrations SET finished_at = clock_timestamp() WHERE finished_at IS NULL AND rolled_back_at IS NULL';
  const factory = new PrismaPg(pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    adapter.executeScript = async (script) => {
      try {
        await pool.query(migrationTexts.has(script) ? script + markFinished : script);
      } catch (error) {
        onScriptError(error as Error); // the engine passes on only a number for it
        throw error;
      }
    };
    return adapter;
  };
  return factory;
}

/** Rows of migrations whose transaction never committed are set aside, so that they are tried again. Needs the caller's lock. */
async function forgetUnfinishedMigrations(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ present: boolean }>("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS present");
  if (!rows[0]?.present) return;
  await pool.query('UPDATE _prisma_migrations SET rolled_back_at = clock_timestamp() WHERE finished_at IS NULL AND rolled_back_at IS NULL');
}

/**
 * Applies every migration folder that the database has not seen, in name order, and returns their names (empty when it
 * was up to date). Each is one transaction: a failed one throws with the database's message, leaves nothing behind and
 * is tried again by the next call.
 */
export async function applyMigrations(connectionString: string, directory: string): Promise<string[]> {
  loading ??= loadGlue();
  const glue = await loading;
  const pool = new pg.Pool({ ...connectionFields(connectionString), max: 3, connectionTimeoutMillis: 4_000, idleTimeoutMillis: 0 });
  pool.on('error', () => {}); // a connection lost while idle: the next query on it reports it
  const scriptErrors: Error[] = [];
  try {
    await forgetUnfinishedMigrations(pool);
    const migrationsList = readMigrations(directory);
    const adapter = bindMigrationAwareSqlAdapterFactory(atomicAdapterFactory(pool, migrationsList, (error) => scriptErrors.push(error)));
    const engine = await glue.SchemaEngine.new({ datamodels: undefined }, () => {}, adapter);
    const output = await engine.applyMigrations({ migrationsList, filters: { externalTables: [], externalEnums: [] } });
    return output.appliedMigrationNames;
  } catch (error) {
    const reason = scriptErrors.at(-1)?.message;
    if (reason === undefined) throw error;
    const name = /migration_name="([^"]+)"/.exec((error as Error).message)?.[1] ?? '';
    throw new Error(`migration ${name} failed and was undone: ${reason}`, { cause: error });
  } finally {
    await pool.end();
  }
}
