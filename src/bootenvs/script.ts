/**
 * PURE: the iPXE scripts. One script per decision: into a kernel, into the disk, or a message with a later retry. Every word
 * that comes from elsewhere goes through a filter.
 */
import { macWithDashes } from '../shared/mac.js';
import { ipxe } from './filters.js';
import { kernelWords } from './kernel-line.js';
import type { KernelSubject, ScriptSubject } from './script-subject.js';

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

/** Into memory: kernel and initrds of the bootenv. A failed fetch asks for a new script. */
export function kernelScript(subject: KernelSubject): string {
  const { bootenv, baseUrl } = subject;
  const files = `${baseUrl}/boot/files/${bootenv.name}`;
  return lines([
    ...header(subject, `boots ${bootenv.name}`),
    `kernel ${files}/${bootenv.kernel ?? ''} ${kernelWords(subject).join(' ')} || goto again`,
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
    ...(subject.hasLocalLoader ? [`chain --autofree ${subject.baseUrl}/boot/local/${macWithDashes(subject.mac)}/local.efi || goto leave`] : []),
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
