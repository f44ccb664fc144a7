/** Prybar's boot process from dist/ on a database of its own, with machines as the dhcp-database role writes them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDb, type Db } from '../../../src/db/client.js';
import { BOOT_NODE_ARGUMENTS } from '../../../src/bin/node-arguments.js';
import { MIGRATED_FLAG } from '../../../src/bin/tables.js';
import type { Tools } from '../bench.js';
import { startChild } from '../lib/children.js';
import { cpuSeconds, cpuSecondsOfFamily } from '../lib/machine.js';
import type { Database, PostgresServer } from '../lib/servers.js';
import { macOf } from './exchange-bytes.js';
import { addressOf, POOL, SUBNET } from './network.js';
import { waitUntilAnswering } from './probe.js';

export type Prybar = {
  db: Db;
  pid: number;
  port: number;
  /** Environment of its processes, for more of them. */
  env: NodeJS.ProcessEnv;
  /** From the start of the process until its code is loaded, and until its first answer. */
  loadedAfterMs: number;
  answeredAfterMs: number;
  /** More processes of the same installation, stopped with it. */
  startMore(name: string, file: string, env: NodeJS.ProcessEnv): Promise<void>;
  /** CPU seconds of the server, and of PostgreSQL. */
  usage(): { server: number; postgresql: number };
  stop(): Promise<void>;
};

/** A database with one network and `machines` machines, each a node with a NIC, a reservation and an entry. */
export async function seedMachines(postgres: PostgresServer, machines: number): Promise<Database> {
  const database = await postgres.createDatabase('prybar');
  const db = openDb({ url: database.url, applicationName: 'bench', poolSize: 2 });
  try {
    await db.pool.query(
      `INSERT INTO networks (id, name, subnet, router, dns, dhcp_mode, lease_seconds) VALUES (1, 'bench', $1, NULL, '{127.0.0.1}', 'authoritative', 3600)`,
      [SUBNET],
    );
    await db.pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (1, 'dhcp', $1, $2)`, [POOL.first, POOL.last]);
    const made = await db.pool.query<{ id: number }>(`INSERT INTO deployments (name, system) VALUES ('system', true) RETURNING id`);
    const numbers = Array.from({ length: machines }, (_, index) => index);
    const macs = numbers.map(macOf);
    await db.pool.query(`INSERT INTO nodes (id, name, deployment_id) SELECT n + 1, 'n' || n || '.bench.example', $2 FROM unnest($1::int[]) AS n`, [
      numbers,
      made.rows[0]?.id,
    ]);
    await db.pool.query(`INSERT INTO nics (node_id, mac) SELECT n + 1, mac FROM unnest($1::int[], $2::text[]) AS m(n, mac)`, [numbers, macs]);
    await db.pool.query(
      'INSERT INTO reservations (network_id, address, mac, node_id) SELECT 1, address, mac, n + 1 FROM unnest($1::int[], $2::text[], $3::text[]) AS m(n, mac, address)',
      [numbers, macs, numbers.map(addressOf)],
    );
    await db.pool.query(
      `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, boot_local, applied_gen, revision)
       SELECT mac, n + 1, 'n' || n || '.bench.example', 'discovery', false, 0, 1 FROM unnest($1::int[], $2::text[]) AS m(n, mac)`,
      [numbers, macs],
    );
    await db.pool.query('UPDATE dhcp_table SET revision = 1 WHERE id = 1');
    await db.pool.query(`SELECT setval(pg_get_serial_sequence('nodes', 'id'), $1)`, [machines + 1]);
    await db.pool.query('ANALYZE');
  } finally {
    await db.close();
  }
  return database;
}

/** Starts the boot process (DHCP, TFTP, boot HTTP) on 127.0.0.1. BENCH_PROFILE_DIR=<folder> writes a CPU profile of it. */
export async function startPrybar(
  postgres: PostgresServer,
  database: Database,
  ports: { dhcp: number; tftp: number; http: number; dns: number },
  tools: Tools,
): Promise<Prybar> {
  const home = mkdtempSync(join(tmpdir(), 'prybar-bench-'));
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: '',
    PRYBAR_HOME: home,
    PRYBAR_LOG_LEVEL: 'warn',
    PRYBAR_DHCP_PORT: String(ports.dhcp),
    PRYBAR_TFTP_PORT: String(ports.tftp),
    PRYBAR_BOOT_HTTP_PORT: String(ports.http),
    PRYBAR_DNS_PORT: String(ports.dns),
    PRYBAR_DNS: 'off',
    NODE_ENV: 'production',
  };
  const folder = process.env['BENCH_PROFILE_DIR'];
  const profile = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const execArgv = [...BOOT_NODE_ARGUMENTS, ...profile];
  const startedAt = performance.now();
  const child = await startChild('boot', { file: 'dist/src/bin/boot.js', args: [MIGRATED_FLAG], env, execArgv, ready: false });
  const answering = waitUntilAnswering({ port: ports.dhcp, relayPort: 0 });
  answering.catch(() => undefined); // awaited below
  await child.message('loaded');
  const loadedAfterMs = performance.now() - startedAt;
  const answeredAfterMs = (await answering) - startedAt;
  await child.message('ready');
  const children = [child];
  const db = openDb({ url: database.url, applicationName: 'bench', poolSize: 2 });
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    for (const one of children.splice(0).reverse()) await one.stop();
    await db.close();
    rmSync(home, { recursive: true, force: true });
  };
  tools.onEnd(stop);
  const startMore = async (name: string, file: string, more: NodeJS.ProcessEnv): Promise<void> =>
    void children.push(await startChild(name, { file, args: [MIGRATED_FLAG], env: { ...env, ...more } }));
  const usage = () => ({ server: cpuSeconds(child.pid), postgresql: cpuSecondsOfFamily(postgres.pid) });
  return { db, pid: child.pid, port: ports.dhcp, env, loadedAfterMs, answeredAfterMs, usage, stop, startMore };
}
