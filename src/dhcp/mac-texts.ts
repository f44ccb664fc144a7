/**
 * Hardware addresses as text, one string for each: a machine says a dozen messages a boot, and every map that knows it finds an
 * equal string sooner when it is the same one.
 */
import { formatMac } from '../shared/mac.js';

const ETHERNET_BYTES = 6;
/** By the first three bytes, then by the last three: small integers are the cheapest keys. */
const texts = new Map<number, Map<number, string>>();
let remembered = 0;
const REMEMBERED_MAX = 100_000;

/** As formatMac. */
export function macText(bytes: Uint8Array, length: number): string {
  if (length !== ETHERNET_BYTES || bytes.length < ETHERNET_BYTES) return formatMac(bytes, length);
  const [prefix, rest] = [numberAt(bytes, 0), numberAt(bytes, 3)];
  const known = texts.get(prefix)?.get(rest);
  if (known !== undefined) return known;
  const text = formatMac(bytes, length);
  if (remembered >= REMEMBERED_MAX) {
    texts.clear();
    remembered = 0;
  }
  remembered += 1;
  const ofPrefix = texts.get(prefix);
  if (ofPrefix === undefined) texts.set(prefix, new Map([[rest, text]]));
  else ofPrefix.set(rest, text);
  return text;
}

function numberAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}
