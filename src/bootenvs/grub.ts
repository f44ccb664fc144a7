/**
 * PURE: `grub.cfg` of one machine, for firmware that has no iPXE (netboot-rules 14) and for Secure Boot. The same decisions as
 * the iPXE scripts (`script.ts`). GRUB takes what stands in single quotes as it is (manual, section 6.2).
 */
import { grub } from './filters.js';
import { kernelWords } from './kernel-line.js';
import type { KernelSubject, ScriptSubject } from './script-subject.js';

const RETRY_SECONDS = 10;

/**
 * Into memory: kernel and initrds of the bootenv, over HTTP where GRUB can do it; Debian's images cannot, and take them from
 * the server they came from, by TFTP. GRUB's own words are quoted, each by itself.
 */
export function grubKernel(subject: KernelSubject): string {
  const { bootenv, baseUrl } = subject;
  const folder = `/boot/files/${bootenv.name}`;
  const words = kernelWords(subject).map((word) => grub(word).text);
  return lines([
    say(subject, `boots ${bootenv.name}`),
    `for files in ${grubDevice(baseUrl)}${folder} ${folder}; do`,
    `  if linux $files/${bootenv.kernel ?? ''} ${words.join(' ')}; then`,
    ...(bootenv.initrds.length === 0 ? [] : [`    initrd ${bootenv.initrds.map((initrd) => `$files/${initrd}`).join(' ')}`]),
    '    boot',
    '  fi',
    'done',
    `echo 'Prybar: could not boot ${bootenv.name}, beginning again'`,
    `sleep ${RETRY_SECONDS}`,
    'reboot',
  ]);
}

/** Into the disk: `diskScript` is local-disk.cfg with the machine's report in it. */
export function grubLocal(subject: ScriptSubject, diskScript: string): string {
  return lines([say(subject, 'boots its disk'), diskScript.trimEnd()]);
}

/** Nothing to boot now: says why, and begins again, which asks again. Carries no token. */
export function grubWait(subject: ScriptSubject): string {
  return lines([say(subject, 'waits'), `sleep ${RETRY_SECONDS}`, 'reboot']);
}

/** What GRUB's netboot images look for first: they know their MAC and not its file's name. */
export const GRUB_ENTRY = lines([
  'configfile $prefix/grub.cfg-01-$net_default_mac',
  "echo 'Prybar: no configuration for this machine, beginning again'",
  `sleep ${RETRY_SECONDS}`,
  'reboot',
]);

function say(subject: ScriptSubject, what: string): string {
  return `echo ${grub(`Prybar: ${subject.name} ${what} (${subject.reason})`).text}`;
}

/** `http://192.0.2.1:8191` -> `(http,192.0.2.1:8191)`. GRUB manual, section "Network". */
function grubDevice(baseUrl: string): string {
  return `(http,${baseUrl.replace(/^https?:\/\//, '').replace(/\/+$/, '')})`;
}

function lines(text: string[]): string {
  return `${text.join('\n')}\n`;
}
