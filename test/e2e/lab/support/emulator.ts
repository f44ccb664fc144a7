/**
 * Machines emulated by QEMU, always in software (`-accel tcg`: /dev/kvm may be there and not start a guest). They live in the
 * switch's namespace with one tap each on a segment. BIOS boots by iPXE in the network card's ROM; UEFI by OVMF's own PXE.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';
import { runIn, startIn, type Background } from './command.js';
import type { World } from './world.js';

export type MachineWords = {
  firmware: 'bios' | 'uefi';
  mac: string;
  /** Segment the card is on. */
  segment: string;
  /** MAC of a first card whose cable leads nowhere. */
  deadFirstCard?: string;
  /** Words of a `-drive` that tell the disk; boots after the network. */
  disk?: string;
  memoryMb?: number;
  /** UEFI with Secure Boot on and Microsoft's keys enrolled, as machines are sold. */
  secureBoot?: boolean;
};

export type EmulatedMachine = {
  /** What it wrote to its serial port so far, without terminal escapes. */
  readonly console: () => string;
  readonly powerOff: () => Promise<void>;
  readonly isRunning: () => boolean;
};

let lastTap = 0;

/** Why there can be no tap device here, or undefined. */
export function whyNoTap(): string | undefined {
  return existsSync('/dev/net/tun') ? undefined : 'needs /dev/net/tun';
}

/** Why nothing can be emulated here, or undefined. */
export async function whyNoEmulator(): Promise<string | undefined> {
  const noTap = whyNoTap();
  if (noTap !== undefined) return noTap;
  return ensureTools(['qemu', 'ovmf', 'ipxe-qemu']).then(
    () => undefined,
    (error: unknown) => `needs QEMU, OVMF and iPXE's ROMs (${error instanceof Error ? error.message : String(error)})`,
  );
}

/** Powers a machine on. */
export async function powerOn(world: World, words: MachineWords): Promise<EmulatedMachine> {
  const tools = await ensureTools(['qemu', 'ovmf', 'ipxe-qemu']);
  const folder = mkdtempSync(path.join(tmpdir(), 'prybar-machine-'));
  const cards: string[][] = [];
  if (words.deadFirstCard !== undefined) cards.push(await card(world, 'unplugged', words.deadFirstCard, words.firmware, undefined));
  cards.push(await card(world, words.segment, words.mac, words.firmware, 1));
  const uuid = `00000000-0000-4000-8000-${words.mac.replaceAll(':', '')}`;
  const serial = path.join(folder, 'serial');
  const disk = words.disk === undefined ? [] : ['-drive', `if=none,id=disk0,${words.disk}`, '-device', 'virtio-blk-pci,drive=disk0,bootindex=2,serial=LABDISK'];
  const command = [
    ...[tools.qemu.path, '-machine', 'q35,graphics=off', '-accel', 'tcg,thread=multi,tb-size=128', '-cpu', 'max', '-m', String(words.memoryMb ?? 384)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none', '-serial', `file:${serial}`],
    ...['-uuid', uuid, '-smbios', `type=1,manufacturer=Lab,product=${words.firmware},serial=SN${words.mac.slice(-2)},uuid=${uuid}`],
    ...romFolders(tools.qemu.path),
    ...(words.firmware === 'uefi' ? uefi(folder, tools.ovmf.path, words.secureBoot === true) : []),
    ...cards.flat(),
    ...disk,
    ...['-device', 'virtio-rng-pci', '-boot', 'reboot-timeout=3000'],
  ];
  const emulator: Background = startIn(world.switchNs, command, { env: tools.qemu.env });
  return {
    console: () => (existsSync(serial) ? plain(readFileSync(serial, 'latin1')) : '') + emulator.output(),
    isRunning: () => emulator.child.exitCode === null && emulator.child.signalCode === null,
    async powerOff() {
      await emulator.stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A network card with a tap on a segment. Under UEFI without a ROM, so that the firmware's own PXE is what boots. */
async function card(world: World, segment: string, mac: string, firmware: MachineWords['firmware'], bootIndex: number | undefined): Promise<string[]> {
  lastTap += 1;
  const name = `tap${lastTap}`;
  if (segment === 'unplugged') await runIn(world.switchNs, ['ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap']);
  else await world.addTap(name, segment);
  const rom = firmware === 'uefi' || bootIndex === undefined ? ',romfile=' : '';
  const order = bootIndex === undefined ? '' : `,bootindex=${bootIndex}`;
  return ['-netdev', `tap,id=net${lastTap},ifname=${name},script=no,downscript=no`, '-device', `virtio-net-pci,netdev=net${lastTap},mac=${mac}${order}${rom}`];
}

function uefi(folder: string, code: string, isSecure: boolean): string[] {
  const edition = isSecure ? '.ms' : '';
  const variables = path.join(folder, 'vars.fd');
  copyFileSync(path.join(path.dirname(code), `OVMF_VARS_4M${edition}.fd`), variables);
  const firmware = isSecure ? path.join(path.dirname(code), 'OVMF_CODE_4M.ms.fd') : code;
  // Only the firmware's own system management mode may write the keys.
  const guard = isSecure ? ['-global', 'driver=cfi.pflash01,property=secure,value=on', '-global', 'ICH9-LPC.disable_s3=1'] : [];
  return [...guard, '-drive', `if=pflash,format=raw,readonly=on,file=${firmware}`, '-drive', `if=pflash,format=raw,file=${variables}`];
}

/** An unpacked QEMU looks for its ROMs where the system's would be. */
function romFolders(program: string): string[] {
  const root = path.resolve(path.dirname(program), '../..');
  if (root === '/') return [];
  return ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu'].flatMap((folder) => ['-L', path.join(root, folder)]);
}

/** Text of a serial console without what moves the cursor. */
function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
}
