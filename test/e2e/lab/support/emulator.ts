/**
 * Machines emulated by QEMU, always in software (`-accel tcg`: /dev/kvm may be there and not start a guest). They live in the
 * switch's namespace with one tap each on a segment. What they are made of: boards.ts.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { boardOf, ensureBoards, type Firmware } from './boards.js';
import { runIn, startIn, type Background } from './command.js';
import type { World } from './world.js';

export type MachineWords = {
  firmware: Firmware;
  mac: string;
  /** Segment the card is on. */
  segment: string;
  /** MAC of a first card whose cable leads nowhere. */
  deadFirstCard?: string;
  /** Words of a `-drive` that tell the disk; boots after the network. */
  disk?: string;
  memoryMb?: number;
  /** UEFI that boots by HTTP and not by PXE; `trusted`: the certificates in DER that it takes for HTTPS. */
  httpBoot?: { trusted: readonly Buffer[] };
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

/** Why none of these can be emulated here, or undefined. */
export async function whyNoEmulator(...firmwares: readonly Firmware[]): Promise<string | undefined> {
  const noTap = whyNoTap();
  if (noTap !== undefined) return noTap;
  return ensureBoards(firmwares.length === 0 ? ['bios', 'uefi'] : firmwares).then(
    () => undefined,
    (error: unknown) => `needs QEMU and its firmware (${error instanceof Error ? error.message : String(error)})`,
  );
}

/** Powers a machine on. */
export async function powerOn(world: World, words: MachineWords): Promise<EmulatedMachine> {
  const folder = mkdtempSync(path.join(tmpdir(), 'prybar-machine-'));
  const board = await boardOf(words.firmware, folder);
  const cards: string[][] = [];
  if (words.deadFirstCard !== undefined) cards.push(await card(world, 'unplugged', words.deadFirstCard, words.firmware, undefined));
  cards.push(await card(world, words.segment, words.mac, words.firmware, 1));
  const uuid = `00000000-0000-4000-8000-${words.mac.replaceAll(':', '')}`;
  const serial = path.join(folder, 'serial');
  const disk = words.disk === undefined ? [] : ['-drive', `if=none,id=disk0,${words.disk}`, '-device', 'virtio-blk-pci,drive=disk0,bootindex=2,serial=LABDISK'];
  const command = [
    ...[board.program, ...board.words, '-accel', 'tcg,thread=multi,tb-size=128', '-m', String(words.memoryMb ?? 384)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', `file:${serial}`],
    ...['-uuid', uuid, '-smbios', `type=1,manufacturer=Lab,product=${words.firmware},serial=SN${words.mac.slice(-2)},uuid=${uuid}`],
    ...(words.httpBoot === undefined ? [] : httpBoot(folder, words.httpBoot.trusted)),
    ...cards.flat(),
    ...disk,
    ...['-device', 'virtio-rng-pci', '-boot', 'reboot-timeout=3000'],
  ];
  const emulator: Background = startIn(world.switchNs, command, { env: board.env });
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
  const rom = firmware !== 'bios' || bootIndex === undefined ? ',romfile=' : '';
  const order = bootIndex === undefined ? '' : `,bootindex=${bootIndex}`;
  return ['-netdev', `tap,id=net${lastTap},ifname=${name},script=no,downscript=no`, '-device', `virtio-net-pci,netdev=net${lastTap},mac=${mac}${order}${rom}`];
}

/** EFI_CERT_X509_GUID {a5c059a1-94e4-4aa7-87b5-ab155c2bf072}, as it lies in memory. UEFI 2.10 section 32.4.1. */
const X509_GUID = Buffer.from('a159c0a5e494a74a87b5ab155c2bf072', 'hex');

/** OVMF's switches (OvmfPkg/README, "Network Support" and "HTTPS Boot"): no PXE, and the authorities of HTTPS as signature lists. */
function httpBoot(folder: string, trusted: readonly Buffer[]): string[] {
  const noPxe = ['IPv4', 'IPv6'].flatMap((version) => ['-fw_cfg', `name=opt/org.tianocore/${version}PXESupport,string=n`]);
  if (trusted.length === 0) return noPxe;
  const lists = trusted.map((certificate) => {
    const head = Buffer.alloc(28 + 16); // list type, three sizes, and an owner nobody asks for
    X509_GUID.copy(head);
    head.writeUInt32LE(head.length + certificate.length, 16);
    head.writeUInt32LE(16 + certificate.length, 24);
    return Buffer.concat([head, certificate]);
  });
  const file = path.join(folder, 'cacerts');
  writeFileSync(file, Buffer.concat(lists));
  return [...noPxe, '-fw_cfg', `name=etc/edk2/https/cacerts,file=${file}`];
}

/** Text of a serial console without what moves the cursor. */
function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
}
