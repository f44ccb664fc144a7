/** PURE: the addresses of boot HTTP. */
import { parseMac } from '../shared/mac.js';

export type BootPath =
  | { kind: 'script'; mac: string }
  | { kind: 'file'; bootenv: string; name: string }
  | { kind: 'answers'; token: string; name: string }
  | { kind: 'loader'; name: string }
  | { kind: 'agent'; name: string }
  | { kind: 'unknown' };

const MAX_URL_LENGTH = 1_024;

/**
 * What a request under /boot/ asks for; undefined when it is not ours. Segments are decoded once, one by one: an encoded
 * slash, an encoded dot pair or a broken escape leads nowhere (attack 1).
 */
export function parseBootPath(url: string): BootPath | undefined {
  const pathname = url.split(/[?#]/, 1)[0] ?? '';
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
    case undefined:
    default:
      return unknown;
  }
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
