import { afterAll, beforeAll, describe, it, expect } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../../scripts/lib/project.mjs';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { bridgeDatabase, makeFabric, whyNoFabric, type Fabric, type Segment } from './fabric.js';
import { startServerIn, stopServer, type ServerProcess } from './server-process.js';

const run = promisify(execFile);
const LAUNCHER = ['perl', inProject('scripts/dhcp-sockets.pl'), 'eth1', 'eth2', '--'];

/** Prints what udhcpc was told, in the words of its script interface, and configures the interface. */
const UDHCPC_SCRIPT = `#!/bin/sh
case $1 in bound|renew)
  ip addr replace "$ip/$mask" dev "$interface"
  echo "$1 ip=$ip subnet=$subnet router=$router dns=$dns serverid=$serverid siaddr=$siaddr boot_file=$boot_file lease=$lease"
esac
`;

let fabric: Fabric | undefined;
let database: TestDatabase;
let pool: pg.Pool;
let bridge: Awaited<ReturnType<typeof bridgeDatabase>>;
let busybox = '';
let folder = '';

beforeAll(async () => {
  const reason = await whyNoFabric();
  if (reason !== undefined) {
    process.stderr.write(`left out: DHCP by broadcast in network namespaces ${reason}\n`);
    return;
  }
  busybox = (await ensureTools(['busybox'])).busybox.path;
  folder = await mkdtemp(join(tmpdir(), 'prybar-udhcpc-'));
  await writeFile(join(folder, 'script'), UDHCPC_SCRIPT);
  await chmod(join(folder, 'script'), 0o755);
  database = await createTestDatabase();
  bridge = await bridgeDatabase(database.url);
  pool = new pg.Pool({ connectionString: database.url });
  await pool.query(
    `INSERT INTO networks (id, name, subnet, router, dns, dhcp_mode, lease_seconds)
     VALUES (1, 'one', '10.201.1.0/24', '10.201.1.1', '{}', 'authoritative', 3600),
            (2, 'two', '10.201.2.0/24', '10.201.2.1', '{10.201.2.53}', 'authoritative', 3600)`,
  );
  await pool.query(
    `INSERT INTO network_ranges (network_id, name, first_address, last_address)
     VALUES (1, 'dhcp', '10.201.1.100', '10.201.1.199'), (2, 'dhcp', '10.201.2.100', '10.201.2.199')`,
  );
  await pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES (2, '10.201.2.7', '52:54:00:c9:02:05')`);
  fabric = await makeFabric();
}, 120_000);

afterAll(async () => {
  if (fabric === undefined) return;
  await fabric.remove();
  await pool.end();
  await bridge.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const startServer = (launcher: readonly string[], env: Record<string, string> = {}): Promise<ServerProcess> =>
  startServerIn(fabric?.server ?? '', launcher, { DATABASE_URL: bridge.url, ...env });

/** Runs udhcpc until it has an address; gives the words its script printed, or rejects when there was none. */
async function udhcpc(segment: Segment, extra: readonly string[] = []): Promise<Map<string, string>> {
  const command = [busybox, 'udhcpc', '-f', '-q', '-n', '-t', '5', '-T', '1', '-i', 'eth0', '-s', join(folder, 'script'), ...extra];
  const { stdout } = await run('ip', ['netns', 'exec', segment.client, ...command], { timeout: 20_000 });
  return new Map([...stdout.matchAll(/(\w+)=(\S*)/g)].map((match) => [match[1] ?? '', match[2] ?? '']));
}

describe('DISCOVER to ACK by broadcast', () => {
  it('netboot rule 1: gives each client the subnet of the interface that heard it, through inherited sockets', async () => {
    if (fabric === undefined) return;
    const [one, two] = fabric.segments;
    const server = await startServer(LAUNCHER);
    try {
      const firmware = ['-V', 'PXEClient:Arch:00007:UNDI:003016', '-x', '0x5d:0007', '-O', 'bootfile'];
      const [first, second] = await Promise.all([udhcpc(one), udhcpc(two, firmware)]);
      expect(first.get('ip')).toMatch(/^10\.201\.1\.1\d\d$/);
      expect(Object.fromEntries(first)).toMatchObject({
        router: '10.201.1.1',
        dns: '10.201.1.1',
        serverid: '10.201.1.1',
        subnet: '255.255.255.0',
        boot_file: '',
      });
      expect(Object.fromEntries(second)).toMatchObject({
        ip: '10.201.2.7',
        router: '10.201.2.1',
        dns: '10.201.2.53',
        serverid: '10.201.2.1',
        siaddr: '10.201.2.1',
        boot_file: 'snponly.efi',
      });
      const { rows } = await pool.query<{ mac: string; network_id: number }>(`SELECT mac, network_id FROM leases WHERE state = 'active' ORDER BY network_id`);
      expect(rows).toEqual(fabric.segments.map((segment, index) => ({ mac: segment.mac, network_id: index + 1 })));

      const rival = await startServer([], { DHCP_INTERFACE: 'eth1' });
      expect(rival.output()).toContain(`UDP port 67 is in use by node (pid ${server.child.pid ?? 0})`);
    } finally {
      const counters = await stopServer(server);
      expect(counters).toMatchObject({ naks: 0, malformed: 0, ignored: 0, received: counters.offers + counters.acks });
      expect(Math.min(counters.offers, counters.acks)).toBeGreaterThanOrEqual(2);
    }
  }, 90_000);

  it('renews by unicast to the interface address', async () => {
    if (fabric === undefined) return;
    const segment = fabric.segments[1];
    const server = await startServer(LAUNCHER);
    const command = [busybox, 'udhcpc', '-f', '-R', '-t', '5', '-T', '1', '-i', 'eth0', '-s', join(folder, 'script')];
    const client = spawn('ip', ['netns', 'exec', segment.client, ...command], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      let text = '';
      client.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      await waitFor(() => text.includes('bound ip=10.201.2.7'), { what: 'the first lease' });
      client.kill('SIGUSR1'); // udhcpc: renew now
      await waitFor(() => text.includes('renew ip=10.201.2.7'), { what: 'the renewal' });
    } finally {
      const exited = once(client, 'exit');
      client.kill('SIGTERM'); // with -R it releases
      await exited;
    }
    await waitFor(async () => (await pool.query(`SELECT 1 FROM leases WHERE address = '10.201.2.7' AND state = 'released'`)).rowCount === 1, {
      what: 'the release to be written',
    });
    // udhcpc repeats a message after a second: on a busy machine there are more than four, each answered once.
    const counters = await stopServer(server);
    expect(counters).toMatchObject({ releases: 1, naks: 0, ignored: 0, acks: counters.received - counters.offers - 1 });
    expect(counters.acks).toBeGreaterThanOrEqual(2);
  }, 90_000);

  it('netboot rule 1: serves exactly one interface without the launcher', async () => {
    if (fabric === undefined) return;
    const server = await startServer([], { DHCP_INTERFACE: 'eth1' });
    try {
      expect((await udhcpc(fabric.segments[0])).get('ip')).toMatch(/^10\.201\.1\.1\d\d$/);
    } finally {
      const counters = await stopServer(server);
      expect(counters).toMatchObject({ naks: 0, received: counters.offers + counters.acks });
    }
  }, 60_000);
});
