/**
 * PURE: the iPXE scripts. One script per decision: into a kernel, into the disk, or a message with a later retry. Every word
 * that comes from elsewhere goes through a filter; the token is on the kernel line because the ramdisk has nothing else.
 */
import { macWithDashes } from '../shared/mac.js';
import type { BootenvDefinition } from './bootenv.js';
import { cmdline, ipxe } from './filters.js';

export type ScriptSubject = {
  mac: string;
  baseUrl: string;
  /** Node name, or the MAC of an unknown machine. */
  name: string;
  reason: string;
};

const RETRY_SECONDS = 10;

function header(subject: ScriptSubject, what: string): string[] {
  const line = ipxe(`Prybar: ${subject.name} ${what} (${subject.reason})`).text;
  return ['#!ipxe', `echo ${line}`];
}

function scriptUrl(subject: ScriptSubject): string {
  return `${subject.baseUrl}/boot/ipxe/${macWithDashes(subject.mac)}`;
}

function askAgain(subject: ScriptSubject, seconds: number): string[] {
  return [`sleep ${seconds}`, `chain --replace ${scriptUrl(subject)} || goto again`];
}

/** Into memory: kernel and initrds of the bootenv. `args` is its rendered `kernel_args`. A failed fetch asks for a new script. */
export function kernelScript(subject: ScriptSubject & { bootenv: BootenvDefinition; token: string; args: string }): string {
  const { bootenv, baseUrl, mac } = subject;
  const files = `${baseUrl}/boot/files/${bootenv.name}`;
  const words = [
    // The EFI stub finds its initrd by this name only (testbed 3); harmless on a BIOS.
    ...bootenv.initrds.map((initrd) => `initrd=${initrd}`),
    `prybar.url=${baseUrl}`,
    `prybar.token=${subject.token}`,
    // Pins the NIC: a machine's first NIC may be dead (netboot-rules 13).
    `BOOTIF=01-${macWithDashes(mac)}`,
    `prybar.bootenv=${cmdline(bootenv.name).text}`,
    `prybar.class=${bootenv.kind}`,
    ...subject.args.split(/\s+/).filter((word) => word !== ''),
  ];
  return lines([
    ...header(subject, `boots ${bootenv.name}`),
    `kernel ${files}/${bootenv.kernel ?? ''} ${words.join(' ')} || goto again`,
    ...bootenv.initrds.map((initrd) => `initrd --name ${initrd} ${files}/${initrd} || goto again`),
    'boot || goto again',
    ':again',
    `echo Prybar: could not boot ${bootenv.name}, asking again`,
    ...askAgain(subject, RETRY_SECONDS),
  ]);
}

/**
 * Into the disk. A BIOS boots drive 0x80. UEFI has no sanboot for a local disk in iPXE of 2019: it chains `local.efi`, a GRUB
 * that knows where the systems keep their loaders, when there is one; else it leaves with an error status, upon which the
 * firmware takes the next entry of its order (testbed 5d: status 0 ends in OVMF's setup).
 */
export function localScript(subject: ScriptSubject & { hasLocalLoader: boolean }): string {
  return lines([
    ...header(subject, 'boots its disk'),
    'iseq ${platform} efi && goto efi || goto bios',
    ':bios',
    'sanboot --no-describe --drive 0x80 || goto leave',
    'goto leave',
    ':efi',
    ...(subject.hasLocalLoader ? [`chain --autofree ${subject.baseUrl}/boot/loaders/local.efi || goto leave`] : []),
    ':leave',
    'exit 1',
  ]);
}

/** Nothing to boot now: says why, and asks again. Carries no token. */
export function waitScript(subject: ScriptSubject, seconds = RETRY_SECONDS): string {
  return lines([...header(subject, 'waits'), ':again', ...askAgain(subject, seconds)]);
}

function lines(text: string[]): string {
  return `${text.join('\n')}\n`;
}
