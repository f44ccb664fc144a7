/**
 * Fields to bytes: where each option goes when a client can take only so much.
 */
import { err, ok, type Result } from '../shared/result.js';
import { OptionCode } from './codes.js';
import { CHADDR_BYTES, FILE_BYTES, OPTIONS_OFFSET, SNAME_BYTES, type DhcpPacket } from './packet.js';

/** BOOTP's fixed size (RFC 951 section 3); old ROMs and relays drop what is shorter (RFC 1542 section 2.1). */
export const MINIMUM_BYTES = 300;

/** What every client must accept: a 576-byte IP datagram less 28 bytes of headers. RFC 2131 section 2. */
export const DEFAULT_LIMIT_BYTES = 548;

/** One option part carries at most this much; longer values are split. RFC 3396 section 5. */
const PART_BYTES = 255;

/** Why a packet cannot be written: a caller's mistake, not the network's. */
export type EncodeError = 'field-too-long' | 'bad-option-code';

/** The message, and the codes of the options that found no room in it. */
export type EncodedPacket = { readonly bytes: Buffer; readonly leftOut: readonly number[] };

type Entry = readonly [code: number, value: Buffer];

/**
 * Writes a message of at most `limitBytes` (UDP payload). Option 53 comes first, option 82 last (RFC 3046 section 2.1),
 * the others in the order of the map, which is therefore their priority: when they do not fit, later ones move to
 * the unused `file` and `sname` fields under option 52, and what still does not fit is left out and reported.
 */
export function encodePacket(packet: DhcpPacket, limitBytes = DEFAULT_LIMIT_BYTES): Result<EncodedPacket, EncodeError> {
  if (packet.clientHardwareAddress.length > CHADDR_BYTES || packet.serverName.length > SNAME_BYTES || packet.bootFile.length > FILE_BYTES) {
    return err('field-too-long');
  }
  for (const code of packet.options.keys()) {
    if (!Number.isInteger(code) || code <= OptionCode.pad || code >= OptionCode.end) return err('bad-option-code');
  }
  const capacityBytes = Math.max(limitBytes, MINIMUM_BYTES) - OPTIONS_OFFSET - 1;
  const whole = encodeWhole(packet, capacityBytes);
  if (whole !== undefined) return ok({ bytes: whole, leftOut: NONE });
  const plan = placeOptions(packet, capacityBytes);
  const optionsBytes = plan.main.reduce((sum, entry) => sum + encodedBytes(entry[1]), 1);
  const bytes = Buffer.alloc(Math.max(MINIMUM_BYTES, OPTIONS_OFFSET + optionsBytes));
  writeFixed(bytes, packet);
  writeOptions(bytes, OPTIONS_OFFSET, plan.main);
  if (plan.file.length > 0) writeOptions(bytes, 108, plan.file);
  if (plan.sname.length > 0) writeOptions(bytes, 44, plan.sname);
  return ok({ bytes, leftOut: plan.leftOut });
}

const NONE: readonly number[] = [];

/** The usual message, whose options all fit: written in one go, since every answer passes here. Undefined when they do not fit. */
function encodeWhole(packet: DhcpPacket, capacityBytes: number): Buffer | undefined {
  let optionsBytes = 0;
  for (const value of packet.options.values()) optionsBytes += encodedBytes(value);
  if (optionsBytes > capacityBytes || packet.options.has(OptionCode.overload)) return undefined;
  const bytes = Buffer.alloc(Math.max(MINIMUM_BYTES, OPTIONS_OFFSET + optionsBytes + 1));
  writeFixed(bytes, packet);
  let offset = OPTIONS_OFFSET;
  const type = packet.options.get(OptionCode.messageType);
  if (type !== undefined) offset = writeOption(bytes, offset, OptionCode.messageType, type);
  for (const [code, value] of packet.options) {
    if (code !== OptionCode.messageType && code !== OptionCode.relayAgentInformation) offset = writeOption(bytes, offset, code, value);
  }
  const relayed = packet.options.get(OptionCode.relayAgentInformation);
  if (relayed !== undefined) offset = writeOption(bytes, offset, OptionCode.relayAgentInformation, relayed);
  bytes[offset] = OptionCode.end;
  return bytes;
}

type Placement = { main: Entry[]; file: Entry[]; sname: Entry[]; leftOut: number[] };

function placeOptions(packet: DhcpPacket, capacityBytes: number): Placement {
  const { first, last, others } = orderOptions(packet);
  const placement: Placement = { main: [], file: [], sname: [], leftOut: [] };
  const total = [...first, ...others, ...last].reduce((sum, entry) => sum + encodedBytes(entry[1]), 0);
  if (total <= capacityBytes) {
    placement.main = [...first, ...others, ...last];
    return placement;
  }
  // Each field keeps one byte for its end option; the options field keeps three for option 52.
  // A message without option 53 is BOOTP's, which has no option 52 (RFC 1534 section 2).
  const canOverload = first.length > 0;
  let mainRoom = capacityBytes - (canOverload ? 3 : 0) - [...first, ...last].reduce((sum, entry) => sum + encodedBytes(entry[1]), 0);
  let fileRoom = isBlank(packet.bootFile) ? FILE_BYTES - 1 : 0;
  let snameRoom = isBlank(packet.serverName) ? SNAME_BYTES - 1 : 0;
  const middle: Entry[] = [];
  for (const entry of others) {
    const size = encodedBytes(entry[1]);
    if (size <= mainRoom) {
      mainRoom -= size;
      middle.push(entry);
    } else if (!canOverload) {
      placement.leftOut.push(entry[0]);
    } else if (size <= fileRoom) {
      fileRoom -= size;
      placement.file.push(entry);
    } else if (size <= snameRoom) {
      snameRoom -= size;
      placement.sname.push(entry);
    } else {
      placement.leftOut.push(entry[0]);
    }
  }
  const overload = (placement.file.length > 0 ? 1 : 0) + (placement.sname.length > 0 ? 2 : 0);
  const marker: Entry[] = overload === 0 ? [] : [[OptionCode.overload, Buffer.from([overload])]];
  placement.main = [...first, ...marker, ...middle, ...last];
  return placement;
}

function orderOptions(packet: DhcpPacket): { first: Entry[]; others: Entry[]; last: Entry[] } {
  const first: Entry[] = [];
  const others: Entry[] = [];
  const last: Entry[] = [];
  for (const entry of packet.options) {
    if (entry[0] === OptionCode.messageType) first.push(entry);
    else if (entry[0] === OptionCode.relayAgentInformation) last.push(entry);
    else if (entry[0] !== OptionCode.overload) others.push(entry);
  }
  return { first, others, last };
}

function encodedBytes(value: Buffer): number {
  return value.length <= PART_BYTES ? value.length + 2 : value.length + 2 * Math.ceil(value.length / PART_BYTES);
}

function isBlank(field: Buffer): boolean {
  return field.every((byte) => byte === 0);
}

function writeFixed(bytes: Buffer, packet: DhcpPacket): void {
  bytes[0] = packet.op;
  bytes[1] = packet.hardwareType;
  bytes[2] = packet.hardwareLength;
  bytes[3] = packet.hops;
  bytes.writeUInt32BE(packet.transactionId, 4);
  bytes.writeUInt16BE(packet.secs, 8);
  bytes.writeUInt16BE(packet.flags, 10);
  bytes.writeUInt32BE(packet.clientIpAddress, 12);
  bytes.writeUInt32BE(packet.yourIpAddress, 16);
  bytes.writeUInt32BE(packet.nextServerIpAddress, 20);
  bytes.writeUInt32BE(packet.relayIpAddress, 24);
  packet.clientHardwareAddress.copy(bytes, 28);
  packet.serverName.copy(bytes, 44);
  packet.bootFile.copy(bytes, 108);
  bytes.writeUInt32BE(0x63825363, 236);
}

function writeOptions(bytes: Buffer, start: number, entries: readonly Entry[]): void {
  let offset = start;
  for (const [code, value] of entries) offset = writeOption(bytes, offset, code, value);
  bytes[offset] = OptionCode.end;
}

/** Writes one option in as many parts as it needs; gives the offset behind it. */
function writeOption(bytes: Buffer, start: number, code: number, value: Buffer): number {
  let offset = start;
  let from = 0;
  do {
    const length = Math.min(PART_BYTES, value.length - from);
    bytes[offset] = code;
    bytes[offset + 1] = length;
    // A loop beats a call into the engine for the few bytes that most options have.
    if (length <= 16) for (let index = 0; index < length; index += 1) bytes[offset + 2 + index] = value[from + index] ?? 0;
    else value.copy(bytes, offset + 2, from, from + length);
    offset += 2 + length;
    from += length;
  } while (from < value.length);
  return offset;
}
