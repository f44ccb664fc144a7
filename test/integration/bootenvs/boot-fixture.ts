/** A database with machines that have leases, a home with payloads, and the boot HTTP handler on a real socket. */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createLeaseLookup } from '../../../src/bootenvs/leased.js';
import { armInstall } from '../../../src/bootenvs/installs.js';
import { builtinCatalog, checkPayloads, loadBootenvs, type BootenvRegistry } from '../../../src/bootenvs/registry.js';
import { ensureStandIns } from '../../../src/bootenvs/stand-ins.js';
import type { BootHttpEvent } from '../../../src/boot-http/events.js';
import { BOOT_SERVER_OPTIONS, limitServer } from '../../../src/boot-http/limits.js';
import { createBootHandler, type BootHandler } from '../../../src/boot-http/serve.js';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createTestDatabase } from '../../support/postgres.js';

export type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer; text: string };
export type Machine = { nodeId: number; mac: string; address: string };

export type BootFixture = {
  db: Db;
  home: string;
  registry: BootenvRegistry;
  handler: BootHandler;
  events: BootHttpEvent[];
  baseUrl: string;
  /** Connections that boot HTTP holds now. */
  connections(): Promise<number>;
  /** A node with one NIC whose MAC has a lease on `127.0.1.<n>`. */
  machine(n: number, bootenv?: string): Promise<Machine>;
  /** Arms an install and makes the installer its desired bootenv. */
  arm(machine: Machine, bootenv?: string): Promise<number>;
  /** A request from the address, sent as it is written: no path is normalised. */
  ask(from: string, url: string, options?: { method?: string; headers?: Record<string, string> }): Promise<Answer>;
  close(): Promise<void>;
};

export async function startBootFixture(): Promise<BootFixture> {
  const database = await createTestDatabase();
  const db = openDb({ url: database.url, applicationName: 'boot-test', poolSize: 8, prismaPoolSize: 2 });
  const home = await mkdtemp(path.join(os.tmpdir(), 'prybar-boot-'));
  await mkdir(path.join(home, 'loaders'));
  await writeFile(path.join(home, 'loaders', 'snponly.efi'), 'efi');
  const { registry } = await loadBootenvs({ home, catalogs: [builtinCatalog()] });
  await ensureStandIns(
    home,
    [...registry.values()].map((loaded) => loaded.definition),
  );
  for (const loaded of registry.values()) await checkPayloads(loaded, home);
  const { rows } = await db.pool.query<{ deployment: number; network: number }>(
    `WITH d AS (INSERT INTO deployments (name, system) VALUES ('system', true) RETURNING id),
          w AS (INSERT INTO networks (name, subnet, dns) VALUES ('boot', '127.0.0.0/16', '{127.0.0.53}') RETURNING id)
     SELECT d.id AS deployment, w.id AS network FROM d, w`,
  );
  const { deployment, network } = rows[0] ?? { deployment: 0, network: 0 };
  const events: BootHttpEvent[] = [];
  const server: Server = createServer(
    BOOT_SERVER_OPTIONS,
    (req, res) => void fixture.handler(req, res).then((done) => (done ? undefined : res.writeHead(418).end())),
  );
  limitServer(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;
  const deps = { db, home, log: createLogger('boot-test', 'silent'), baseUrl, registry: () => registry, bootTokenSeconds: 600, installTokenSeconds: 600 };
  const fixture: BootFixture = {
    db,
    home,
    registry,
    handler: createBootHandler({ ...deps, macOf: createLeaseLookup(db.pool), onEvent: (event) => events.push(event) }),
    events,
    baseUrl,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      }),
    async machine(n, bootenv = 'discovery') {
      const mac = `52:54:00:00:00:${n.toString(16).padStart(2, '0')}`;
      const address = `127.0.1.${n}`;
      const node = await db.pool.query<{ id: number }>('INSERT INTO nodes (name, deployment_id, bootenv) VALUES ($1, $2, $3) RETURNING id', [
        `node-${n}.example.internal`,
        deployment,
        bootenv,
      ]);
      const nodeId = node.rows[0]?.id ?? 0;
      await db.pool.query('INSERT INTO nics (node_id, mac, boot) VALUES ($1, $2, true)', [nodeId, mac]);
      await db.pool.query(`INSERT INTO leases (address, network_id, mac, expires_at) VALUES ($1, $2, $3, clock_timestamp() + interval '1 hour')`, [
        address,
        network,
        mac,
      ]);
      return { nodeId, mac, address };
    },
    async arm(machine, bootenv = 'debian-12') {
      return withTransaction(db.pool, async (tx) => {
        const { installId } = await armInstall(tx, { nodeId: machine.nodeId, nodeRoleId: 1, bootenv, spec: { disk: 'sda', targetOs: bootenv, network: null } });
        await tx.query('UPDATE nodes SET bootenv = $2 WHERE id = $1', [machine.nodeId, bootenv]);
        return installId;
      });
    },
    ask: (from, url, { method = 'GET', headers = {} } = {}) =>
      new Promise((resolve, reject) => {
        const sent = httpRequest({ host: '127.0.0.1', port, localAddress: from, path: url, method, headers, agent: false }, (res) => {
          const parts: Buffer[] = [];
          res.on('data', (part: Buffer) => parts.push(part));
          res.on('end', () => {
            const body = Buffer.concat(parts);
            resolve({ status: res.statusCode ?? 0, headers: res.headers, body, text: body.toString() });
          });
          res.on('error', reject);
        });
        sent.on('error', reject);
        sent.end();
      }),
    async close() {
      server.close();
      server.closeAllConnections();
      await db.close();
      await database.drop();
      await rm(home, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** What the script put on the kernel line. */
export function bootTokenOf(script: string): string {
  return /prybar\.token=([A-Za-z0-9_-]{43})\b/.exec(script)?.[1] ?? '';
}

export const scriptPath = (mac: string) => `/boot/ipxe/${mac.replaceAll(':', '-')}`;
