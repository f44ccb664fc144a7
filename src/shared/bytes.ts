/**
 * Bounds-checked reading of big-endian numbers, the byte order of every protocol Prybar speaks (RFC 1700). A read past
 * the end is undefined, never a throw: what comes from the network is expected to be short.
 */

/** The byte at `offset`, or undefined past the end. */
export function uint8At(bytes: Uint8Array, offset: number): number | undefined {
  return bytes[offset];
}

/** The uint16 at `offset`, or undefined when two bytes are not there. */
export function uint16At(bytes: Uint8Array, offset: number): number | undefined {
  const high = bytes[offset];
  const low = bytes[offset + 1];
  return high === undefined || low === undefined ? undefined : high * 0x100 + low;
}

/** The uint32 at `offset`, or undefined when four bytes are not there. */
export function uint32At(bytes: Uint8Array, offset: number): number | undefined {
  const high = uint16At(bytes, offset);
  const low = uint16At(bytes, offset + 2);
  return high === undefined || low === undefined ? undefined : high * 0x10000 + low;
}

/** Two bytes, big-endian; the value is taken modulo 2^16. */
export function uint16Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes[0] = value >>> 8;
  bytes[1] = value;
  return bytes;
}

/** Four bytes, big-endian; the value is taken modulo 2^32. */
export function uint32Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes[0] = value >>> 24;
  bytes[1] = value >>> 16;
  bytes[2] = value >>> 8;
  bytes[3] = value;
  return bytes;
}

/**
 * The bytes as text that is safe to store and to log: printable ASCII is kept, every other byte becomes `?`, and a NUL ends
 * it (C strings on the wire). At most `limit` characters. PostgreSQL refuses NUL in text, and escapes have no business in a log.
 */
export function printableText(bytes: Uint8Array, limit = 255): string {
  let text = '';
  for (let index = 0; index < bytes.length && index < limit; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === 0) break;
    text += byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '?';
  }
  return text;
}
