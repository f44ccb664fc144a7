/** DHCP messages of other people's tools: scapy's packets, nmap's scripts, perfdhcp's load, the npm `dhcp` client. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../../scripts/lib/project.mjs';
import { mustRunIn, runIn } from './support/command.js';
import { craft, type Crafted } from './support/craft.js';
import { addNetwork, leasesOf, reserve, startService, type Site } from './support/service.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import type { World, Port } from './support/world.js';

const RESERVED = { mac: '52:54:00:ab:77:07', address: '10.77.0.7' };

let lan: Lan | undefined;
let world: World | undefined;
let site: Site;
let port: Port;

beforeAll(async () => {
  lan = await openLan('DHCP by crafted packets, nmap, perfdhcp and the npm client', async ({ site }) => {
    await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', router: '10.77.0.254', pool: ['10.77.0.100', '10.77.0.249'] });
    await reserve(site.pool, 1, RESERVED.address, RESERVED.mac);
  });
  if (lan === undefined) return;
  ({ world, site } = lan);
  // An address beside the pool, for what is sent by unicast and for the tools that want one.
  port = await world.addHost('client', 'lan', { mac: '52:54:00:ab:77:01', address: '10.77.0.50/24' });
}, 120_000);

afterAll(async () => {
  await lan?.close();
});

const discover = (mac: string, words: Partial<Crafted> = {}): Crafted => ({ mac, type: 'discover', ...words });
const request = (mac: string, address: string, words: Partial<Crafted> = {}): Crafted => ({
  mac,
  type: 'request',
  options: { requested_addr: address, server_id: SERVER },
  ...words,
});

/** A lease of a machine that scapy plays. */
async function acquire(mac: string): Promise<string> {
  const [offer] = await craft(port, [discover(mac)]);
  const address = offer?.yiaddr ?? '';
  const [ack] = await craft(port, [request(mac, address)]);
  expect(ack?.options).toMatchObject({ 'message-type': 5 });
  return address;
}

describe('scapy', () => {
  it('reads every option of an offer: identity echoed, option 82 last, loader named twice', async () => {
    if (world === undefined) return;
    const uuid = `00${'ab'.repeat(16)}`;
    const vendor = Buffer.from('PXEClient:Arch:00007:UNDI:003016').toString('hex');
    const [offer] = await craft(port, [discover(RESERVED.mac, { hex_options: { 60: vendor, 61: '00feed', 82: '0103616263', 93: '0007', 97: uuid } })]);
    expect(offer).toMatchObject({ yiaddr: RESERVED.address, siaddr: SERVER, file: 'snponly.efi', to: '255.255.255.255' });
    expect(offer?.options).toMatchObject({ 'message-type': 2, server_id: SERVER, subnet_mask: '255.255.255.0', client_id: '00feed' });
    expect(offer?.order.at(-1)).toBe('relay_agent_information');
    expect(offer?.bytes).toBeGreaterThanOrEqual(300);
  });

  it('is told the truth about an address it may not have (INIT-REBOOT)', async () => {
    if (world === undefined) return;
    const foreign: Crafted = { mac: '52:54:00:ab:77:10', type: 'request', options: { requested_addr: '192.0.2.9' } };
    const [nak] = await craft(port, [foreign]);
    expect(nak).toMatchObject({ yiaddr: '0.0.0.0', to: '255.255.255.255' });
    expect(nak?.options).toMatchObject({ 'message-type': 6, server_id: SERVER });
  });

  it('renews by unicast, asks by INFORM, and is answered at its address', async () => {
    if (world === undefined) return;
    const mac = port.mac;
    const [inform] = await craft(port, [{ mac, type: 'inform', ciaddr: '10.77.0.50', source: '10.77.0.50', to: SERVER, flags: 0 }]);
    expect(inform).toMatchObject({ yiaddr: '0.0.0.0', to: '10.77.0.50' });
    expect(inform?.options).toMatchObject({ 'message-type': 5, router: '10.77.0.254' });
    expect(inform?.options).not.toHaveProperty('lease_time');
  });

  it('netboot rule 5: four stages with four client identifiers have one address and one lease', async () => {
    if (world === undefined) return;
    const mac = '52:54:00:ab:77:20';
    const stages = ['00'.padEnd(34, 'a'), '01525400ab7720', 'ff00000001000100010002', undefined];
    const addresses = new Set<string>();
    for (const stage of stages) {
      const hex_options = stage === undefined ? {} : { 61: stage };
      const [offer] = await craft(port, [discover(mac, { hex_options })]);
      const [ack] = await craft(port, [request(mac, offer?.yiaddr ?? '', { hex_options })]);
      expect(ack?.options).toMatchObject({ 'message-type': 5 });
      addresses.add(ack?.yiaddr ?? '');
    }
    expect(addresses.size).toBe(1);
    expect(await leasesOf(site.pool, mac)).toEqual([{ address: [...addresses][0], mac, state: 'active' }]);
  });

  it('attack 10: cannot decline or release what another machine holds', async () => {
    if (world === undefined) return;
    const victim = '52:54:00:ab:77:30';
    const thief = '52:54:00:ab:77:31';
    const address = await acquire(victim);
    await craft(port, [
      { mac: thief, type: 'decline', options: { requested_addr: address, server_id: SERVER }, wait: false },
      { mac: thief, type: 'release', ciaddr: address, options: { server_id: SERVER }, wait: false },
      // A message that is answered: what was sent before it has been handled.
      discover(thief),
    ]);
    expect(await leasesOf(site.pool, victim)).toEqual([{ address, mac: victim, state: 'active' }]);
    const [offer] = await craft(port, [discover(victim)]);
    expect(offer?.yiaddr).toBe(address);
  });

  it('attack 10: a reservation survives a DECLINE and a RELEASE in its own name', async () => {
    if (world === undefined) return;
    expect(await acquire(RESERVED.mac)).toBe(RESERVED.address);
    await craft(port, [
      { mac: RESERVED.mac, type: 'decline', options: { requested_addr: RESERVED.address, server_id: SERVER }, wait: false },
      { mac: RESERVED.mac, type: 'release', ciaddr: RESERVED.address, options: { server_id: SERVER }, wait: false },
    ]);
    expect(await acquire(RESERVED.mac)).toBe(RESERVED.address);
  });

  it('attack 12: a relay that lies in none of our networks is not answered', async () => {
    if (world === undefined) return;
    const [answer] = await craft(port, [discover('52:54:00:ab:77:40', { giaddr: '192.0.2.1', timeout: 1 })]);
    expect(answer).toBeNull();
  });
});

describe('nmap', () => {
  it('broadcast-dhcp-discover finds the server and reads its offer', async () => {
    if (world === undefined) return;
    const { nmap } = await ensureTools(['nmap']);
    const text = await mustRunIn(
      port.ns,
      [nmap.path, '--script', 'broadcast-dhcp-discover', '-e', port.interface, '--script-args', 'broadcast-dhcp-discover.timeout=5'],
      {
        env: nmap.env,
      },
    );
    expect(text).toContain(`Server Identifier: ${SERVER}`);
    expect(text).toContain('Router: 10.77.0.254');
    expect(text).toMatch(/IP Offered: 10\.77\.0\.\d+/);
  });
});

describe('the npm dhcp client', () => {
  it('gets a lease, which is a row when it hears of it', async () => {
    if (world === undefined) return;
    // It hears by an ordinary socket and does not say so by the broadcast flag: only a server that broadcasts reaches it.
    await world.addSegment('plain');
    const server = await world.addHost('plain', 'plain', { address: '10.79.0.1/24' });
    const host = await world.addHost('npm', 'plain', { address: '10.79.0.50/24' });
    await addNetwork(site.pool, { id: 2, name: 'plain', subnet: '10.79.0.0/24', router: '10.79.0.254', pool: ['10.79.0.100', '10.79.0.199'] });
    const broadcasting = await startService(site, server.ns, { broadcasts: true });
    await mustRunIn(host.ns, ['ip', 'route', 'add', 'default', 'dev', host.interface]);
    const client = inProject('test/e2e/lab/support/npm-client.mjs');
    const mac = '52:54:00:ab:77:60';
    const text = await mustRunIn(host.ns, [process.execPath, client, mac], { cwd: inProject() }).finally(() => broadcasting.stop());
    expect(text).toMatch(/^offer 10\.79\.0\.\d+ from 10\.79\.0\.1 router 10\.79\.0\.254$/m);
    const address = /^ack (\S+)/m.exec(text)?.[1];
    expect(await leasesOf(site.pool, mac)).toEqual([{ address, mac, state: 'active' }]);
  });
});

describe('perfdhcp', () => {
  it('gets every one of 50 exchanges a second for five seconds', async () => {
    if (world === undefined) return;
    const { perfdhcp } = await ensureTools(['perfdhcp']);
    const words = ['-4', '-r', '50', '-R', '100', '-p', '5', '-l', port.interface, SERVER];
    const { stdout } = await runIn(port.ns, [perfdhcp.path, ...words], { env: perfdhcp.env, timeoutMs: 60_000 });
    const sent = [...stdout.matchAll(/sent packets: (\d+)/g)].map((match) => Number(match[1]));
    const received = [...stdout.matchAll(/received packets: (\d+)/g)].map((match) => Number(match[1]));
    expect(sent.length).toBe(2);
    expect(Math.min(...sent)).toBeGreaterThan(150);
    // What is on its way when the run ends counts as lost: a tenth of a second of a busy machine.
    expect(Math.min(...received)).toBeGreaterThan(0.9 * Math.max(...sent));
  });
});
