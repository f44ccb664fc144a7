/** Two of our DHCP servers on one segment with one database: each machine ends with one address, and one server may die. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait-for.js';
import type { Background } from './support/command.js';
import { startDhcpClient } from './support/dhcp-clients.js';
import { loadBy } from './support/perfdhcp.js';
import { addNetwork, leasesOf, openSite, startService, type Site } from './support/service.js';
import { whyNoWorld, World, type Port } from './support/world.js';

let world: World | undefined;
let site: Site;
const services: Background[] = [];
let load: Port;

beforeAll(async () => {
  const reason = await whyNoWorld();
  if (reason !== undefined) {
    process.stderr.write(`left out: two DHCP servers on one network ${reason}\n`);
    return;
  }
  world = await World.create();
  await world.addSegment('lan');
  site = await openSite();
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/16', pool: ['10.77.100.0', '10.77.250.255'] });
  for (const host of [1, 2]) {
    const server = await world.addHost(`server${host}`, 'lan', { address: `10.77.0.${host}/16` });
    services.push(await startService(site, server.ns));
  }
  load = await world.addHost('load', 'lan', { address: '10.77.0.50/16' });
}, 180_000);

afterAll(async () => {
  for (const service of services) await service.stop();
  await world?.close();
  await site?.close();
});

describe('two servers', () => {
  it('netboot rule 7: both offer, the row decides, and no address is given to two machines', async () => {
    if (world === undefined) return;
    const result = await loadBy(load, { server: 'all', rate: 30, seconds: 10, clients: 100_000, firstMac: '52:54:00:cd:00:00' });
    expect(result.twice).toBe(0);
    expect(result.acks).toBeGreaterThan(0.9 * result.requests);
    const { rows } = await site.pool.query<{ addresses: string; machines: string }>(
      `SELECT count(DISTINCT address) AS addresses, count(DISTINCT mac) AS machines FROM leases WHERE state = 'active'`,
    );
    expect(rows[0]?.addresses).toBe(rows[0]?.machines);
    expect(Number(rows[0]?.machines)).toBeGreaterThanOrEqual(result.acks);
  });

  it('keep a machine at its address when the one that gave it is killed', async () => {
    if (world === undefined) return;
    const port = await world.addHost('survivor', 'lan');
    const first = await startDhcpClient('udhcpc', port);
    const bound = await first.told('bound');
    const giver = bound.get('serverid') === '10.77.0.1' ? 0 : 1;
    await first.stop();
    await services[giver]?.stop('SIGKILL');
    const again = await startDhcpClient('udhcpc', port);
    try {
      const rebound = await again.told('bound', 60_000);
      expect(rebound.get('ip')).toBe(bound.get('ip'));
      expect(rebound.get('serverid')).toBe(`10.77.0.${2 - giver}`);
      await waitFor(async () => (await leasesOf(site.pool, port.mac)).length === 1, { what: 'one lease' });
    } finally {
      await again.stop();
    }
  });
});
