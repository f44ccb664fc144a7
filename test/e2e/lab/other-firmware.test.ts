/** Firmware that has no iPXE in Debian boots by GRUB: UEFI of 32 bits, and UEFI of an ARM machine. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unpackPackages } from '../../../scripts/lib/debian-archive.mjs';
import { ensureLoaders } from '../../../scripts/lib/loaders.mjs';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { openLan, type Lan } from './support/lan.js';
import { addNetwork, copyLoader } from './support/service.js';
import { BOOT_MS, inOrder, timelineOf, waitForBoot } from './support/timeline.js';

const ARM_KERNEL = 'linux-image-arm64';

let lan: Lan | undefined;
let machine: EmulatedMachine | undefined;

beforeAll(async () => {
  lan = await openLan(
    'firmware of 32 bits and of ARM machines',
    async ({ site }) => {
      await addDiscoveryImage(site.home);
      await ensureLoaders();
      for (const loader of ['grubia32.efi', 'grubaa64.efi']) copyLoader(site.home, loader);
      await addArmKernel(site.home);
      await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
    },
    { unless: () => whyNoEmulator('uefi-ia32', 'uefi-arm64') },
  );
}, 400_000);

afterEach(async () => {
  await machine?.powerOff();
  machine = undefined;
});

afterAll(async () => {
  await lan?.close();
});

/** A bootenv of the operator's own: the built-in ones have kernels for x86_64 only. */
async function addArmKernel(home: string): Promise<void> {
  const bootenv = path.join(home, 'bootenvs', 'arm');
  const images = path.join(home, 'images', 'arm');
  for (const folder of [bootenv, images]) mkdirSync(folder, { recursive: true });
  const words = ['name: arm', 'description: a kernel and nothing else', 'kind: maintenance', 'archs: [aarch64]', 'kernel: linux'];
  writeFileSync(path.join(bootenv, 'bootenv.yml'), `${[...words, 'kernel_args: console=ttyAMA0 panic=-1'].join('\n')}\n`);
  const root = mkdtempSync(path.join(tmpdir(), 'prybar-arm-'));
  try {
    await unpackPackages([`${ARM_KERNEL}:arm64`], root, { note: () => undefined, alone: true, architectures: ['arm64'] });
    const kernel = readdirSync(path.join(root, 'boot')).find((name) => name.startsWith('vmlinuz-'));
    copyFileSync(path.join(root, 'boot', kernel ?? 'vmlinuz'), path.join(images, 'linux'));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const GRUB_STEPS = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack', 'tftp-done', 'http-script'];

describe('netboot rule 14: by GRUB over TFTP', () => {
  it(
    'UEFI of 32 bits on a processor of 64 comes to the served kernel and is a node',
    async () => {
      if (lan === undefined) return;
      const { site, world } = lan;
      const mac = '52:54:00:77:06:01';
      machine = await powerOn(world, { firmware: 'uefi-ia32', mac, segment: 'lan', memoryMb: 512 });
      const steps = [...GRUB_STEPS, 'facts'];
      const kinds = await waitForBoot({ site, machine, mac }, 'the agent to post its facts', async () => inOrder(await timelineOf(site, mac), steps));
      expect(kinds).toEqual(steps);
    },
    BOOT_MS + 30_000,
  );

  it(
    'UEFI of an ARM machine starts the kernel of its bootenv',
    async () => {
      if (lan === undefined) return;
      const { site, world } = lan;
      const mac = '52:54:00:77:06:02';
      const { rows } = await site.pool.query<{ id: number }>(
        `INSERT INTO nodes (name, deployment_id, arch, bootenv) SELECT 'arm-1.lab.example', id, 'aarch64', 'arm' FROM deployments WHERE system RETURNING id`,
      );
      await site.pool.query('INSERT INTO nics (node_id, mac, boot) VALUES ($1, $2, true)', [rows[0]?.id, mac]);
      machine = await powerOn(world, { firmware: 'uefi-arm64', mac, segment: 'lan', memoryMb: 1024 });
      const booted = machine;
      await waitForBoot({ site, machine, mac }, 'Linux on its console', () => /Linux version \S+-arm64 /.test(booted.console()));
      await waitForBoot({ site, machine, mac }, 'its timeline', async () => inOrder(await timelineOf(site, mac), GRUB_STEPS));
    },
    BOOT_MS + 30_000,
  );
});
