/** What the server does on real links beside answering: it asks before it offers, hears other servers, ends waits for a router. */
import { afterAll, beforeAll, describe, it, expect } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { ensureTools } from '../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../scripts/lib/project.mjs';
import type { StormResult } from '../../scripts/bench/dhcp/storm-main.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';
import { waitFor } from '../support/wait-for.js';
import { bridgeDatabase, makeFabric, whyNoFabric, type Fabric } from '../integration/dhcp/fabric.js';
import { startServerIn, stopServer, type ServerProcess } from '../integration/dhcp/server-process.js';

const run = promisify(execFile);
const LAUNCHER = ['perl', inProject('scripts/dhcp-sockets.pl'), 'eth1', 'eth2', '--'];
const SQUATTER = '52:54:00:c9:01:77';

let fabric: Fabric | undefined;
let servers: TestServers;
let database: TestDatabase;
let pool: pg.Pool;
let bridge: Awaited<ReturnType<typeof bridgeDatabase>>;
let folder = '';
let squatter = '';

beforeAll(async () => {
  const reason = await whyNoFabric();
  if (reason !== undefined) {
    process.stderr.write(`left out: ARP probes, rivals and router advertisements in network namespaces ${reason}\n`);
    return;
  }
  folder = await mkdtemp(join(tmpdir(), 'prybar-links-'));
  servers = await startTestServers();
  database = await createTestDatabase();
  bridge = await bridgeDatabase(database.url);
  pool = new pg.Pool({ connectionString: database.url });
  await pool.query(
    `INSERT INTO networks (id, name, subnet, dhcp_mode, lease_seconds, quiet_ra)
     VALUES (1, 'one', '10.201.0.0/16', 'authoritative', 3600, true), (2, 'two', '10.201.2.0/24', 'authoritative', 3600, false)`,
  );
  await pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (1, 'dhcp', '10.201.8.0', '10.201.15.255')`);
  fabric = await makeFabric();
  const [one] = fabric.segments;
  // One block for both interfaces of a segment, wide enough for a storm; a second machine on the first link, with an address of its own choice.
  await run('ip', ['-n', fabric.server, 'addr', 'add', '10.201.1.1/16', 'dev', 'eth1']);
  await run('ip', ['-n', fabric.server, 'addr', 'del', '10.201.1.1/24', 'dev', 'eth1']);
  await run('ip', ['-n', one.client, 'addr', 'add', '10.201.200.1/16', 'dev', 'eth0']);
  await run('ip', ['-n', one.client, 'route', 'add', '255.255.255.255', 'dev', 'eth0']);
  squatter = `${one.client}q`;
  await run('ip', ['netns', 'add', squatter]);
  await run('ip', ['-n', one.client, 'link', 'add', 'mv0', 'link', 'eth0', 'netns', squatter, 'address', SQUATTER, 'type', 'macvlan', 'mode', 'bridge']);
  await run('ip', ['-n', squatter, 'addr', 'add', '10.201.8.8/16', 'dev', 'mv0']);
  await run('ip', ['-n', squatter, 'link', 'set', 'mv0', 'up']);
}, 120_000);

afterAll(async () => {
  if (fabric === undefined) return;
  await run('ip', ['netns', 'del', squatter]).catch(() => undefined);
  await fabric.remove();
  await pool.end();
  await bridge.close();
  await database.drop();
  await servers.stop();
  await rm(folder, { recursive: true, force: true });
});

const startServer = (launcher: readonly string[], env: Record<string, string> = {}): Promise<ServerProcess> =>
  startServerIn(fabric?.server ?? '', launcher, { DATABASE_URL: bridge.url, ...env });

async function storm(machines: number, first: number): Promise<StormResult> {
  const command = [process.execPath, '--import', 'tsx', inProject('scripts/bench/dhcp/storm-main.ts'), String(machines), String(first), '10.201.200.1'];
  const { stdout } = await run('ip', ['netns', 'exec', fabric?.segments[0].client ?? '', ...command], {
    cwd: inProject(),
    env: { ...process.env, NODE_OPTIONS: '' },
    timeout: 40_000,
  });
  const result: StormResult = JSON.parse(stdout);
  return result;
}

/** udhcpc of the first client asks for an address; gives the one it was offered. */
async function offeredOn(asked: string, tries = 4): Promise<string> {
  const { busybox } = await ensureTools(['busybox']);
  const command = [busybox.path, 'udhcpc', '-f', '-q', '-n', '-t', String(tries), '-T', '1', '-i', 'eth0', '-s', '/bin/true', '-r', asked];
  const { stderr } = await run('ip', ['netns', 'exec', fabric?.segments[0].client ?? '', ...command], { timeout: 20_000 });
  return /lease of (\S+) obtained/.exec(stderr)?.[1] ?? stderr;
}

describe('asking before offering', () => {
  it.each([
    ['with the packet descriptor, by ARP', LAUNCHER, {}],
    ["without it, by the kernel's ARP", [], { DHCP_INTERFACE: 'eth1' }],
  ])(
    'netboot rule 1: an address that answers is put into quarantine, and another one is offered: %s',
    async (_, launcher, env) => {
      if (fabric === undefined) return;
      await pool.query('DELETE FROM leases');
      const server = await startServer(launcher, env);
      try {
        const given = await offeredOn('10.201.8.8');
        expect(given).toMatch(/^10\.201\.(8|9|1[0-5])\.\d+$/);
        expect(given).not.toBe('10.201.8.8');
        const { rows } = await pool.query(`SELECT state, mac FROM leases WHERE address = '10.201.8.8'`);
        expect(rows).toEqual([{ state: 'declined', mac: SQUATTER }]);
        expect(server.output()).toContain(`"usedBy":"${SQUATTER}"`);
      } finally {
        expect(await stopServer(server)).toMatchObject({ conflicts: 1, acks: 1 });
      }
    },
    60_000,
  );

  it('500 new machines at once: every one has its OFFER within a second and an address of its own', async () => {
    if (fabric === undefined) return;
    await pool.query('DELETE FROM leases');
    const server = await startServer(LAUNCHER);
    try {
      const result = await storm(500, 0);
      expect(result).toMatchObject({ offered: 500, acknowledged: 500 });
      expect(new Set(result.addresses).size).toBe(500);
      // One probe after the other would take two minutes. The slowest one also waits for whatever else this machine does.
      expect(result.medianOfferMs).toBeLessThan(1_000);
      expect(result.slowestOfferMs).toBeLessThan(4_000);
    } finally {
      await stopServer(server);
    }
  }, 90_000);
});

describe('on the link', () => {
  async function startRival(): Promise<ChildProcess> {
    const { busybox } = await ensureTools(['busybox']);
    await writeFile(join(folder, 'leases'), '');
    await writeFile(
      join(folder, 'udhcpd.conf'),
      [
        'start 10.201.100.1',
        'end 10.201.100.9',
        'interface mv0',
        `lease_file ${join(folder, 'leases')}`,
        `pidfile ${join(folder, 'pid')}`,
        'boot_file rogue.efi',
        '',
      ].join('\n'),
    );
    return spawn('ip', ['netns', 'exec', squatter, busybox.path, 'udhcpd', '-f', join(folder, 'udhcpd.conf')], { stdio: 'ignore' });
  }

  it('attack 11: another DHCP server is heard, named and alarmed about, by the server and by detectRivals; our own is no rival', async () => {
    if (fabric === undefined) return;
    const rival = await startRival();
    const server = await startServer(LAUNCHER);
    try {
      await waitFor(() => /another DHCP server, 10\.201\.8\.8 \(52:54:00:c9:01:77\), offers 10\.201\.100\.\d on eth1/.test(server.output()), {
        what: 'the alarm',
      });
      expect(server.output()).not.toContain('on eth2');
      // As `prybar dhcp check` asks: through the launcher's packet descriptor, or by a socket on port 68. udhcpd takes 2 s to answer.
      const ask = `import { detectRivals } from '${inProject('src/dhcp/rivals.js')}'; import { parseInheritedFds } from '${inProject('src/dhcp/sockets.js')}';
        const fds = parseInheritedFds(process.env.PRYBAR_PACKET_FDS ?? '');
        console.log(JSON.stringify(await detectRivals('eth1', 3000, fds.ok ? { packetFd: fds.value.get('eth1') } : {})));`;
      const check = async (launcher: readonly string[]): Promise<unknown> => {
        const command = [...launcher, process.execPath, '--import', 'tsx', '--input-type=module', '-e', ask];
        const { stdout } = await run('ip', ['netns', 'exec', fabric?.server ?? '', ...command], {
          cwd: inProject(),
          env: { ...process.env, NODE_OPTIONS: '' },
        });
        return JSON.parse(stdout);
      };
      const [bySocket, byPackets] = await Promise.all([check([]), check(LAUNCHER)]);
      const expected = { serverId: '10.201.8.8', offered: expect.stringMatching(/^10\.201\.100\./), bootFile: 'rogue.efi' };
      expect(bySocket).toEqual([{ ...expected, mac: null }]);
      expect(byPackets).toEqual([{ ...expected, mac: SQUATTER }]);
      await stopServer(server);
    } finally {
      server.child.kill('SIGKILL');
      const ended = once(rival, 'exit');
      rival.kill('SIGTERM');
      await ended;
    }
  }, 90_000);

  it('netboot rule 9: a router advertisement where the network asks for it, none where it does not', async () => {
    if (fabric === undefined) return;
    const [one, two] = fabric.segments;
    const server = await startServer(LAUNCHER);
    try {
      // A link that comes up solicits a router, and Linux counts what it is answered.
      for (const segment of [one, two]) for (const state of ['down', 'up']) await run('ip', ['-n', segment.client, 'link', 'set', 'eth0', state]);
      await waitFor(async () => (await advertisementsAt(one.client)) > 0, { what: 'the advertisement', timeoutMs: 15_000 });
      expect(await advertisementsAt(two.client)).toBe(0);
      const { stdout } = await run('ip', ['-n', one.client, '-6', 'route', 'show', 'default']);
      expect(stdout).toBe('');
      const { stdout: addresses } = await run('ip', ['-n', one.client, '-6', 'addr', 'show', 'scope', 'global']);
      expect(addresses).toBe('');
    } finally {
      await stopServer(server);
    }
  }, 60_000);

  it('an interface that loses its address is silent and says so; with another one it answers with that', async () => {
    if (fabric === undefined) return;
    const server = await startServer(LAUNCHER);
    try {
      await run('ip', ['-n', fabric.server, 'addr', 'del', '10.201.1.1/16', 'dev', 'eth1']);
      await waitFor(() => server.output().includes('interface has no address: nothing is answered on it'), { what: 'the warning' });
      await expect(offeredOn('10.201.9.9', 1)).rejects.toThrow();
      await run('ip', ['-n', fabric.server, 'addr', 'add', '10.201.1.2/16', 'dev', 'eth1']);
      await waitFor(async () => /^10\.201\./.test(await offeredOn('10.201.9.9')), { what: 'an answer from the new address', timeoutMs: 20_000 });
    } finally {
      await run('ip', ['-n', fabric.server, 'addr', 'replace', '10.201.1.1/16', 'dev', 'eth1']).catch(() => undefined);
      await stopServer(server);
    }
  }, 90_000);
});

async function advertisementsAt(namespace: string): Promise<number> {
  const { stdout } = await run('ip', ['netns', 'exec', namespace, 'cat', '/proc/net/snmp6']);
  return Number(/^Icmp6InRouterAdvertisements\s+(\d+)/m.exec(stdout)?.[1] ?? 0);
}
