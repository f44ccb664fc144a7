/**
 * The DHCPv4 message as bytes and as fields (RFC 2131 section 2, RFC 2132, RFC 3396, RFC 3046).
 *
 * This folder answers the question "who asks, which address, which boot file" and owns the `leases` rows. Read it in the order
 * packet (bytes) -> situation (who, where, in which mode: client, relay, link, identity) -> respond (what is decided: lease,
 * proxy, quota) -> answer (the reply: bootfile, quirks, custom-options, reply, encode, destination). Those are pure: no clock,
 * no socket, no database; each writes its rules into a Trace when it is given one. directory, lease-book and lease-store hold
 * what they decide from; exchange performs a decision, sockets and server move the bytes.
 *
 * It must never: choose a bootenv (that is src/bootenvs; here it is only read), wait for anything but the lease commit
 * while a client waits, throw on bytes from the network, or acknowledge a pool address that is not a committed row.
 */
import { err, ok, type Result } from '../shared/result.js';
import { uint32At } from '../shared/bytes.js';
import { OptionCode } from './codes.js';
import { ReceivedOptions, type OptionView } from './received-options.js';

/** Offsets and lengths of the fixed part, bytes. RFC 2131 figure 1. */
const SNAME_OFFSET = 44;
const FILE_OFFSET = 108;
const COOKIE_OFFSET = 236;
export const OPTIONS_OFFSET = 240;
export const CHADDR_BYTES = 16;
export const SNAME_BYTES = 64;
export const FILE_BYTES = 128;
const MAGIC_COOKIE = 0x63825363;

/** Option 52 bits. RFC 2132 section 9.3. */
const FILE_HOLDS_OPTIONS = 1;
const SNAME_HOLDS_OPTIONS = 2;

/** Flag bit: the client cannot receive unicast before it has an address. RFC 2131 section 2, figure 2. */
export const BROADCAST_FLAG = 0x8000;

/** Option code to value. Parts of a split option are already joined (RFC 3396); pad, end and 52 never appear. */
export type Options = Map<number, Buffer>;

/** One DHCP or BOOTP message. Addresses are uint32 (see shared/ipv4). */
export type DhcpPacket = {
  op: number;
  hardwareType: number; // htype
  hardwareLength: number; // hlen, at most 16
  hops: number;
  transactionId: number; // xid
  secs: number;
  flags: number;
  clientIpAddress: number; // ciaddr
  yourIpAddress: number; // yiaddr
  nextServerIpAddress: number; // siaddr
  relayIpAddress: number; // giaddr
  clientHardwareAddress: Buffer; // chaddr, 16 bytes
  serverName: Buffer; // sname, at most 64 bytes; empty when it held options
  bootFile: Buffer; // file, at most 128 bytes; empty when it held options
  options: OptionView;
};

/** Why bytes are not a DHCP message. Expected from a network; counted, never thrown. */
export type ParseError = 'too-short' | 'bad-hardware-length' | 'no-magic-cookie' | 'option-truncated' | 'bad-overload';

const EMPTY = Buffer.alloc(0);

/**
 * Reads one datagram. Options from `file` and `sname` are joined after those of the options field when option 52 says so
 * (RFC 3396 section 5). A missing end option is accepted, as many clients rely on; an option that runs past its field
 * is not. The values are views into `bytes`: copy them before the buffer is used again.
 */
export function parsePacket(bytes: Buffer): Result<DhcpPacket, ParseError> {
  if (bytes.length < OPTIONS_OFFSET) return err('too-short');
  const hardwareLength = bytes.readUInt8(2);
  if (hardwareLength > CHADDR_BYTES) return err('bad-hardware-length');
  const cookie = uint32At(bytes, COOKIE_OFFSET);
  // RFC 951 left the vendor field to the vendor, zero when unused: a BOOTP client older than RFC 1048. netboot-rules 8.
  const hasOptions = cookie !== 0;
  if (hasOptions && cookie !== MAGIC_COOKIE) return err('no-magic-cookie');

  const usual = hasOptions ? ReceivedOptions.read(bytes, OPTIONS_OFFSET) : undefined;
  if (usual !== undefined) return ok(packetOf(bytes, usual, false, false));
  const reader = new OptionReader();
  if (hasOptions && !reader.read(bytes, OPTIONS_OFFSET, bytes.length)) return err('option-truncated');
  const overload = reader.overload();
  if (overload === undefined) return err('bad-overload');
  const fileHolds = (overload & FILE_HOLDS_OPTIONS) !== 0;
  const snameHolds = (overload & SNAME_HOLDS_OPTIONS) !== 0;
  if (fileHolds && !reader.read(bytes, FILE_OFFSET, FILE_OFFSET + FILE_BYTES)) return err('option-truncated');
  if (snameHolds && !reader.read(bytes, SNAME_OFFSET, SNAME_OFFSET + SNAME_BYTES)) return err('option-truncated');

  return ok(packetOf(bytes, reader.join(), fileHolds, snameHolds));
}

function packetOf(bytes: Buffer, options: OptionView, fileHolds: boolean, snameHolds: boolean): DhcpPacket {
  return {
    op: bytes[0] ?? 0,
    hardwareType: bytes[1] ?? 0,
    hardwareLength: bytes[2] ?? 0,
    hops: bytes[3] ?? 0,
    transactionId: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    flags: bytes.readUInt16BE(10),
    clientIpAddress: bytes.readUInt32BE(12),
    yourIpAddress: bytes.readUInt32BE(16),
    nextServerIpAddress: bytes.readUInt32BE(20),
    relayIpAddress: bytes.readUInt32BE(24),
    clientHardwareAddress: bytes.subarray(28, 28 + CHADDR_BYTES),
    serverName: snameHolds ? EMPTY : bytes.subarray(SNAME_OFFSET, SNAME_OFFSET + SNAME_BYTES),
    bootFile: fileHolds ? EMPTY : bytes.subarray(FILE_OFFSET, FILE_OFFSET + FILE_BYTES),
    options,
  };
}

/**
 * Collects options from up to three fields. Parts of a repeated option are kept apart until the end and joined once, so
 * that a datagram made of thousands of one-byte parts costs linear time.
 */
class OptionReader {
  readonly #options: Options = new Map();
  readonly #parts = new Map<number, Buffer[]>();

  /** Reads the options in [start, limit). False when one runs past the limit. */
  read(bytes: Buffer, start: number, limit: number): boolean {
    let offset = start;
    while (offset < limit) {
      const code = bytes[offset];
      if (code === OptionCode.end || code === undefined) return true;
      if (code === OptionCode.pad) {
        offset += 1;
        continue;
      }
      const length = offset + 1 < limit ? bytes[offset + 1] : undefined;
      if (length === undefined || offset + 2 + length > limit) return false;
      this.#add(code, bytes.subarray(offset + 2, offset + 2 + length));
      offset += 2 + length;
    }
    return true;
  }

  #add(code: number, value: Buffer): void {
    const first = this.#options.get(code);
    if (first === undefined) {
      this.#options.set(code, value);
      return;
    }
    const parts = this.#parts.get(code);
    if (parts === undefined) this.#parts.set(code, [first, value]);
    else parts.push(value);
  }

  /** Option 52's bits, 0 when absent, undefined when its value is not 1, 2 or 3. */
  overload(): number | undefined {
    const value = this.#options.get(OptionCode.overload);
    if (value === undefined) return 0;
    const bits = value[0];
    return value.length === 1 && bits !== undefined && bits >= 1 && bits <= 3 ? bits : undefined;
  }

  /** The joined options, in order of first appearance. */
  join(): Options {
    for (const [code, parts] of this.#parts) this.#options.set(code, Buffer.concat(parts));
    this.#options.delete(OptionCode.overload);
    return this.#options;
  }
}
