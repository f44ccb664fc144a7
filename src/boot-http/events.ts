/** PURE: what boot HTTP tells of the steps of a machine's boot. */
import type { BootPath } from './boot-path.js';

export type BootHttpEventKind =
  | 'http-loader'
  | 'http-script'
  | 'http-kernel'
  | 'http-initrd'
  | 'http-answers'
  /** A file that is not there: 404. */
  | 'http-missing'
  /** The client went away, or the disk failed, half way. */
  | 'http-broken'
  /** 503: the database or the disk could not be read. */
  | 'http-failed';

/** What the boot doctor reads besides. */
export type BootHttpFacts = {
  file?: string;
  bootenv?: string;
  /** What the script does: boots a kernel, leaves for the disk, or waits and asks again. */
  answer?: 'boot' | 'local' | 'wait';
  /** What a script that waits waits for: files of the bootenv, or the lease of the address that asks. */
  waits?: 'bootenv' | 'lease';
  /** Why it boots the parking place and not what was wished (bootenvs/decide.ts). */
  parked?: string;
  bytes?: number;
};

/** One step of a machine's boot. `phase` is the one it brings the machine into (`nodes/boot-phases.ts`). */
export type BootHttpEvent = {
  at: Date;
  mac: string | null;
  address: string;
  kind: BootHttpEventKind;
  phase: 'tftp' | 'script' | 'kernel' | null;
  detail: string;
  facts: BootHttpFacts;
};

/** The phase a step brings the machine into; a failure brings it nowhere. A loader by HTTP stands where TFTP's does. */
export function phaseOfHttp(kind: BootHttpEventKind): BootHttpEvent['phase'] {
  if (kind === 'http-script') return 'script';
  if (kind === 'http-loader') return 'tftp';
  return kind === 'http-kernel' || kind === 'http-initrd' ? 'kernel' : null;
}

/** How an operator knows the file asked for; undefined for what names none. Never the token of an answer file. */
export function fileOf(asked: BootPath): string | undefined {
  switch (asked.kind) {
    case 'file':
      return `${asked.bootenv}/${asked.name}`;
    case 'loader':
      return `loaders/${asked.name}`;
    case 'agent':
      return `agent/${asked.name}`;
    case 'answers':
      return `answers ${asked.name}`;
    case 'local-loader':
      return 'local.efi';
    // GRUB and PXELINUX look for one name after another: that most are not there is no fault.
    case 'rendered':
    case 'script':
    case 'authority':
    case 'unknown':
      return undefined;
  }
}
