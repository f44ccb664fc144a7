/** DHCP by independent clients, each on a segment of network namespaces, against the boot service as its own process. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait-for.js';
import { startDhcpClient, type ClientName } from './support/dhcp-clients.js';
import { addNetwork, leasesOf, reserve, type Site } from './support/service.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import type { World, Port } from './support/world.js';

const RESERVED = { mac: '52:54:00:ab:77:07', address: '10.77.0.7' };

let lan: Lan | undefined;
let world: World | undefined;
let site: Site;

beforeAll(async () => {
  lan = await openLan('DHCP by independent clients', async ({ site }) => {
    await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', router: '10.77.0.254', pool: ['10.77.0.100', '10.77.0.199'], leaseSeconds: 20 });
    await reserve(site.pool, 1, RESERVED.address, RESERVED.mac);
  });
  if (lan === undefined) return;
  ({ world, site } = lan);
}, 120_000);

afterAll(async () => {
  await lan?.close();
});

const stateOf = async (port: Port): Promise<string | undefined> => (await leasesOf(site.pool, port.mac)).at(-1)?.state;

describe.each(['udhcpc', 'dhclient', 'dhcpcd'] satisfies ClientName[])('%s', (name) => {
  it('gets an address of the pool, which is a row, keeps it, and gives it back', async () => {
    if (world === undefined) return;
    const port = await world.addHost(name, 'lan');
    const client = await startDhcpClient(name, port);
    try {
      const bound = await client.told('bound');
      expect(bound.get('ip')).toMatch(/^10\.77\.0\.1\d\d$/);
      expect(Object.fromEntries(bound)).toMatchObject({ serverid: SERVER, router: '10.77.0.254', dns: SERVER });
      expect(await leasesOf(site.pool, port.mac)).toEqual([{ address: bound.get('ip'), mac: port.mac, state: 'active' }]);
      if (name !== 'dhclient') await client.renew();
      expect((await client.told('renew')).get('ip')).toBe(bound.get('ip'));
      await client.release();
      await waitFor(async () => (await stateOf(port)) === 'released', { what: 'the release to be a row' });
    } finally {
      await client.stop();
    }
  });

  it('gets its reserved address, and its boot file when it says that it is firmware', async () => {
    if (world === undefined) return;
    const port = await world.addHost(`${name}r`, 'lan', { mac: RESERVED.mac });
    const client = await startDhcpClient(name, port, { firmware: true });
    try {
      expect(Object.fromEntries(await client.told('bound'))).toMatchObject({ ip: RESERVED.address, boot_file: 'snponly.efi' });
      await client.release();
    } finally {
      await client.stop();
    }
  });
});

describe('DECLINE', () => {
  it('attack 10: dhclient refuses an address, which rests, and gets another', async () => {
    if (world === undefined) return;
    const port = await world.addHost('decline', 'lan');
    const client = await startDhcpClient('dhclient', port, { declineFirst: true });
    try {
      const refused = (await client.told('declined')).get('ip');
      const bound = (await client.told('bound', 60_000)).get('ip');
      expect(bound).not.toBe(refused);
      const { rows } = await site.pool.query('SELECT state FROM leases WHERE address = $1', [refused]);
      expect(rows).toEqual([{ state: 'declined' }]);
    } finally {
      await client.stop();
    }
  });
});
