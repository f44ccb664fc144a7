/** The four messages of an exchange as bytes at fixed places: built once, patched per exchange, read without a parser. */

export const XID_AT = 4;
export const MAC_AT = 28;
const GIADDR_AT = 24;
const OPTIONS_AT = 240;
/** In a REQUEST options 53, 50 and 54 come first. */
export const ADDRESS_AT = OPTIONS_AT + 5;
export const SERVER_AT = OPTIONS_AT + 11;

export const ExchangeState = { idle: 0, discovering: 1, requesting: 2 } as const;

/** UEFI x64 firmware: 53 is added, 82 asks a relay-aware server for the source port (RFC 8357). */
const FIRMWARE = [
  [55, Buffer.from([1, 3, 6, 12, 15, 43, 54, 60, 66, 67, 97])],
  [57, Buffer.from([0x05, 0xc0])],
  [60, Buffer.from('PXEClient:Arch:00007:UNDI:003016')],
  [93, Buffer.from([0, 7])],
  [94, Buffer.from([1, 3, 16])],
  [97, Buffer.alloc(17)],
  [82, Buffer.from([19, 0])],
] as const;

/** Last MAC bytes from a number: 52:54:00:nn:nn:nn. */
export function writeMac(bytes: Buffer, client: number): void {
  bytes[MAC_AT] = 0x52;
  bytes[MAC_AT + 1] = 0x54;
  bytes[MAC_AT + 2] = 0x00;
  bytes[MAC_AT + 3] = (client >> 16) & 0xff;
  bytes[MAC_AT + 4] = (client >> 8) & 0xff;
  bytes[MAC_AT + 5] = client & 0xff;
}

/** The same MAC as text. */
export function macOf(client: number): string {
  const bytes = Buffer.alloc(34);
  writeMac(bytes, client);
  return [...bytes.subarray(MAC_AT)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function message(giaddr: string, options: readonly (readonly [number, Buffer])[]): Buffer {
  const fixed = Buffer.alloc(OPTIONS_AT);
  fixed.set([1, 1, 6, giaddr === '' ? 0 : 1]);
  if (giaddr !== '') fixed.set(giaddr.split('.').map(Number), GIADDR_AT);
  fixed.writeUInt32BE(0x63825363, 236);
  return Buffer.concat([fixed, ...options.flatMap(([code, value]) => [Buffer.from([code, value.length]), value]), Buffer.from([255])]);
}

export const discoverTemplate = (giaddr: string): Buffer => message(giaddr, [[53, Buffer.from([1])], ...FIRMWARE]);
export const requestTemplate = (giaddr: string): Buffer => message(giaddr, [[53, Buffer.from([3])], [50, Buffer.alloc(4)], [54, Buffer.alloc(4)], ...FIRMWARE]);

/** Type, server and xid of a reply; undefined for what is none. */
export function readReply(bytes: Buffer): { type: number; xid: number; serverId: number } | undefined {
  if (bytes.length < OPTIONS_AT + 3 || bytes[0] !== 2) return undefined;
  let [type, serverId] = [0, 0];
  for (let at = OPTIONS_AT; at + 1 < bytes.length && bytes[at] !== 255; at += bytes[at] === 0 ? 1 : 2 + bytes[at + 1]) {
    if (bytes[at] === 53) type = bytes[at + 2];
    else if (bytes[at] === 54) serverId = bytes.readUInt32BE(at + 2);
    if (type !== 0 && serverId !== 0) break;
  }
  return { type, xid: bytes.readUInt32BE(XID_AT), serverId };
}

/** The value of an option of a reply, undefined when it is absent. */
export function optionOf(bytes: Buffer, code: number): Buffer | undefined {
  for (let at = OPTIONS_AT; at + 1 < bytes.length && bytes[at] !== 255; at += bytes[at] === 0 ? 1 : 2 + bytes[at + 1])
    if (bytes[at] === code) return bytes.subarray(at + 2, at + 2 + bytes[at + 1]);
  return undefined;
}
