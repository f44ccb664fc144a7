/**
 * Two machines boot for real: iPXE in a BIOS machine's ROM, and OVMF's own PXE with the loader by TFTP, both to the served
 * kernel of the discovery image, whose agent posts what the machine is.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { waitFor } from '../../support/wait-for.js';
import type { Background } from './support/command.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { addNetwork, copyLoader, leasesOf, openSite, startService, type Site } from './support/service.js';
import { BOOT_MS, inOrder, timelineOf, waitForBoot } from './support/timeline.js';
import { whyNoWorld, World } from './support/world.js';

const SERVER = '10.77.0.1';
const MACHINES = { bios: '52:54:00:77:00:01', uefi: '52:54:00:77:00:02' } as const;

let world: World | undefined;
let site: Site;
let service: Background;
const machines = new Map<string, EmulatedMachine>();

beforeAll(async () => {
  const reason = (await whyNoWorld()) ?? (await whyNoEmulator());
  if (reason !== undefined) {
    process.stderr.write(`left out: machines that boot in QEMU ${reason}\n`);
    return;
  }
  site = await openSite();
  await addDiscoveryImage(site.home);
  await ensureTools(['ipxe']);
  copyLoader(site.home, 'snponly.efi');
  world = await World.create();
  await world.addSegment('lan');
  const server = await world.addHost('server', 'lan', { address: `${SERVER}/24` });
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
  service = await startService(site, server.ns);
}, 400_000);

afterAll(async () => {
  for (const machine of machines.values()) await machine.powerOff();
  await service?.stop();
  await world?.close();
  await site?.close();
});

async function nodeOf(mac: string): Promise<{ id: number; name: string } | undefined> {
  const { rows } = await site.pool.query<{ id: number; name: string }>('SELECT n.id, n.name FROM nodes n JOIN nics c ON c.node_id = n.id WHERE c.mac = $1', [
    mac,
  ]);
  return rows[0];
}

/** The steps that prove the way to the kernel; others may stand between them. */
const STEPS = {
  bios: ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack', 'http-script', 'http-kernel', 'http-initrd', 'dhcp-ack', 'facts'],
  uefi: [
    ...['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack', 'tftp-start', 'tftp-done'],
    ...['dhcp-discover', 'dhcp-ack', 'http-script', 'http-kernel', 'http-initrd', 'dhcp-ack', 'facts'],
  ],
} as const;

describe('machines that are switched on together', () => {
  beforeAll(async () => {
    if (world === undefined) return;
    for (const firmware of ['bios', 'uefi'] as const) {
      machines.set(MACHINES[firmware], await powerOn(world, { firmware, mac: MACHINES[firmware], segment: 'lan' }));
    }
  });

  it.each(['bios', 'uefi'] as const)(
    '%s: boots to the served kernel, is a node, and its timeline has every step',
    async (firmware) => {
      if (world === undefined) return;
      const mac = MACHINES[firmware];
      const machine = machines.get(mac);
      if (machine === undefined) throw new Error(`${mac} was not switched on`);
      await waitForBoot({ site, machine, mac }, `${mac} to be a node`, () => nodeOf(mac));
      const kinds = await waitFor(async () => inOrder(await timelineOf(site, mac), STEPS[firmware]), { what: 'the timeline to be written' });
      expect(kinds).toEqual(STEPS[firmware]);
    },
    BOOT_MS + 30_000,
  );

  it('netboot rule 5: firmware, loader and ramdisk of a machine had one address and one lease', async () => {
    if (world === undefined) return;
    for (const mac of Object.values(MACHINES)) {
      const acks = (await timelineOf(site, mac)).filter((step) => step.kind === 'dhcp-ack').map((step) => step.text.split(',')[0]);
      expect(acks.length).toBeGreaterThanOrEqual(2);
      expect(new Set(acks).size).toBe(1);
      expect(await leasesOf(site.pool, mac)).toEqual([{ address: expect.stringMatching(/^10\.77\.0\.1/), mac, state: 'active' }]);
    }
  });
});
