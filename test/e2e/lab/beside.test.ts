/**
 * README, "Beside an existing DHCP server", its second way: servers of somebody else give the addresses, with the lines that
 * `prybar dhcp snippet` prints, and real machines boot from Prybar, which gives none. The first way is in proxy.test.ts, and
 * command by command in readme-section.test.ts.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { snippetFor } from '../../../src/interchange/snippets.js';
import { startIn, type Background } from './support/command.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { addNetwork, copyLoader, leasesOf, openSite, startService, type Site } from './support/service.js';
import { BOOT_MS, timelineOf, waitForBoot } from './support/timeline.js';
import { whyNoWorld, World, type Port } from './support/world.js';

const PLACE = { host: '10.77.0.1', httpPort: 8191, tftpPort: 69 };

let reason: string | undefined;
let world: World;
let site: Site;
let service: Background;
let theirs: Port;
let other: Background | undefined;
let machine: EmulatedMachine | undefined;
let tools: Awaited<ReturnType<typeof ensureTools<'dnsmasq' | 'dhcpd'>>>;

beforeAll(async () => {
  reason = (await whyNoWorld()) ?? (await whyNoEmulator());
  if (reason !== undefined) {
    process.stderr.write(`left out: machines beside a server that points at Prybar ${reason}\n`);
    return;
  }
  site = await openSite();
  await addDiscoveryImage(site.home);
  await ensureTools(['ipxe']);
  tools = await ensureTools(['dnsmasq', 'dhcpd']);
  copyLoader(site.home, 'snponly.efi');
  world = await World.create();
  await world.addSegment('lan');
  const ours = await world.addHost('server', 'lan', { address: '10.77.0.1/24' });
  theirs = await world.addHost('theirs', 'lan', { address: '10.77.0.9/24' });
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', mode: 'off' });
  service = await startService(site, ours.ns);
}, 400_000);
beforeEach(() => {
  other = undefined;
  machine = undefined;
});
afterEach(async () => {
  await machine?.powerOff();
  await other?.stop();
});
afterAll(async () => {
  if (reason !== undefined) return;
  await service?.stop();
  await world?.close();
  await site?.close();
});

async function startDnsmasq(): Promise<Background> {
  const file = path.join(site.home, 'dnsmasq.conf');
  const lines = ['port=0', 'bind-interfaces', `interface=${theirs.interface}`, 'leasefile-ro', 'no-ping', 'log-dhcp', 'dhcp-range=10.77.0.100,10.77.0.199,1h'];
  writeFileSync(file, `${lines.join('\n')}\n${snippetFor('dnsmasq', PLACE).text}`);
  const started = startIn(theirs.ns, [tools.dnsmasq.path, '-d', '-C', file], { env: tools.dnsmasq.env });
  await started.said(/DHCP, IP range/);
  return started;
}

async function startDhcpd(): Promise<Background> {
  const file = path.join(site.home, 'dhcpd.conf');
  writeFileSync(file, `authoritative;\n${snippetFor('isc', PLACE).text}subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.100 10.77.0.199; }\n`);
  writeFileSync(path.join(site.home, 'dhcpd.leases'), '');
  const words = ['-4', '-d', '-cf', file, '-lf', path.join(site.home, 'dhcpd.leases'), '-pf', path.join(site.home, 'dhcpd.pid'), theirs.interface];
  const started = startIn(theirs.ns, [tools.dhcpd.path, ...words], { env: tools.dhcpd.env });
  await started.said(/Server starting service/);
  return started;
}

async function kindsOf(mac: string): Promise<string[]> {
  return (await timelineOf(site, mac)).map((step) => step.kind);
}

describe('a server that points at Prybar', () => {
  it.each([
    ['dnsmasq', 'uefi', '52:54:00:77:02:01'],
    ['ISC dhcpd', 'uefi', '52:54:00:77:02:02'],
    ['ISC dhcpd', 'bios', '52:54:00:77:02:03'],
  ] as const)(
    '%s gives the address, and the %s machine comes as far as the kernel of Prybar',
    async (name, firmware, mac) => {
      if (reason !== undefined) return;
      other = name === 'dnsmasq' ? await startDnsmasq() : await startDhcpd();
      machine = await powerOn(world, { firmware, mac, segment: 'lan' });
      const isThere = async () => ((await kindsOf(mac)).includes('http-kernel') ? kindsOf(mac) : undefined);
      const kinds = await waitForBoot({ site, machine, mac }, `${mac} to fetch its kernel`, isThere).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${other?.output().slice(-2500) ?? ''}`);
      });
      expect(kinds).toEqual(expect.arrayContaining(['http-script', 'http-kernel', ...(firmware === 'uefi' ? ['tftp-done'] : [])]));
      expect(kinds.filter((kind) => ['dhcp-offer', 'dhcp-ack', 'dhcp-proxy-offer'].includes(kind))).toEqual([]);
      expect(other.output()).toMatch(new RegExp(`DHCPACK.*${mac}`));
      expect(await leasesOf(site.pool, mac)).toEqual([{ address: expect.stringMatching(/^10\.77\.0\.1\d\d$/), mac, state: 'active' }]);
    },
    BOOT_MS + 30_000,
  );
});
