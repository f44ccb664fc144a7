/** PURE: the addresses of boot HTTP. */
import { parseMac } from '../shared/mac.js';

export type BootPath =
  | { kind: 'script'; mac: string }
  | { kind: 'file'; bootenv: string; name: string }
  | { kind: 'answers'; token: string; name: string }
  | { kind: 'loader'; name: string }
  | { kind: 'agent'; name: string }
  /** The certificate of our authority, by HTTP: a machine that does not know it cannot ask by HTTPS. */
  | { kind: 'authority'; form: 'pem' | 'der' }
  | { kind: 'local-loader'; mac: string }
  /** A file rendered for the machine that asks (`bootenvs/rendered-names.ts`). */
  | { kind: 'rendered'; name: string }
  | { kind: 'unknown' };

const MAX_URL_LENGTH = 1_024;

/** GRUB that came by UEFI HTTP boot looks below the root of the server that it came from, not below /boot. */
const RENDERED = /^\/(?:boot\/)?((?:grub|pxelinux\.cfg)\/[^/]+|autoexec\.ipxe)$/;

/**
 * What a request under /boot/ asks for; undefined when it is not ours. Segments are decoded once, one by one: an encoded
 * slash, an encoded dot pair or a broken escape leads nowhere (attack 1).
 */
export function parseBootPath(url: string): BootPath | undefined {
  const pathname = url.split(/[?#]/, 1)[0] ?? '';
  const rendered = RENDERED.exec(pathname)?.[1];
  if (rendered !== undefined && url.length <= MAX_URL_LENGTH) return renderedPath(rendered);
  if (pathname !== '/boot' && !pathname.startsWith('/boot/')) return undefined;
  const unknown: BootPath = { kind: 'unknown' };
  const segments = url.length > MAX_URL_LENGTH ? undefined : decodeSegments(pathname.slice('/boot/'.length));
  if (segments === undefined) return unknown;
  const [area, first, ...rest] = segments;
  const name = rest.join('/');
  switch (area) {
    case 'ipxe': {
      const mac = first === undefined || rest.length > 0 ? undefined : parseMac(first);
      return mac === undefined ? unknown : { kind: 'script', mac };
    }
    case 'files':
      return first === undefined || name === '' ? unknown : { kind: 'file', bootenv: first, name };
    case 'answers':
      return first === undefined || name === '' ? unknown : { kind: 'answers', token: first, name };
    case 'loaders':
      return first === undefined ? unknown : { kind: 'loader', name: [first, ...rest].join('/') };
    case 'agent':
      return first === undefined || rest.length > 0 ? unknown : { kind: 'agent', name: first };
    case 'ca.pem':
    case 'ca.der':
      return first === undefined ? { kind: 'authority', form: area === 'ca.pem' ? 'pem' : 'der' } : unknown;
    case 'local': {
      const mac = first === undefined || name !== 'local.efi' ? undefined : parseMac(first);
      return mac === undefined ? unknown : { kind: 'local-loader', mac };
    }
    case undefined:
    default:
      return unknown;
  }
}

function renderedPath(name: string): BootPath {
  const segments = decodeSegments(name);
  return segments === undefined ? { kind: 'unknown' } : { kind: 'rendered', name: segments.join('/') };
}

function decodeSegments(text: string): string[] | undefined {
  try {
    const segments = text.split('/').map((segment) => decodeURIComponent(segment));
    return segments.every((segment) => segment !== '' && !/[/\\\0]/.test(segment)) ? segments : undefined;
  } catch {
    // A broken escape or bytes that are not UTF-8.
    return undefined;
  }
}
