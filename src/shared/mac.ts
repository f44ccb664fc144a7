/**
 * Hardware addresses as text. Inside Prybar a MAC is always lower case with colons (`52:54:00:77:00:01`), the form the
 * tables store; the other spellings exist only at the edges.
 */

const MAC_TEXT = /^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i;
const MAC_BARE = /^[0-9a-f]{12}$/i;
const MAC_CISCO = /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/i;

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Reads a 48-bit MAC in any usual spelling: colons, dashes, Cisco dots, or twelve bare digits.
 * Returns the stored form, or undefined when the text is none of them.
 */
export function parseMac(text: string): string | undefined {
  if (!MAC_TEXT.test(text) && !MAC_BARE.test(text) && !MAC_CISCO.test(text)) return undefined;
  const digits = text.replaceAll(/[:.-]/g, '').toLowerCase();
  return digits.replaceAll(/(..)(?!$)/g, '$1:');
}

/**
 * Formats `length` bytes as the stored form. Links other than Ethernet have other lengths (RFC 2131 section 2, `hlen`);
 * bytes past the end of the buffer are left out.
 */
export function formatMac(bytes: Uint8Array, length = 6): string {
  let text = '';
  for (let index = 0; index < length && index < bytes.length; index += 1) {
    text += (index === 0 ? '' : ':') + (HEX_PAIRS[bytes[index] ?? 0] ?? '');
  }
  return text;
}

/** The six bytes of a MAC in any spelling parseMac reads, or undefined. */
export function macBytes(text: string): Buffer | undefined {
  const mac = parseMac(text);
  return mac === undefined ? undefined : Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** The spelling of file names and URLs: `52-54-00-77-00-01`, as pxelinux and iPXE's `${mac:hexhyp}` write it. */
export function macWithDashes(mac: string): string {
  return mac.replaceAll(':', '-');
}
