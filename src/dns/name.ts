/**
 * PURE: domain names. Inside, a name is its wire form in small letters as a latin1 string ("key"): comparing is `===`, the
 * parent is a slice, and nothing of an operator's or a machine's text is ever taken for syntax (attack 7).
 */

/** Letters, digits, dash; and underscore, which service names begin with (RFC 2782). What else a name holds is not served. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** Bytes of the longest name on the wire. RFC 1035 section 2.3.4. */
const MAX_NAME_BYTES = 255;

export const ROOT_KEY = '\0';

/** The key of a written name, with or without the last dot. Undefined when it is no host name: never half a name. */
export function nameKey(text: string): string | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  let key = '';
  for (const label of bare.split('.')) {
    if (!LABEL.test(label)) return undefined;
    key += String.fromCharCode(label.length) + label.toLowerCase();
  }
  key += ROOT_KEY;
  return key.length > MAX_NAME_BYTES ? undefined : key;
}

/** The name one label shorter; undefined for the root. */
export function parentKey(key: string): string | undefined {
  const length = key.charCodeAt(0);
  return length > 0 ? key.slice(length + 1) : undefined;
}

/** Whether the name is the zone's apex or below it. */
export function isWithin(key: string, zone: string): boolean {
  if (!key.endsWith(zone)) return false;
  for (let at = 0; at <= key.length - zone.length; at += key.charCodeAt(at) + 1) if (at === key.length - zone.length) return true;
  return false;
}

/**
 * The name for people, logs and zone files, with the last dot. Bytes that are syntax in a zone file, or not printable, are
 * written as RFC 1035 section 5.1 says (`\.`, `\010`): a name from the network forges no line and no terminal escape.
 */
export function keyText(key: string): string {
  let text = '';
  for (let at = 0; at < key.length;) {
    const length = key.charCodeAt(at);
    if (length === 0) break;
    for (const char of key.slice(at + 1, at + 1 + length)) text += escapeChar(char);
    text += '.';
    at += length + 1;
  }
  return text === '' ? '.' : text;
}

/** Text as a quoted character string of a zone file. RFC 1035 section 5.1. */
export function quoteText(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += char === '"' || char === '\\' ? `\\${char}` : byte >= 0x20 && byte <= 0x7e ? char : decimal(byte);
  }
  return `"${text}"`;
}

const REVERSE_ROOT = '\x07in-addr\x04arpa\0';

/** `10.0.0.5` as `5.0.0.10.in-addr.arpa`. RFC 1035 section 3.5. */
export function reverseKey(address: number): string {
  const label = (octet: number) => String.fromCharCode(octet < 10 ? 1 : octet < 100 ? 2 : 3) + octet;
  return label(address & 255) + label((address >>> 8) & 255) + label((address >>> 16) & 255) + label(address >>> 24) + REVERSE_ROOT;
}

function escapeChar(char: string): string {
  const code = char.charCodeAt(0);
  if (/[a-z0-9_-]/i.test(char) && code < 0x80) return char;
  return code > 0x20 && code < 0x7f ? `\\${char}` : decimal(code);
}

function decimal(code: number): string {
  return `\\${String(code).padStart(3, '0')}`;
}
