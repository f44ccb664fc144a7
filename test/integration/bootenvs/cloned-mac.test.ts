/** A stranger with the MAC of a node of ours, on another network: the real DHCP server, the real boot HTTP, one database. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { DhcpServer } from '../../../src/dhcp/server.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { RelayClient } from '../dhcp/lab.js';
import { bootTokenOf, scriptPath, startBootFixture, type BootFixture, type Machine } from './boot-fixture.js';

let fixture: BootFixture;
let dhcp: DhcpServer;
let relay: RelayClient;
let machine: Machine;
beforeAll(async () => {
  fixture = await startBootFixture();
  machine = await fixture.machine(1, 'local');
  const { pool } = fixture.db;
  await pool.query(`INSERT INTO networks (id, name, subnet, dns, dhcp_mode) VALUES (700, 'guests', '127.78.0.0/16', '{}', 'authoritative')`);
  await pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (700, 'dhcp', '127.78.1.1', '127.78.1.9')`);
  await pool.query(`INSERT INTO reservations (network_id, address, mac, node_id) SELECT id, $1, $2, $3 FROM networks WHERE name = 'boot'`, [
    machine.address,
    machine.mac,
    machine.nodeId,
  ]);
  const server = { id: '00000000-0000-4000-8000-000000000013', host: 'test', incarnation: 'one' };
  dhcp = new DhcpServer({
    pool,
    logger: pino({ level: 'silent' }),
    sockets: { kind: 'address', host: '127.0.0.1', port: 0 },
    server,
    boot: { httpPort: 8080 },
  });
  const [listening] = await dhcp.start();
  relay = await RelayClient.open(listening?.port ?? 0, '127.78.9.1');
});
afterAll(async () => {
  await relay.close();
  await dhcp.close();
  await fixture.close();
});

const SCRIPTS = () => {
  const dashed = machine.mac.replaceAll(':', '-');
  return [scriptPath(machine.mac), `/boot/grub/grub.cfg-01-${dashed}`, `/boot/pxelinux.cfg/01-${dashed}`];
};
const tokens = async () =>
  (await fixture.db.pool.query<{ kind: string; address: string | null }>('SELECT kind, address FROM node_tokens WHERE revoked_at IS NULL ORDER BY id')).rows;

describe('attack 13: a clone of a node’s MAC on another network', () => {
  it.each([
    ['deployed', async () => undefined],
    ['armed for an installation', () => fixture.arm(machine)],
  ])('of a node that is %s gets an address of that network and none of the node’s secrets', async (_, prepare) => {
    await prepare();
    const ack = await relay.acquire(machine.mac, { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: Buffer.from([0, 7]), 77: 'iPXE' });
    const address = formatIpv4(ack?.yourIpAddress ?? 0);
    expect(address).toMatch(/^127\.78\.1\.\d$/);
    const before = await tokens();
    for (const url of SCRIPTS()) {
      const { status, text } = await fixture.ask(address, url);
      expect([status, bootTokenOf(text)]).toEqual([200, '']);
    }
    expect(await tokens()).toEqual(before);
  });

  it('is told why, and leaves the machine itself what is its own', async () => {
    const { rows } = await fixture.db.pool.query<{ address: string }>(`SELECT address FROM leases WHERE network_id = 700 AND mac = $1`, [machine.mac]);
    const told = await fixture.ask(rows[0]?.address ?? '', scriptPath(machine.mac));
    expect(told.text).toContain(`${machine.mac} is reserved on network boot`);
    const own = bootTokenOf((await fixture.ask(machine.address, scriptPath(machine.mac))).text);
    expect((await fixture.ask(machine.address, `/boot/answers/${own}/preseed.cfg`)).status).toBe(200);
    // A token that was overheard is of no use there either.
    expect((await fixture.ask(rows[0]?.address ?? '', `/boot/answers/${own}/preseed.cfg`)).status).toBe(404);
  });
});
