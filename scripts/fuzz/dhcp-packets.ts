/**
 * DHCP packets that are nearly right: captured ones, their options changed one by one, the fixed part set to values that mean
 * something to the server, and one in three damaged bytewise on top (attack 8).
 */
import { readdirSync } from 'node:fs';
import type { Random } from '../../test/support/random.js';
import { fixture } from '../../test/support/dhcp-request.js';
import { damage } from './bytes.js';

/** The largest UDP payload a relay may hand over in one Ethernet frame, and a little more. */
const CAPACITY = 2048;
const OPTIONS_OFFSET = 240;
const CODES = [0, 1, 12, 43, 50, 51, 52, 53, 54, 55, 57, 60, 61, 66, 67, 77, 82, 93, 94, 97, 118, 175, 224, 255];
const LENGTHS = [0, 1, 2, 3, 4, 7, 16, 64, 127, 128, 254, 255];
/** Every type there is and some that are not; those that the server answers more often. */
const MESSAGE_TYPES = [1, 1, 1, 3, 3, 3, 3, 8, 0, 2, 4, 5, 6, 7, 9, 10, 255];
const TEXTS = ['PXEClient:Arch:00007:UNDI:003016', 'HTTPClient:Arch:00016:UNDI:003001', 'iPXE', '\x04iPXE', '$(reboot)\n\x1b[2J\0', '', 'U-Boot.armv8'];

type Tlv = { code: number; value: Buffer };
type Seed = { head: Buffer; options: Tlv[] };

/** What addresses mean something to the server under test; uint32. */
export type KnownAddresses = { readonly addresses: readonly number[]; readonly macs: readonly Buffer[] };

/** Reads every captured packet of test/fixtures/packets once. */
function readSeeds(): Seed[] {
  const folder = new URL('../../test/fixtures/packets/', import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.hex'))
    .sort()
    .map((name) => fixture(name.slice(0, -'.hex'.length)))
    .filter((bytes) => bytes.length >= OPTIONS_OFFSET)
    .map((bytes) => ({ head: bytes.subarray(0, OPTIONS_OFFSET), options: readTlvs(bytes) }));
}

function readTlvs(bytes: Buffer): Tlv[] {
  const tlvs: Tlv[] = [];
  let offset = OPTIONS_OFFSET;
  while (offset + 1 < bytes.length && bytes[offset] !== 255) {
    const code = bytes[offset] ?? 0;
    const length = code === 0 ? 0 : (bytes[offset + 1] ?? 0);
    if (code !== 0) tlvs.push({ code, value: bytes.subarray(offset + 2, offset + 2 + length) });
    offset += code === 0 ? 1 : 2 + length;
  }
  return tlvs;
}

let seeds: Seed[] | undefined;

/** A maker of packets; each call overwrites the one before. */
export function dhcpPackets(random: Random, known: KnownAddresses): () => Buffer {
  const buffer = Buffer.alloc(CAPACITY);
  const from = (seeds ??= readSeeds());
  return () => {
    const seed = random.pick(from);
    buffer.fill(0);
    seed.head.copy(buffer);
    setHead(buffer, random, known);
    const length = writeOptions(buffer, changeOptions(seed.options, random, known), random);
    const packet = buffer.subarray(0, length);
    return random.chance(0.3) ? damage(packet, random, 8) : packet;
  };
}

function setHead(bytes: Buffer, random: Random, { addresses, macs }: KnownAddresses): void {
  random.pick(macs).copy(bytes, 28);
  if (random.chance(0.05)) bytes[0] = random.below(4); // op
  if (random.chance(0.05)) bytes[1] = random.pick([0, 6, 7, 32, 255]); // htype
  if (random.chance(0.1)) bytes[2] = random.pick([0, 1, 5, 7, 8, 15, 16, 17, 20, 255]); // hlen
  if (random.chance(0.05)) bytes[3] = random.pick([1, 16, 17, 255]); // hops
  bytes.writeUInt32BE(random.below(0xffffffff), 4);
  if (random.chance(0.3)) bytes.writeUInt16BE(random.pick([0x8000, 0, 0xffff]), 10);
  // ciaddr and giaddr: none, the server's own, a relay's, a pool's, multicast, broadcast.
  bytes.writeUInt32BE(random.chance(0.3) ? random.pick(addresses) : 0, 12);
  bytes.writeUInt32BE(random.chance(0.3) ? random.pick(addresses) : 0, 24);
}

function changeOptions(options: readonly Tlv[], random: Random, known: KnownAddresses): Tlv[] {
  const changed = options.filter(() => !random.chance(0.05));
  const type = changed.findIndex((one) => one.code === 53);
  // Captures are mostly DISCOVERs; every type has to be met in every state.
  if (type >= 0 && random.chance(0.7)) changed[type] = { code: 53, value: Buffer.from([random.pick(MESSAGE_TYPES)]) };
  if (random.chance(0.5)) changed.push({ code: 50, value: addressBytes(random.pick(known.addresses)) });
  if (random.chance(0.3)) changed.push({ code: 54, value: addressBytes(random.pick(known.addresses)) });
  if (random.chance(0.2)) changed.push({ code: 82, value: relayInformation(random, known) });
  if (random.chance(0.1)) changed.push({ code: 57, value: Buffer.from([random.below(256), random.below(256)]) });
  if (random.chance(0.2)) changed.push({ code: random.pick([12, 60, 77]), value: Buffer.from(random.pick(TEXTS)) });
  if (random.chance(0.1)) changed.push({ code: random.pick([93, 94, 97]), value: randomBytes(random, random.pick(LENGTHS)) });
  for (let more = random.chance(0.3) ? random.between(1, 6) : 0; more > 0; more -= 1) {
    changed.splice(random.below(changed.length + 1), 0, { code: random.pick(CODES), value: randomBytes(random, random.pick(LENGTHS)) });
  }
  return changed;
}

/** Sub-options 1, 5, 11 and 19, sometimes running past their end. RFC 3046, 3527, 5107, 8357. */
function relayInformation(random: Random, { addresses }: KnownAddresses): Buffer {
  const parts = [1, 5, 11, 19]
    .filter(() => random.chance(0.5))
    .map((code) => subOption(code, code === 19 ? Buffer.alloc(0) : addressBytes(random.pick(addresses))));
  const whole = Buffer.concat(parts);
  return random.chance(0.2) ? whole.subarray(0, random.below(whole.length + 1)) : whole;
}

const subOption = (code: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([code, value.length]), value]);

/** Writes them with the lies that parsers fall for: a length past the packet, no end, overload into fields that hold rubbish. */
function writeOptions(bytes: Buffer, options: readonly Tlv[], random: Random): number {
  let offset = OPTIONS_OFFSET;
  if (random.chance(0.15)) offset = put(bytes, offset, 52, Buffer.from([random.pick([0, 1, 2, 3, 3, 3, 4, 255])]));
  if (random.chance(0.15)) fillFields(bytes, options, random);
  for (const { code, value } of options) offset = put(bytes, offset, code, value);
  const lie = random.below(40);
  if (lie === 0 && offset > OPTIONS_OFFSET + 2) bytes[random.between(OPTIONS_OFFSET, offset - 1)] = 255;
  if (lie === 1) offset = Math.min(CAPACITY, offset + random.below(300)); // pads
  if (lie === 2) return Math.min(CAPACITY, offset + 1); // a code without a length
  if (lie === 3) return put(bytes, offset, 60, Buffer.alloc(0)) - random.below(2);
  if (lie === 4) return OPTIONS_OFFSET + random.below(offset - OPTIONS_OFFSET + 1);
  if (lie > 8 && offset < CAPACITY) bytes[offset++] = 255;
  return offset;
}

/** Options in sname and file, as option 52 announces them, or when nothing does. */
function fillFields(bytes: Buffer, options: readonly Tlv[], random: Random): void {
  for (const [start, end] of [[108, 236] as const, [44, 108] as const]) {
    let offset = start;
    while (offset < end - 2 && options.length > 0) {
      const { code, value } = random.pick(options);
      bytes[offset] = code;
      bytes[offset + 1] = value.length;
      value.copy(bytes, offset + 2, 0, Math.max(0, end - offset - 2));
      offset += 2 + value.length;
    }
  }
  bytes.writeUInt32BE(0x63825363, 236); // a value may have run into the cookie
}

function put(bytes: Buffer, offset: number, code: number, value: Buffer): number {
  if (offset + 2 + value.length > CAPACITY) return offset;
  bytes[offset] = code;
  bytes[offset + 1] = value.length;
  value.copy(bytes, offset + 2);
  return offset + 2 + value.length;
}

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index += 1) bytes[index] = random.below(256);
  return bytes;
}

function addressBytes(address: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(address);
  return bytes;
}
