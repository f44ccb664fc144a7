/** Prybar's boot service in a namespace, as its own process from the sources, with a PostgreSQL of this run. */
import { chmodSync, mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { loadersDirectory } from '../../../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../../../scripts/lib/project.mjs';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../../src/db/embedded.js';
import { closeContext, openContext } from '../../../../src/bin/context.js';
import { prepareInstallation } from '../../../../src/bin/installation.js';
import { ensureTables } from '../../../../src/bin/tables.js';
import { loadConfig } from '../../../../src/config/config.js';
import { isAlive } from '../../../../src/db/os-process.js';
import { findPostmaster, stopPostmaster } from '../../../../src/db/postmaster.js';
import { createLogger } from '../../../../src/shared/logger.js';
import { bridgeDatabase } from '../../../integration/dhcp/fabric.js';
import { startIn, type Background } from './command.js';

const log = createLogger('lab', 'warn');
const HOME_PREFIX = 'prybar-lab-';

/** A folder of this run with a database in it. */
export type Site = {
  readonly home: string;
  readonly pool: pg.Pool;
  /** For processes in other namespaces. */
  readonly databaseUrl: string;
  /** Stops PostgreSQL as an administrator would, and starts it again on the same port with the same data. */
  readonly stopDatabase: () => Promise<void>;
  readonly startDatabase: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function openSite(): Promise<Site> {
  await removeAbandonedSites();
  const home = mkdtempSync(path.join(tmpdir(), `${HOME_PREFIX}${process.pid}-`));
  chmodSync(home, 0o755); // started as root, PostgreSQL runs as another account and has to pass
  mkdirSync(path.join(home, 'loaders'));
  const dataDir = path.join(home, 'postgres');
  const start = (port?: number): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({ dataDir, log, onStep: () => undefined, ...(port === undefined ? {} : { port }) });
  let server = await start();
  const { url } = server;
  await ensureTables({ url, log, queueTables: true });
  await prepare(home, url);
  const bridge = await bridgeDatabase(url);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => undefined);
  return {
    home,
    pool,
    databaseUrl: bridge.url,
    stopDatabase: () => server.stop(),
    async startDatabase() {
      server = await start(Number(new URL(url).port));
      if (server.url !== url) throw new Error('the database came back on another port');
    },
    async close() {
      await pool.end();
      await bridge.close();
      await server.stop();
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Sites of runs that were killed: their PostgreSQL goes on. The folder's name tells the process it belonged to. */
async function removeAbandonedSites(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${HOME_PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const left = findPostmaster(path.join(tmpdir(), name, 'postgres', 'cluster'));
    if (left) await stopPostmaster(left.pid);
    rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Roles, the system deployment, bootenvs, the admin token: what a first start makes. */
async function prepare(home: string, url: string): Promise<void> {
  const context = openContext('lab', loadConfig({ PRYBAR_HOME: home, DATABASE_URL: url }), log);
  try {
    await prepareInstallation(context, { rack: false });
  } finally {
    await closeContext(context);
  }
}

export type NetworkWords = {
  id: number;
  name: string;
  subnet: string;
  pool?: readonly [first: string, last: string];
  router?: string;
  mode?: string;
  leaseSeconds?: number;
};

/** Writes a network as an operator's command would leave it. */
export async function addNetwork(pool: pg.Pool, words: NetworkWords): Promise<void> {
  await pool.query(
    `INSERT INTO networks (id, name, subnet, router, dns, domain, dhcp_mode, lease_seconds) VALUES ($1, $2, $3, $4, '{}', 'lab.example', $5, $6)`,
    [words.id, words.name, words.subnet, words.router ?? null, words.mode ?? 'authoritative', words.leaseSeconds ?? 3600],
  );
  if (words.pool === undefined) return;
  await pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES ($1, 'dhcp', $2, $3)`, [words.id, ...words.pool]);
}

/** Reserves an address for a machine. */
export async function reserve(pool: pg.Pool, networkId: number, address: string, mac: string): Promise<void> {
  await pool.query('INSERT INTO reservations (network_id, address, mac) VALUES ($1, $2, $3)', [networkId, address, mac]);
}

export type LeaseRow = { address: string; mac: string; state: string };

/** The lease rows of a machine, newest state each. */
export async function leasesOf(pool: pg.Pool, mac: string): Promise<LeaseRow[]> {
  const { rows } = await pool.query<LeaseRow>('SELECT host(address::inet) AS address, mac, state::text FROM leases WHERE mac = $1 ORDER BY address', [mac]);
  return rows;
}

/** A file the server offers by TFTP and boot HTTP, with bytes that show when one is missing or doubled. */
export function addLoader(home: string, name: string, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let offset = 0; offset < sizeBytes; offset += 1) bytes[offset] = (offset * 31 + (offset >> 9) * 7) & 255;
  writeFileSync(path.join(home, 'loaders', name), bytes);
  return bytes;
}

/** A real loader, as the set-up fetched it. */
export function copyLoader(home: string, name: string): Buffer {
  const bytes = readFileSync(path.join(loadersDirectory, name));
  writeFileSync(path.join(home, 'loaders', name), bytes);
  return bytes;
}

/** `broadcasts`: without the packet socket, as where CAP_NET_RAW is missing: machines without an address are answered by broadcast. */
export type ServiceOptions = { broadcasts?: boolean; interfaces?: readonly string[]; module?: 'boot' | 'all'; env?: NodeJS.ProcessEnv };

/** Starts the service behind the launcher that opens one socket per interface; resolves when it answers. */
export async function startService(
  site: Site,
  ns: string,
  { broadcasts = false, interfaces = ['eth0'], module = 'boot', env = {} }: ServiceOptions = {},
): Promise<Background> {
  const launcher = ['perl', inProject('scripts/dhcp-sockets.pl'), ...interfaces, '--', ...(broadcasts ? ['env', '-u', 'PRYBAR_PACKET_FDS'] : [])];
  const node = [process.execPath, '--import', 'tsx', inProject(`src/bin/${module}.ts`)];
  const service = startIn(ns, [...launcher, ...node], {
    cwd: inProject(),
    ipc: true,
    env: {
      ...process.env,
      PRYBAR_HOME: site.home,
      DATABASE_URL: site.databaseUrl,
      REDIS_URL: '',
      PRYBAR_INTERFACE: interfaces.join(','),
      PRYBAR_LOG_LEVEL: process.env['LAB_LOG_LEVEL'] ?? 'warn',
      ...env,
    },
  });
  const ready = new Promise<void>((resolve, reject) => {
    // It also says when its code is loaded, which is before it listens.
    service.child.on('message', (message) => {
      if (typeof message === 'object' && 'kind' in message && message.kind === 'ready') resolve();
    });
    service.child.once('exit', (code, signal) => reject(new Error(`the service ended (${signal ?? code}): ${service.output()}`)));
  });
  await ready;
  return service;
}
