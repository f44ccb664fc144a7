/**
 * A machine with Secure Boot on (OVMF with Microsoft's keys) boots by shim and Debian's signed GRUB: shim by the network's
 * option, GRUB from beside it, its configuration rendered over TFTP, a signed kernel. netboot-rules 14.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureLoaders } from '../../../scripts/lib/loaders.mjs';
import type { Background } from './support/command.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { addNetwork, copyLoader, openSite, startService, type Site } from './support/service.js';
import { timelineOf, waitForBoot } from './support/timeline.js';
import { whyNoWorld, World } from './support/world.js';

/** Of a busy machine. */
const BOOT_MS = 240_000;

let world: World | undefined;
let site: Site;
let service: Background;
let machine: EmulatedMachine | undefined;

beforeAll(async () => {
  const reason = (await whyNoWorld()) ?? (await whyNoEmulator('uefi-secure'));
  if (reason !== undefined) {
    process.stderr.write(`left out: Secure Boot ${reason}\n`);
    return;
  }
  site = await openSite();
  await addDiscoveryImage(site.home);
  await ensureLoaders();
  for (const loader of ['snponly.efi', 'shimx64.efi', 'grubx64.efi']) copyLoader(site.home, loader);
  world = await World.create();
  const server = await world.addMachine('server');
  for (const [index, segment] of ['secure', 'plain'].entries()) {
    await world.addSegment(segment);
    await world.plug(server, segment, { interface: `eth${index}`, address: `10.7${index + 7}.0.1/24` });
    await addNetwork(site.pool, {
      id: index + 1,
      name: segment,
      subnet: `10.7${index + 7}.0.0/24`,
      pool: [`10.7${index + 7}.0.100`, `10.7${index + 7}.0.199`],
    });
  }
  await site.pool.query(`UPDATE networks SET vendor_options = '{"PXEClient:Arch:00007": {"bootfile-name": "shimx64.efi"}}' WHERE name = 'secure'`);
  service = await startService(site, server, { interfaces: ['eth0', 'eth1'] });
}, 400_000);

afterEach(async () => {
  await machine?.powerOff();
  machine = undefined;
});

afterAll(async () => {
  await service?.stop();
  await world?.close();
  await site?.close();
});

async function bootSecurely(mac: string, segment: string, until: () => Promise<boolean>, what: string): Promise<void> {
  if (world === undefined) return;
  const booted = await powerOn(world, { firmware: 'uefi-secure', mac, segment, memoryMb: 512 });
  machine = booted;
  await waitForBoot({ site, machine: booted, mac }, what, until, BOOT_MS);
}

describe('netboot rule 14: Secure Boot', () => {
  it(
    'an unsigned loader is refused by the firmware, and nothing of it runs',
    async () => {
      const mac = '52:54:00:77:05:01';
      await bootSecurely(
        mac,
        'plain',
        async () =>
          (await timelineOf(site, mac)).some((step) => step.kind === 'tftp-done' && step.text.includes('snponly.efi')) &&
          /Access Denied|Security Violation/i.test(machine?.console() ?? ''),
        'the loader to be refused',
      );
      if (world !== undefined) expect((await timelineOf(site, mac)).map((step) => step.kind)).not.toContain('http-script');
    },
    BOOT_MS + 30_000,
  );

  it(
    'shim, GRUB and a signed kernel boot with the option of the network',
    async () => {
      const mac = '52:54:00:77:05:02';
      await bootSecurely(mac, 'secure', async () => (await timelineOf(site, mac)).some((step) => step.kind === 'facts'), 'the agent to post its facts');
      if (world === undefined) return;
      const kinds = (await timelineOf(site, mac)).map((step) => step.kind);
      for (const kind of ['tftp-done', 'http-script', 'facts']) expect(kinds).toContain(kind);
      expect(await site.pool.query(`SELECT 1 FROM nics WHERE mac = $1`, [mac])).toMatchObject({ rowCount: 1 });
    },
    BOOT_MS + 30_000,
  );
});
