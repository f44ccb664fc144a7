/** Mode proxy beside a DHCP server of somebody else: dnsmasq gives the addresses and says nothing of booting, Prybar says what to boot. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { startIn, type Background } from './support/command.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { addNetwork, copyLoader, leasesOf, openSite, startService, type Site } from './support/service.js';
import { BOOT_MS, timelineOf, waitForBoot } from './support/timeline.js';
import { whyNoWorld, World } from './support/world.js';

const MACHINES = { bios: '52:54:00:77:01:01', uefi: '52:54:00:77:01:02' } as const;

let world: World | undefined;
let site: Site;
let service: Background;
let other: Background;
const machines: EmulatedMachine[] = [];

beforeAll(async () => {
  const reason = (await whyNoWorld()) ?? (await whyNoEmulator());
  if (reason !== undefined) {
    process.stderr.write(`left out: proxyDHCP beside another server ${reason}\n`);
    return;
  }
  site = await openSite();
  await addDiscoveryImage(site.home);
  const { dnsmasq } = await ensureTools(['ipxe', 'dnsmasq']);
  copyLoader(site.home, 'snponly.efi');
  world = await World.create();
  await world.addSegment('lan');
  const ours = await world.addHost('server', 'lan', { address: '10.77.0.1/24' });
  const theirs = await world.addHost('theirs', 'lan', { address: '10.77.0.9/24' });
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', mode: 'proxy' });
  const words = ['-d', '-C', '/dev/null', '--port=0', '--bind-interfaces', '-i', theirs.interface, '--leasefile-ro', '--no-ping'];
  other = startIn(theirs.ns, [dnsmasq.path, ...words, '--dhcp-range=10.77.0.100,10.77.0.199,1h', '--log-dhcp'], { env: dnsmasq.env });
  await other.said(/DHCP, IP range/);
  service = await startService(site, ours.ns);
}, 400_000);

afterAll(async () => {
  for (const machine of machines) await machine.powerOff();
  await service?.stop();
  await other?.stop();
  await world?.close();
  await site?.close();
});

async function kindsOf(mac: string): Promise<string[]> {
  return (await timelineOf(site, mac)).map((step) => step.kind);
}

describe('mode proxy', () => {
  it.each(['bios', 'uefi'] as const)(
    'netboot rule 4: %s takes its address from the other server, its boot files from us, and comes as far as the kernel',
    async (firmware) => {
      if (world === undefined) return;
      const mac = MACHINES[firmware];
      const machine = await powerOn(world, { firmware, mac, segment: 'lan' });
      machines.push(machine);
      const isThere = async () => ((await kindsOf(mac)).includes('http-kernel') ? kindsOf(mac) : undefined);
      const kinds = await waitForBoot({ site, machine, mac }, `${mac} to fetch its kernel`, isThere).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${other.output().slice(-1500)}`);
      });
      expect(kinds).toEqual(expect.arrayContaining(['dhcp-discover', 'dhcp-offer', 'http-script', ...(firmware === 'uefi' ? ['tftp-done'] : [])]));
      expect(kinds).not.toContain('dhcp-ack');
      expect(other.output()).toMatch(new RegExp(`DHCPACK.*${mac}`));
      expect(await leasesOf(site.pool, mac)).toEqual([{ address: expect.stringMatching(/^10\.77\.0\.1\d\d$/), mac, state: 'active' }]);
    },
    BOOT_MS + 30_000,
  );
});
