/** The callback of MOC's head nodes, and addresses that another server gives. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import express from 'express';
import { createNodeRouter } from '../../../src/api/routes/node.js';
import { createWorkWake } from '../../../src/api/work-wake.js';
import { completeByAddress } from '../../../src/bootenvs/legacy-callback.js';
import { neighbourIn, witnessAddress } from '../../../src/bootenvs/witness.js';
import { loadConfig } from '../../../src/config/config.js';
import { createLogger } from '../../../src/shared/logger.js';
import { startBootFixture, type BootFixture, type Machine } from './boot-fixture.js';

let fixture: BootFixture;
let server: Server;
let count = 0;
beforeAll(async () => {
  fixture = await startBootFixture();
  const config = loadConfig({ PRYBAR_HOME: fixture.home, DATABASE_URL: fixture.db.url });
  const deps = { db: fixture.db, config, log: createLogger('test', 'silent'), wakeWork: createWorkWake(fixture.db), closing: new AbortController().signal };
  server = createServer(express().use(createNodeRouter(deps))).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await fixture.close();
});

const allow = (isAllowed: boolean) => fixture.db.pool.query('UPDATE networks SET legacy_boot_default = $1', [isAllowed]);
const statusOf = async (installId: number) => (await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: installId } })).status;
const machine = async (): Promise<Machine> => fixture.machine((count += 1));

async function call(from: string, method = 'GET', headers: Record<string, string> = {}): Promise<number> {
  const asked = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, localAddress: from, path: '/boot-default/', method, headers });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [{ statusCode?: number; resume(): void }];
  answer.resume();
  return answer.statusCode ?? 0;
}

describe('netboot rule 21: /boot-default/ without a token', () => {
  it('ends the installation of the machine that holds the caller’s lease, once, and the timeline says that it is unproven', async () => {
    await allow(true);
    const [mine, other] = [await machine(), await machine()];
    const installId = await fixture.arm(mine);
    const untouched = await fixture.arm(other);
    expect(await call(mine.address)).toBe(200);
    expect([await statusOf(installId), await statusOf(untouched)]).toEqual(['completed', 'armed']);
    const node = await fixture.db.prisma.node.findUniqueOrThrow({ where: { id: mine.nodeId } });
    expect(node.bootenv).toBe('local');
    const step = await fixture.db.prisma.bootEvent.findFirstOrThrow({ where: { mac: mine.mac, kind: 'installed-unproven' } });
    expect(JSON.stringify(step.detail)).toContain('unproven');
    // Nobody has shown to be the machine: no token for its disk.
    expect(await fixture.db.prisma.nodeToken.count({ where: { nodeId: mine.nodeId, kind: 'disk', revokedAt: null } })).toBe(0);
    expect(await call(mine.address)).toBe(404);
  });

  it('does nothing where the network does not allow it, without an open installation, without a lease, or for a look', async () => {
    const one = await machine();
    const installId = await fixture.arm(one);
    await allow(false);
    expect(await call(one.address)).toBe(404);
    await allow(true);
    expect(await call('127.0.9.9')).toBe(404);
    expect(await call((await machine()).address)).toBe(404);
    expect(await call(one.address, 'HEAD')).not.toBe(200);
    expect(await call(one.address, 'GET', { Range: 'bytes=0-1' })).toBe(204);
    await fixture.db.pool.query(`UPDATE leases SET expires_at = clock_timestamp() - interval '1 s' WHERE address = $1`, [one.address]);
    expect(await call(one.address)).toBe(404);
    expect(await statusOf(installId)).toBe('armed');
    await fixture.db.pool.query(`UPDATE leases SET expires_at = clock_timestamp() + interval '1 h' WHERE address = $1`, [one.address]);
    expect(await call(one.address, 'POST')).toBe(200);
  });

  it('believes nobody when a lease and a reservation of two machines name one address', async () => {
    const [one, two] = [await machine(), await machine()];
    await fixture.arm(one);
    await fixture.arm(two);
    await fixture.db.pool.query('INSERT INTO reservations (network_id, address, mac) SELECT network_id, address, $2 FROM leases WHERE address = $1', [
      one.address,
      two.mac,
    ]);
    expect(await completeByAddress(fixture.db, one.address)).toBeNull();
  });
});

describe('an address that another server gives', () => {
  const table = (address: string, mac: string, flags = '0x2') =>
    `IP address       HW type     Flags       HW address            Mask     Device\n${address}        0x1         ${flags}         ${mac}     *        eth1\n`;

  it('is read from the table of neighbours', () => {
    expect(neighbourIn(table('10.0.0.5', '52:54:00:00:00:AA'), '10.0.0.5')).toBe('52:54:00:00:00:aa');
    expect(neighbourIn(table('10.0.0.5', '52:54:00:00:00:aa', '0x0'), '10.0.0.5')).toBeUndefined();
    expect(neighbourIn(table('10.0.0.5', '52:54:00:00:00:aa'), '10.0.0.50')).toBeUndefined();
    expect(neighbourIn('', '10.0.0.5')).toBeUndefined();
  });

  it('netboot rule 19: counts as leased when the segment shows it at that MAC, on a network of another server and nowhere else', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'prybar-arp-'));
    const arp = path.join(folder, 'arp');
    const mac = '52:54:00:00:99:01';
    const seen = { mac, address: '10.77.0.5' };
    await writeFile(arp, table(seen.address, mac));
    try {
      expect(await witnessAddress(fixture.db, seen, arp)).toBe(false);
      await fixture.db.pool.query(`INSERT INTO networks (name, subnet, dns, dhcp_mode) VALUES ('beside', '10.77.0.0/24', '{}', 'authoritative')`);
      expect(await witnessAddress(fixture.db, seen, arp)).toBe(false);
      await fixture.db.pool.query(`UPDATE networks SET dhcp_mode = 'proxy' WHERE name = 'beside'`);
      expect(await witnessAddress(fixture.db, { ...seen, mac: '52:54:00:00:99:02' }, arp)).toBe(false);
      expect(await witnessAddress(fixture.db, seen, arp)).toBe(true);
      expect(await witnessAddress(fixture.db, seen, arp)).toBe(true);
      await writeFile(arp, table('10.77.0.6', mac));
      expect(await witnessAddress(fixture.db, { mac, address: '10.77.0.6' }, arp)).toBe(true);
      const leases = await fixture.db.pool.query('SELECT address FROM leases WHERE mac = $1', [mac]);
      expect(leases.rows).toEqual([{ address: '10.77.0.6' }]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
