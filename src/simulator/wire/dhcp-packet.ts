/**
 * DHCP messages as a client writes and reads them: RFC 2131 section 2, RFC 2132, RFC 3396, RFC 3046.
 * Written apart from the server's codec on purpose and never to be merged with it: two readings of the same RFCs check each
 * other, one reading only agrees with itself.
 */
import { err, ok, type Result } from '../../shared/result.js';
import { formatIpv4, parseIpv4 } from '../../shared/ipv4.js';
import { formatMac, macBytes } from '../../shared/mac.js';

/** Option 53. RFC 2132 section 9.6. */
export const MessageType = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7 } as const;

/** A message by the client's needs: Ethernet only, addresses as dotted quads. */
export type DhcpMessage = {
  /** op: 1 a request, 2 a reply. */
  op: number;
  hops: number;
  /** xid, uint32. */
  transactionId: number;
  secs: number;
  /** Bit 15 asks for a broadcast reply. */
  flags: number;
  clientAddress: string; // ciaddr
  yourAddress: string; // yiaddr
  nextServer: string; // siaddr
  relayAddress: string; // giaddr
  mac: string; // chaddr
  serverName: string; // sname
  file: string;
  /** In the order they go on the wire. */
  options: ReadonlyMap<number, Buffer>;
};

const FIXED_BYTES = 236;
const COOKIE = Buffer.from([0x63, 0x82, 0x53, 0x63]);
/** A BOOTP message is never shorter: some relays and servers drop what is. RFC 1542 section 2.1. */
export const MINIMUM_BYTES = 300;
const NONE = '0.0.0.0';

/** The bytes of a message. Values over 255 bytes are split (RFC 3396); the options come in the map's order. */
export function encodeDhcp(message: DhcpMessage): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed[0] = message.op;
  fixed[1] = 1; // htype: Ethernet
  fixed[2] = 6; // hlen
  fixed[3] = message.hops;
  fixed.writeUInt32BE(message.transactionId >>> 0, 4);
  fixed.writeUInt16BE(Math.min(message.secs, 0xffff), 8);
  fixed.writeUInt16BE(message.flags, 10);
  const addresses = [message.clientAddress, message.yourAddress, message.nextServer, message.relayAddress];
  addresses.forEach((address, index) => fixed.writeUInt32BE(parseIpv4(address) ?? 0, 12 + 4 * index));
  macBytes(message.mac)?.copy(fixed, 28);
  fixed.write(message.serverName, 44, 63, 'latin1');
  fixed.write(message.file, 108, 127, 'latin1');

  const parts: Buffer[] = [fixed, COOKIE];
  for (const [code, value] of message.options) {
    for (let start = 0; start === 0 || start < value.length; start += 255) {
      const piece = value.subarray(start, start + 255);
      parts.push(Buffer.from([code, piece.length]), piece);
    }
  }
  parts.push(Buffer.from([255]));
  const bytes = Buffer.concat(parts);
  return bytes.length >= MINIMUM_BYTES ? bytes : Buffer.concat([bytes], MINIMUM_BYTES);
}

/** Reads a message; an error names the first thing that is wrong with it. Overloaded `file` and `sname` are followed (option 52). */
export function decodeDhcp(bytes: Buffer): Result<DhcpMessage, string> {
  if (bytes.length < FIXED_BYTES + COOKIE.length) return err(`${bytes.length} bytes are too short`);
  if (!bytes.subarray(FIXED_BYTES, FIXED_BYTES + 4).equals(COOKIE)) return err('no magic cookie');
  if (bytes[1] !== 1 || bytes[2] !== 6) return err('not Ethernet');

  const options = new Map<number, Buffer>();
  const inOptions = readOptions(bytes.subarray(FIXED_BYTES + 4), options);
  if (inOptions !== undefined) return err(inOptions);
  const overload = options.get(52)?.[0] ?? 0;
  for (const [bit, start, end] of [
    [1, 108, 236],
    [2, 44, 108],
  ] as const) {
    const problem = (overload & bit) === 0 ? undefined : readOptions(bytes.subarray(start, end), options);
    if (problem !== undefined) return err(`overloaded field: ${problem}`);
  }
  return ok({
    op: bytes[0] ?? 0,
    hops: bytes[3] ?? 0,
    transactionId: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    flags: bytes.readUInt16BE(10),
    clientAddress: addressAt(bytes, 12),
    yourAddress: addressAt(bytes, 16),
    nextServer: addressAt(bytes, 20),
    relayAddress: addressAt(bytes, 24),
    mac: formatMac(bytes.subarray(28, 34)),
    serverName: (overload & 2) === 0 ? textIn(bytes.subarray(44, 108)) : '',
    file: (overload & 1) === 0 ? textIn(bytes.subarray(108, 236)) : '',
    options,
  });
}

/** Walks one option field into `into`, joining repeats (RFC 3396 section 7). Returns what is wrong, or undefined. */
function readOptions(field: Buffer, into: Map<number, Buffer>): string | undefined {
  let offset = 0;
  while (offset < field.length) {
    const code = field[offset] ?? 255;
    if (code === 255) return undefined;
    offset += 1;
    if (code === 0) continue;
    const length = field[offset];
    const value = field.subarray(offset + 1, offset + 1 + (length ?? 0));
    if (length === undefined || value.length < length) return `option ${code} runs past the end`;
    const before = into.get(code);
    into.set(code, before === undefined ? Buffer.from(value) : Buffer.concat([before, value]));
    offset += 1 + length;
  }
  return 'no end option';
}

/** The message type of a message, or undefined (a BOOTP reply, or a malformed option). */
export function messageType(message: DhcpMessage): number | undefined {
  const value = message.options.get(53);
  return value?.length === 1 ? value[0] : undefined;
}

/** A four-byte option as a dotted quad, undefined when absent or of another length. */
export function addressOption(message: DhcpMessage, code: number): string | undefined {
  const value = message.options.get(code);
  return value?.length === 4 ? addressAt(value, 0) : undefined;
}

/** An option of any number of addresses; empty when absent or malformed. */
export function addressesOption(message: DhcpMessage, code: number): string[] {
  const value = message.options.get(code) ?? Buffer.alloc(0);
  return value.length % 4 === 0 ? Array.from({ length: value.length / 4 }, (_, index) => addressAt(value, 4 * index)) : [];
}

/** A four-byte option as uint32, undefined when absent or of another length. */
export function uint32Option(message: DhcpMessage, code: number): number | undefined {
  const value = message.options.get(code);
  return value?.length === 4 ? value.readUInt32BE(0) : undefined;
}

/** A text option without the NUL some servers end it with; undefined when absent or empty. */
export function textOption(message: DhcpMessage, code: number): string | undefined {
  const value = message.options.get(code);
  const text = value === undefined ? '' : textIn(value);
  return text === '' ? undefined : text;
}

/** An address field that is set: 0.0.0.0 counts as absent. */
export function setAddress(address: string): string | undefined {
  return address === NONE ? undefined : address;
}

function addressAt(bytes: Buffer, offset: number): string {
  return formatIpv4(bytes.readUInt32BE(offset));
}

function textIn(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? field.length : end);
}
