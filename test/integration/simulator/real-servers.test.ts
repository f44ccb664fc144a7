/** The simulator against our own DHCP and TFTP servers; only the HTTP side is the tiny site's. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { DhcpServer } from '../../../src/dhcp/server.js';
import { openDb, type Db } from '../../../src/db/client.js';
import { ensureNetwork, RACK_NETWORK } from '../../../src/networks/store.js';
import type { RackEvent } from '../../../src/simulator/rack-events.js';
import { Rack } from '../../../src/simulator/rack.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { TinySite } from './tiny-site.js';

const MACHINES = 30;
const LOADERS = { 'undionly.kpxe': 70_000, 'snponly.efi': 250_000 };

let database: TestDatabase;
let db: Db;
let home: string;
let site: TinySite;
let dhcp: DhcpServer;
let tftp: TftpServer;
let rack: Rack | undefined;
let events: RackEvent[];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'simulator-test', poolSize: 6, prismaPoolSize: 2 });
  await emptyTables(db.pool);
  await ensureNetwork(db, RACK_NETWORK);
  home = await mkdtemp(path.join(tmpdir(), 'rack-'));
  await mkdir(path.join(home, 'loaders'));
  for (const [file, bytes] of Object.entries(LOADERS)) await writeFile(path.join(home, 'loaders', file), Buffer.alloc(bytes, 1));
  site = await new TinySite().start();
  site.script = (mac) => `#!ipxe\nkernel ${site.base}/boot/files/k BOOTIF=01-${mac} prybar.url=${site.base} prybar.token=t prybar.class=discovery\nboot`;
  site.routes = ({ method, path: asked }) => {
    if (asked === '/node/facts') return { status: 200, json: { node: { id: 7, name: 'n7' }, agent_token: 'a', heartbeat_seconds: 60, wait_seconds: 20 } };
    return method === 'POST' ? { status: 204, hold: new Promise(() => undefined) } : undefined;
  };
  const log = pino({ level: 'silent' });
  const server = { id: '00000000-0000-4000-8000-000000000001', host: 'test', incarnation: 'one' };
  dhcp = new DhcpServer({
    pool: db.pool,
    logger: log,
    sockets: { kind: 'address', host: '127.0.0.1', port: 0 },
    server,
    boot: { httpPort: site.httpPort },
    pollMs: 25,
  });
  tftp = new TftpServer({ addresses: ['127.0.0.1'], port: 0, root: path.join(home, 'loaders'), log });
  events = [];
});

afterEach(async () => {
  await rack?.close();
  rack = undefined;
  await dhcp.close();
  await tftp.close();
  await site.close();
  await db.close();
  await rm(home, { recursive: true });
});

/** Patient where nothing is lost: a question asked twice is answered twice, and the counts would differ. */
const PATIENT_MS = [4_000, 8_000];
const IMPATIENT_MS = [300, 600, 1_200, 2_400];

async function powerUp(nodes: number, { loss = 0, dhcpTimeoutsMs = PATIENT_MS } = {}): Promise<Rack> {
  const [listening] = await dhcp.start();
  const port = await tftp.start();
  rack = await Rack.open({
    nodes,
    home,
    servers: { host: '127.0.0.1', dhcpPort: listening?.port ?? 0, tftpPort: port },
    faults: { loss, lostCallback: 0 },
    timing: { dhcpTimeoutsMs, tftpTimeoutMs: 200, bootLoopPausesMs: [200] },
    emit: (event) => events.push(event),
  });
  rack.powerUp();
  return rack;
}

const allRun = (opened: Rack) => () => [...opened.machines.values()].every((machine) => machine.status.phase === 'running');
const complaints = () => events.filter((event) => event.event === 'complaint');

describe('a rack on the real DHCP and TFTP servers', () => {
  it('boots every machine to its agent, and both sides count the same exchanges', async () => {
    const opened = await powerUp(MACHINES);
    await waitFor(allRun(opened), { what: `${MACHINES} agents`, timeoutMs: 20_000 });
    const { totals, complete } = opened.countersEvent();
    expect(complaints()).toEqual([]);
    expect(complete).toBe(MACHINES);
    expect(dhcp.counters()).toMatchObject({ offers: totals.dhcpOffers, acks: totals.dhcpAcks, naks: 0, malformed: 0 });
    expect(totals).toMatchObject({ dhcpOffers: 2 * MACHINES, dhcpAcks: 2 * MACHINES, tftpFiles: MACHINES });
    expect(tftp.counters()).toMatchObject({ done: MACHINES, failed: 0, bytes: totals.tftpBytes });
    expect(totals.tftpBytes).toBe(20 * LOADERS['undionly.kpxe'] + 10 * LOADERS['snponly.efi']);
    const addresses = [...opened.machines.values()].map((machine) => machine.status.address);
    expect(new Set(addresses).size).toBe(MACHINES);
    const { rows } = await db.pool.query<{ address: string }>(`SELECT address FROM leases WHERE state = 'active'`);
    expect(new Set(rows.map((row) => row.address))).toEqual(new Set(addresses));
  }, 30_000);

  it('boots through loss in both directions', async () => {
    const opened = await powerUp(6, { loss: 0.1, dhcpTimeoutsMs: IMPATIENT_MS });
    await waitFor(allRun(opened), { what: 'six agents', timeoutMs: 30_000 });
    expect(complaints()).toEqual([]);
  }, 40_000);

  it('stops booting when the DHCP server stops', async () => {
    const opened = await powerUp(2, { dhcpTimeoutsMs: IMPATIENT_MS });
    await waitFor(allRun(opened), { what: 'two agents', timeoutMs: 20_000 });
    await dhcp.close();
    const [machine] = opened.machines.values();
    await machine?.cycle();
    await waitFor(() => machine?.status.phase === 'failed', { what: 'the boot to fail', timeoutMs: 15_000 });
    expect(machine?.status.detail).toContain('no-offer');
  }, 40_000);
});
