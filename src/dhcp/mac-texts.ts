/**
 * Hardware addresses as text, one string for each while it is remembered: a machine says a dozen messages a boot, and every map
 * that knows it finds an equal string sooner when it is the same one.
 */
import { formatMac } from '../shared/mac.js';

const ETHERNET_BYTES = 6;
/** A place for each address, the newest of those that share it: memory stays what it is, whoever invents addresses. A power of two. */
export const MAC_TEXTS_MAX = 1 << 17;

const addresses = new Float64Array(MAC_TEXTS_MAX).fill(-1);
const texts: string[] = new Array<string>(MAC_TEXTS_MAX).fill('');

/** As formatMac. */
export function macText(bytes: Uint8Array, length: number): string {
  if (length !== ETHERNET_BYTES || bytes.length < ETHERNET_BYTES) return formatMac(bytes, length);
  const [prefix, rest] = [numberAt(bytes, 0), numberAt(bytes, 3)];
  const address = prefix * 0x1000000 + rest;
  // The last bytes tell the machines of a rack apart, the first ones the makes of a fleet.
  const place = (rest ^ Math.imul(prefix, 0x9e3779b1)) & (MAC_TEXTS_MAX - 1);
  if (addresses[place] === address) return texts[place] ?? '';
  const text = formatMac(bytes, length);
  addresses[place] = address;
  texts[place] = text;
  return text;
}

function numberAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}
