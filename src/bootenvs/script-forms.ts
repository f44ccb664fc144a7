/** PURE: the same decision as each loader reads it. */
import { grubKernel, grubLocal, grubWait } from './grub.js';
import { pxelinuxKernel, pxelinuxLocal, pxelinuxWait } from './pxelinux.js';
import { kernelScript, localScript, waitScript } from './script.js';
import type { KernelSubject, ScriptSubject } from './script-subject.js';

export type ScriptForm = 'ipxe' | 'grub' | 'pxelinux';

/** For a machine that boots its disk. `diskScript`: GRUB's way there; `hasLocalLoader`: the same as an image that iPXE can start. */
export type LocalSubject = ScriptSubject & { hasLocalLoader: boolean; diskScript: string };

export type Form = {
  kernel(subject: KernelSubject): string;
  local(subject: LocalSubject): string;
  wait(subject: ScriptSubject): string;
};

export const FORMS: Readonly<Record<ScriptForm, Form>> = {
  ipxe: { kernel: kernelScript, local: localScript, wait: (subject) => waitScript(subject) },
  grub: { kernel: grubKernel, local: (subject) => grubLocal(subject, subject.diskScript), wait: grubWait },
  pxelinux: { kernel: pxelinuxKernel, local: pxelinuxLocal, wait: pxelinuxWait },
};
