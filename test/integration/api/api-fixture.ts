/** The real application on a database of its own, listening on a port of its own, with tokens of each scope. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import request from 'supertest';
import { createApp, type ApiApp } from '../../../src/api/app.js';
import { ensureAdminToken } from '../../../src/api/admin-token.js';
import { hashToken, newToken } from '../../../src/api/auth.js';
import type { ApiDeps } from '../../../src/api/deps.js';
import type { Scope } from '../../../src/api/schemas.js';
import { createWorkWake } from '../../../src/api/work-wake.js';
import { loadConfig } from '../../../src/config/config.js';
import { openDb, type Db } from '../../../src/db/client.js';
import { ensureSystem } from '../../../src/deployments/system.js';
import { createEventFeed, type EventFeed } from '../../../src/events/feed.js';
import { sequence } from '../../../src/events/sequencer.js';
import { parseBarclamp } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

export type ApiFixture = {
  api: ApiApp;
  db: Db;
  feed: EventFeed;
  home: string;
  baseUrl: string;
  /** Token of each scope. */
  tokens: Record<Scope, string>;
  /** A request with the admin token, or that of another scope, or none. */
  as(scope: Scope | 'nobody'): ApiCaller;
  /** Gives committed events their position, as the sequencer does. */
  sequence(): Promise<void>;
  close(): Promise<void>;
};

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
export type ApiCaller = Record<Method, (path: string) => request.Test>;

export const API = '/api/v2';

/** Starts everything. `deps` replaces what the application is given. */
export async function startApi(deps: Partial<ApiDeps> & { webDirectory?: string } = {}): Promise<ApiFixture> {
  const database: TestDatabase = await createTestDatabase();
  const home = await mkdtemp(path.join(tmpdir(), 'prybar-api-'));
  const db = openDb({ url: database.url, applicationName: 'api-test', poolSize: 6, prismaPoolSize: 4 });
  await importBarclamps(db.pool, [
    parseBarclamp('barclamp: { name: crowbar }\nroles: [{ name: dhcp-database, jig: noop, flags: [bootstrap, service] }]', 'test'),
  ]);
  await ensureSystem(db);
  await sequence(db.pool);
  const feed = createEventFeed(db, { pollMs: 50 });
  await feed.start();
  const api = createApp({
    db,
    feed,
    config: loadConfig({ PRYBAR_HOME: home, DATABASE_URL: database.url }),
    log: createLogger('api-test', process.env['PRYBAR_TEST_LOG'] ?? 'silent'),
    version: '0.0.0-test',
    queueInfo: { backend: 'postgres', isReady: async () => true },
    wakeWork: createWorkWake(db, 50),
    webDirectory: path.join(home, 'web'),
    ...deps,
  });
  const server = await listen(api);
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { token: admin } = await ensureAdminToken(db, path.join(home, 'admin-token'));
  const tokens = { admin, operator: await addToken(db, 'operator'), viewer: await addToken(db, 'viewer') };
  return {
    api,
    db,
    feed,
    home,
    baseUrl,
    tokens,
    as: (scope) => callerOf(baseUrl, scope === 'nobody' ? undefined : tokens[scope]),
    sequence: async () => void (await sequence(db.pool)),
    async close() {
      const closed = api.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await closed;
      await feed.close();
      await db.close();
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function listen(api: ApiApp): Promise<Server> {
  return new Promise((resolve) => {
    const server = api.app.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function callerOf(baseUrl: string, token: string | undefined): ApiCaller {
  const call = (method: Method) => (url: string) => {
    const test = request(baseUrl)[method](url);
    return token === undefined ? test : test.set('Authorization', `Bearer ${token}`);
  };
  return { get: call('get'), post: call('post'), put: call('put'), patch: call('patch'), delete: call('delete') };
}

async function addToken(db: Db, scope: Scope): Promise<string> {
  const token = newToken();
  await db.prisma.apiToken.create({ data: { name: scope, sha256: hashToken(token), scope } });
  return token;
}

/** Roles that require each other as given: `{ base: [], app: ['base'] }`. */
export async function defineRoles(db: Db, roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}): Promise<void> {
  const text = { barclamp: { name: 'test' }, roles: Object.entries(roles).map(([name, requires]) => ({ name, jig: 'noop', requires, ...more[name] })) };
  await importBarclamps(db.pool, [parseBarclamp(JSON.stringify(text), 'test')], { missing: 'keep' });
}

/** What would differ if a refused request had written something. */
export async function rowCounts(db: Db): Promise<Record<string, number>> {
  const tables = [
    'deployments',
    'nodes',
    'nics',
    'node_roles',
    'node_role_edges',
    'deployment_roles',
    'runs',
    'outbox_batches',
    'outbox_events',
    'audit',
    'bmcs',
    'node_tokens',
    'boot_events',
    'reservations',
  ];
  const counts = await Promise.all(
    tables.map(async (table) => [table, (await db.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]?.n ?? 0] as const),
  );
  return Object.fromEntries(counts);
}
