/**
 * PURE: `pxelinux.cfg/01-<mac>`, for BIOS machines that start PXELINUX, e.g. by a loader an operator had before. Files come
 * from the TFTP server that the loader came from (`::` is its root). https://wiki.syslinux.org/wiki/index.php?title=Config
 */
import { macWithDashes } from '../shared/mac.js';
import { ipxe } from './filters.js';
import { kernelWords } from './kernel-line.js';
import type { KernelSubject, ScriptSubject } from './script-subject.js';

/** Tenths of a second after which a machine without anything to boot asks again. */
const RETRY_TENTHS = 100;

/** A label that boots the bootenv at once. SYSLINUX has no quotes: a word with a blank in it would be two. */
export function pxelinuxKernel(subject: KernelSubject): string {
  const { bootenv } = subject;
  const files = `::boot/files/${bootenv.name}`;
  const initrds = bootenv.initrds.map((initrd) => `${files}/${initrd}`).join(',');
  const words = kernelWords(subject).filter((word) => !word.startsWith('initrd='));
  return lines([
    ...head(subject, `boots ${bootenv.name}`, ['PROMPT 0']),
    `  KERNEL ${files}/${bootenv.kernel ?? ''}`,
    `  APPEND ${[...(initrds === '' ? [] : [`initrd=${initrds}`]), ...words].join(' ')}`,
  ]);
}

/** Leaves to the next device of the BIOS' order: PXELINUX unloads itself. */
export function pxelinuxLocal(subject: ScriptSubject): string {
  return lines([...head(subject, 'boots its disk', ['PROMPT 0']), '  LOCALBOOT 0']);
}

/** Nothing to boot now: says why, and reads its configuration again after a while. Carries no token. */
export function pxelinuxWait(subject: ScriptSubject): string {
  const again = `  CONFIG ::pxelinux.cfg/01-${macWithDashes(subject.mac)}`;
  return lines([...head(subject, 'waits', ['PROMPT 1', `TIMEOUT ${RETRY_TENTHS}`]), again]);
}

/** For whoever has no file of its own: the disk, as it has always been with PXELINUX. */
export const PXELINUX_DEFAULT = lines(['DEFAULT prybar', 'PROMPT 0', 'LABEL prybar', '  LOCALBOOT 0']);

function head(subject: ScriptSubject, what: string, settings: string[]): string[] {
  return [`SAY ${ipxe(`Prybar: ${subject.name} ${what} (${subject.reason})`).text}`, 'DEFAULT prybar', ...settings, 'LABEL prybar'];
}

function lines(text: string[]): string {
  return `${text.join('\n')}\n`;
}
