#!/usr/bin/env node
// @ts-nocheck -- bends untyped internals of Prisma, pg and the wasm engine into the shape of a native program.
//
// Drop-in replacement for Prisma's native `schema-engine` executable, named to the CLI by PRISMA_SCHEMA_ENGINE_BINARY.
// Speaks the CLI's JSON-RPC on stdio and forwards to @prisma/schema-engine-wasm + @prisma/adapter-pg, so that
// `prisma generate`, `prisma migrate ...` and `prisma db ...` work with nothing but npm packages (no engine download).
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { parse } from 'pg-connection-string';

const require = createRequire(import.meta.url);
const argv = process.argv.slice(2);

/** Every value given for one repeatable option. @param {string} name */
const option = (name) => argv.filter((_, i) => argv[i - 1] === name);

const log = (level, message, extra = {}) =>
  process.stderr.write(JSON.stringify({ timestamp: new Date().toISOString(), level, target: 'schema_engine::logger', fields: { message, ...extra } }) + '\n');

async function loadEngine() {
  const gluePath = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const glue = await import(gluePath);
  const { instance } = await WebAssembly.instantiate(readFileSync(gluePath.replace(/\.js$/, '.wasm')), { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start?.();
  globalThis.PRISMA_WASM_PANIC_REGISTRY ??= { set_message: (message) => log('ERROR', message) };
  return glue;
}

/** adapter-pg refuses catalog-only types such as "char" (oid 18); the describer reads them as text (oid 25). */
function readCatalogCharsAsText() {
  const Result = require('pg/lib/result.js');
  const addFields = Result.prototype.addFields;
  Result.prototype.addFields = function (fields) {
    for (const field of fields) if (field.dataTypeID === 18) field.dataTypeID = 25;
    return addFields.call(this, fields);
  };
}

/** adapter-pg splits a script at every ';', also inside comments and PL/pgSQL; as one simple query it is one transaction. */
function withWholeScripts(adapter) {
  adapter.executeScript = async (script) => void (await adapter.underlyingDriver().query(script));
  return adapter;
}

/**
 * Discrete fields, NOT { connectionString }: adapter-pg opens the shadow database with { ...config, database }, and
 * node-postgres lets connectionString win, so a URL here would replay migrations into the REAL database.
 */
function makeAdapter(url) {
  const { host, port, user, password, database, ssl } = parse(url);
  const schema = new URL(url).searchParams.get('schema') ?? undefined;
  const config = { host, port: port ? Number(port) : undefined, user, password, database, ssl: ssl || undefined };
  const factory = new PrismaPg(config, { schema });
  const connect = factory.connect.bind(factory);
  factory.connect = async () => withWholeScripts(await connect());
  // adapter-pg drops the shadow database before closing its own pool ("being accessed by other users"): close first, then drop.
  factory.connectToShadowDb = async () => {
    const admin = await factory.connect();
    const name = `prisma_migrate_shadow_db_${randomUUID()}`;
    await admin.executeScript(`CREATE DATABASE "${name}"`);
    const connection = withWholeScripts(await new PrismaPg({ ...config, database: name }, { schema }).connect());
    const dispose = connection.dispose.bind(connection);
    connection.dispose = async () => {
      await dispose();
      await admin.executeScript(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
      await admin.dispose();
    };
    return connection;
  };
  return bindMigrationAwareSqlAdapterFactory(factory);
}

/** `cli can-connect-to-database | create-database | drop-database`, asked by `prisma migrate dev` and `prisma db push`. */
async function runCliCommand() {
  const datasource = option('--datasource')[0];
  const url = datasource ? JSON.parse(datasource).url : option('-d')[0];
  const command = argv.find((word) => ['can-connect-to-database', 'create-database', 'drop-database'].includes(word));
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  const admin = new URL(url);
  admin.pathname = '/postgres';
  try {
    const client = new pg.Client({ connectionString: command === 'can-connect-to-database' ? url : admin.href });
    await client.connect();
    if (command === 'create-database') {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).catch((error) => {
        if (error.code !== '42P04') throw error; // someone else created it: that is what was asked for
      });
    }
    if (command === 'drop-database') await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)}`);
    await client.end();
    return 0;
  } catch (error) {
    const code = { '3D000': 'P1003', '28P01': 'P1000' }[error.code] ?? 'P1001';
    log('ERROR', error.message, { error_code: code, is_panic: false });
    return 1;
  }
}

async function serveJsonRpc() {
  readCatalogCharsAsText();
  const glue = await loadEngine();
  const datasource = JSON.parse(option('--datasource')[0] ?? '{}');
  const datamodels = option('--datamodels').map((path) => [path, readFileSync(path, 'utf8')]);
  const enabledPreviewFeatures = option('--enabled-preview-features').join(',').split(',').filter(Boolean);
  const debug = (message) => process.env.DEBUG_SCHEMA_ENGINE && process.stderr.write(message + '\n');
  const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n');
  let nextPrintId = 1e9;
  let engine;
  const openEngine = async (params) => {
    const url = datasource.url ?? params?.url ?? params?.datasource?.url ?? params?.datasourceType?.url ?? 'postgresql://localhost/postgres';
    const init = { datamodels: datamodels.length ? datamodels : undefined, enabledPreviewFeatures, datasource };
    return glue.SchemaEngine.new(init, debug, makeAdapter(url));
  };

  const answer = async (message) => {
    try {
      engine ??= await openEngine(message.params);
      const method = message.method === 'getDatabaseVersion' ? 'version' : message.method;
      if (typeof engine[method] !== 'function') throw new Error('unsupported method ' + message.method);
      const result = (await engine[method](message.params)) ?? {};
      if (method === 'diff' && result.stdout) send({ method: 'print', id: nextPrintId++, params: { content: result.stdout } });
      send({ id: message.id, result: method === 'version' && typeof result !== 'string' ? String(result) : result });
    } catch (error) {
      debug(String(error.stack));
      const known = /^P/.test(error.code ?? '');
      const data = { is_panic: false, message: error.message ?? String(error), meta: known ? (error.meta ?? {}) : null, error_code: error.code ?? null };
      send({ id: message.id, error: { code: 4466, message: 'An error happened. Check the data field for details.', data } });
    }
  };

  let chain = Promise.resolve(); // one call at a time: the engine is not re-entrant
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    const message = JSON.parse(line);
    if (message.method) chain = chain.then(() => answer(message)); // a line without a method answers our own `print`
  }
  await chain;
}

if (argv[0] === '--version' || argv[0] === '-V') {
  const { version } = require('@prisma/schema-engine-wasm/package.json');
  console.log('schema-engine-cli ' + version.split(/[.-]/).pop());
} else if (argv.includes('cli')) {
  process.exitCode = await runCliCommand();
} else {
  await serveJsonRpc();
}
process.exit();
