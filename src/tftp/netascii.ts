/** PURE: netascii, RFC 1350 section 1 and RFC 764: a line ends in CR LF, a CR alone goes as CR NUL. */

const [NUL, LF, CR] = [0, 10, 13];

/** The bytes as a netascii client has to get them. Their number is known only afterwards, so `tsize` is that of the result. */
export function toNetascii(bytes: Buffer): Buffer {
  let more = 0;
  for (const byte of bytes) if (byte === LF || byte === CR) more += 1;
  const out = Buffer.allocUnsafe(bytes.length + more);
  let at = 0;
  for (const byte of bytes) {
    if (byte === LF) out[at++] = CR;
    out[at++] = byte;
    if (byte === CR) out[at++] = NUL;
  }
  return out;
}
