/**
 * PURE: names of files that no directory has, as firmware asks for them. The same over TFTP and HTTP: `pxelinux.cfg/01-<mac>`
 * (PXELINUX), `grub/grub.cfg-01-<mac>` (GRUB), `autoexec.ipxe` (iPXE), and kernels below `boot/files/`.
 */
import { parseMac } from '../shared/mac.js';
import { bootenvName } from './bootenv.js';

export type RenderedName =
  | { kind: 'script'; form: 'grub' | 'pxelinux'; mac: string }
  | { kind: 'grub-entry' }
  | { kind: 'pxelinux-default' }
  | { kind: 'autoexec' }
  | { kind: 'payload'; bootenv: string; file: string };

/** What the cleaned name (no leading slash) means; undefined when it is none of these. */
export function parseRenderedName(name: string): RenderedName | undefined {
  if (name === 'grub/grub.cfg') return { kind: 'grub-entry' };
  if (name === 'pxelinux.cfg/default') return { kind: 'pxelinux-default' };
  if (name === 'autoexec.ipxe') return { kind: 'autoexec' };
  const [area, first = '', second = '', third, ...rest] = name.split('/');
  if (area === 'boot' && first === 'files' && third !== undefined && rest.length === 0) {
    return bootenvName.safeParse(second).success ? { kind: 'payload', bootenv: second, file: third } : undefined;
  }
  if (second !== '' || third !== undefined) return undefined;
  if (area === 'pxelinux.cfg') return scriptOf('pxelinux', first);
  if (area === 'grub' && first.startsWith('grub.cfg-')) return scriptOf('grub', first.slice('grub.cfg-'.length));
  return undefined;
}

/** `01-` and the MAC, with dashes as PXELINUX writes it or with colons as GRUB's variable has it. 01: Ethernet, RFC 1700 "Hardware Type". */
function scriptOf(form: 'grub' | 'pxelinux', name: string): RenderedName | undefined {
  const mac = name.startsWith('01-') ? parseMac(name.slice('01-'.length)) : undefined;
  return mac === undefined ? undefined : { kind: 'script', form, mac };
}
