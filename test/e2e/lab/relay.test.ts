/** Clients behind a relay agent of somebody else: ISC dhcrelay with option 82, between two segments. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { waitFor } from '../../support/wait-for.js';
import { mustRunIn, startIn, type Background } from './support/command.js';
import { craft } from './support/craft.js';
import { startDhcpClient } from './support/dhcp-clients.js';
import { addNetwork, leasesOf, openSite, startService, type Site } from './support/service.js';
import { whyNoWorld, World } from './support/world.js';

const SERVER = '10.77.0.1';
const RELAY = { up: '10.77.0.9', down: '10.88.0.1' };

let world: World | undefined;
let site: Site;
let service: Background;
let relay: Background;

beforeAll(async () => {
  const reason = await whyNoWorld();
  if (reason !== undefined) {
    process.stderr.write(`left out: DHCP through a relay agent ${reason}\n`);
    return;
  }
  world = await World.create();
  await world.addSegment('lan');
  await world.addSegment('remote');
  const server = await world.addHost('server', 'lan', { address: `${SERVER}/24` });
  await mustRunIn(server.ns, ['ip', 'route', 'add', '10.88.0.0/24', 'via', RELAY.up]);
  const agent = await world.addMachine('relay');
  await world.plug(agent, 'lan', { interface: 'up0', address: `${RELAY.up}/24` });
  await world.plug(agent, 'remote', { interface: 'down0', address: `${RELAY.down}/24` });
  await mustRunIn(agent, ['sysctl', '-q', 'net.ipv4.ip_forward=1']);
  site = await openSite();
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
  await addNetwork(site.pool, { id: 2, name: 'remote', subnet: '10.88.0.0/24', router: RELAY.down, pool: ['10.88.0.100', '10.88.0.199'], leaseSeconds: 20 });
  service = await startService(site, server.ns);
  const { dhcrelay } = await ensureTools(['dhcrelay']);
  // -a: adds option 82 with the circuit and takes it off again; -m replace: what clients put there is not believed.
  relay = startIn(agent, [dhcrelay.path, '-4', '-d', '-a', '-m', 'replace', '-iu', 'up0', '-id', 'down0', SERVER], { env: dhcrelay.env });
  await relay.said(/Sending on|Listening on/);
}, 120_000);

afterAll(async () => {
  await relay?.stop();
  await service?.stop();
  await world?.close();
  await site?.close();
});

describe('dhcrelay', () => {
  it.each(['udhcpc', 'dhclient'] as const)('leads %s to an address of its own network, by which it renews at the server itself', async (name) => {
    if (world === undefined) return;
    const port = await world.addHost(name, 'remote');
    const client = await startDhcpClient(name, port);
    try {
      const bound = await client.told('bound');
      expect(bound.get('ip')).toMatch(/^10\.88\.0\.1\d\d$/);
      expect(Object.fromEntries(bound)).toMatchObject({ serverid: SERVER, router: RELAY.down });
      expect(await leasesOf(site.pool, port.mac)).toEqual([{ address: bound.get('ip'), mac: port.mac, state: 'active' }]);
      // The server is beyond the router, which the client's script sets up on a real machine.
      await mustRunIn(port.ns, ['ip', 'route', 'add', 'default', 'via', RELAY.down]);
      if (name === 'udhcpc') await client.renew();
      expect((await client.told('renew')).get('ip')).toBe(bound.get('ip'));
      await client.release();
      await waitFor(async () => (await leasesOf(site.pool, port.mac))[0]?.state === 'released', { what: 'the release to be a row' });
    } finally {
      await client.stop();
    }
  });

  it('sees its option 82 come back as it was, and the client does not see it', async () => {
    if (world === undefined) return;
    const port = await world.addHost('craft', 'remote');
    const [offer] = await craft(port, [{ mac: port.mac, type: 'discover' }]);
    expect(offer?.yiaddr).toMatch(/^10\.88\.0\.1\d\d$/);
    // dhcrelay drops a reply whose option 82 is not its own: that there is an answer proves the echo.
    expect(offer?.order).not.toContain('relay_agent_information');
    expect(relay.output()).not.toMatch(/bad|missing|discard/i);
  });

  it('is not needed to answer machines of the server own segment at the same time', async () => {
    if (world === undefined) return;
    const port = await world.addHost('local', 'lan');
    const [offer] = await craft(port, [{ mac: port.mac, type: 'discover' }]);
    expect(offer?.yiaddr).toMatch(/^10\.77\.0\.1\d\d$/);
  });
});
