/**
 * What firmware makes of a boot, measured on emulated machines: the waits of iPXE, a first network card that is dead, and the
 * way from the network into the machine's own disk.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { ensureLoaders } from '../../../scripts/lib/loaders.mjs';
import { waitFor } from '../../support/wait-for.js';
import type { Background } from './support/command.js';
import { biosDisk, BOOTED, uefiDisk } from './support/disks.js';
import { powerOn, whyNoEmulator, type EmulatedMachine, type MachineWords } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { addNetwork, copyLoader, openSite, startService, type Site } from './support/service.js';
import { BOOT_MS, timelineOf, waitForBoot } from './support/timeline.js';
import { whyNoWorld, World } from './support/world.js';

let world: World | undefined;
let site: Site;
let service: Background;
const machines: EmulatedMachine[] = [];

beforeAll(async () => {
  const reason = (await whyNoWorld()) ?? (await whyNoEmulator());
  if (reason !== undefined) {
    process.stderr.write(`left out: what firmware makes of a boot ${reason}\n`);
    return;
  }
  site = await openSite();
  await addDiscoveryImage(site.home);
  await ensureLoaders();
  for (const loader of ['snponly.efi', 'local.efi']) copyLoader(site.home, loader);
  world = await World.create();
  await world.addSegment('loud');
  await world.addSegment('quiet');
  const server = await world.addMachine('server');
  await world.plug(server, 'loud', { interface: 'eth0', address: '10.77.0.1/24' });
  await world.plug(server, 'quiet', { interface: 'eth1', address: '10.78.0.1/24' });
  await addNetwork(site.pool, { id: 1, name: 'loud', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
  await addNetwork(site.pool, { id: 2, name: 'quiet', subnet: '10.78.0.0/24', pool: ['10.78.0.100', '10.78.0.199'] });
  await site.pool.query(`UPDATE networks SET quiet_ra = true WHERE id = 2`);
  service = await startService(site, server, { interfaces: ['eth0', 'eth1'] });
}, 400_000);

afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.powerOff();
});

afterAll(async () => {
  await service?.stop();
  await world?.close();
  await site?.close();
});

async function switchOn(words: MachineWords): Promise<EmulatedMachine> {
  if (world === undefined) throw new Error('no world');
  const machine = await powerOn(world, words);
  machines.push(machine);
  return machine;
}

/** Milliseconds from the first step of one kind to the next one of another; undefined until both are there. */
async function between(mac: string, from: string, to: string): Promise<number | undefined> {
  const steps = await timelineOf(site, mac);
  const begin = steps.findIndex((step) => step.kind === from);
  const end = steps.find((step, index) => index > begin && step.kind === to);
  const first = steps[begin];
  return first === undefined || end === undefined ? undefined : end.ms - first.ms;
}

describe('the waits of iPXE', () => {
  it(
    'netboot rule 9: it waits for a router without an advertisement, and not with quietRa; netboot rule 4: nor for proxy offers',
    async () => {
      if (world === undefined) return;
      const macs = { loud: '52:54:00:77:01:01', quiet: '52:54:00:77:01:02' };
      for (const segment of ['loud', 'quiet'] as const) {
        const mac = macs[segment];
        const machine = await switchOn({ firmware: 'bios', mac, segment });
        await waitForBoot({ site, machine, mac }, `the script of ${segment}`, () => between(mac, 'dhcp-discover', 'http-script'));
        await machine.powerOff();
      }
      const script = {
        loud: (await between(macs.loud, 'dhcp-discover', 'http-script')) ?? 0,
        quiet: (await between(macs.quiet, 'dhcp-discover', 'http-script')) ?? 0,
      };
      const offer = (await between(macs.quiet, 'dhcp-offer', 'dhcp-request')) ?? 0;
      process.stderr.write(
        `iPXE, first DISCOVER to script: ${Math.round(script.loud)} ms, with quietRa ${Math.round(script.quiet)} ms; offer to request ${Math.round(offer)} ms\n`,
      );
      expect(script.loud - script.quiet).toBeGreaterThan(6_000);
      // Without option 175.176 it would be 3 s at least.
      expect(offer).toBeLessThan(2_000);
    },
    2 * BOOT_MS + 30_000,
  );
});

describe('a machine on the second network, whose first card is dead', () => {
  it(
    'netboot rule 13: is discovered by the card it booted from, by the address of ours on its network',
    async () => {
      if (world === undefined) return;
      const mac = '52:54:00:77:02:02';
      const machine = await switchOn({ firmware: 'bios', mac, segment: 'quiet', deadFirstCard: '52:54:00:77:02:01' });
      const nics = async () =>
        (
          await site.pool.query<{ mac: string; boot: boolean }>(
            'SELECT mac, boot FROM nics WHERE node_id = (SELECT node_id FROM nics WHERE mac = $1) ORDER BY mac',
            [mac],
          )
        ).rows;
      const found = await waitForBoot({ site, machine, mac }, 'a node with two cards', async () => ((await nics()).length === 2 ? nics() : undefined));
      expect(found).toEqual([
        { mac: '52:54:00:77:02:01', boot: false },
        { mac, boot: true },
      ]);
      expect((await timelineOf(site, '52:54:00:77:02:01')).length).toBe(0);
    },
    BOOT_MS + 30_000,
  );
});

describe('into the own disk', () => {
  const makeNode = async (mac: string): Promise<void> => {
    const { rows } = await site.pool.query<{ id: number }>(
      `INSERT INTO nodes (name, deployment_id, bootenv) SELECT $1, id, 'local' FROM deployments WHERE system LIMIT 1 RETURNING id`,
      [`local-${mac.replaceAll(':', '')}.lab.example`],
    );
    await site.pool.query('INSERT INTO nics (node_id, mac, boot) VALUES ($1, $2, true)', [rows[0]?.id, mac]);
  };

  it.each(['bios', 'uefi'] as const)(
    'netboot rule 15: %s goes by the network into its disk',
    async (firmware) => {
      if (world === undefined) return;
      const mac = firmware === 'bios' ? '52:54:00:77:03:01' : '52:54:00:77:03:02';
      await makeNode(mac);
      const folder = path.join(site.home, `disk-${firmware}`);
      const disk = firmware === 'bios' ? biosDisk(folder) : await uefiDisk(folder);
      const machine = await switchOn({ firmware, mac, segment: 'quiet', disk });
      await waitForBoot({ site, machine, mac }, `${firmware} to boot its disk`, () => machine.console().includes(BOOTED));
      // The timeline is written in batches.
      await waitFor(async () => (await timelineOf(site, mac)).some((step) => step.kind === 'http-script'), { what: 'the script in the timeline' });
      expect((await timelineOf(site, mac)).map((step) => step.kind)).not.toContain('http-kernel');
    },
    BOOT_MS + 30_000,
  );
});
