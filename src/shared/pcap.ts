/**
 * PURE: UDP datagrams out of a packet capture: pcap (https://www.tcpdump.org/manpages/pcap-savefile.5.html) and pcapng
 * (draft-ietf-opsawg-pcapng), from Ethernet, VLAN tags, Linux cooked captures or raw IPv4. What is cut short or of another kind
 * is passed over; nothing here throws.
 */
import { err, ok, type Result } from './result.js';

/** One datagram. Addresses are uint32. */
export type CapturedDatagram = {
  /** Milliseconds of the epoch. */
  readonly atMs: number;
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  /** VLAN ids of the tags, outermost first. */
  readonly vlans: readonly number[];
  readonly payload: Buffer;
};

type Frame = { atMs: number; link: number; bytes: Buffer };

/** Link-layer types. https://www.tcpdump.org/linktypes.html */
const LINK = { ethernet: 1, raw: 101, cooked: 113, ipv4: 228, cooked2: 276 } as const;

const ETHERTYPE_IPV4 = 0x0800;
const VLAN_TAGS = new Set([0x8100, 0x88a8, 0x9100]);
const PROTOCOL_UDP = 17;

/** Every UDP datagram of the file, in its order; an error in words when it is no capture. */
export function readCapture(file: Buffer): Result<CapturedDatagram[], string> {
  const frames = file.length >= 4 && file.readUInt32BE(0) === SECTION_HEADER ? readPcapng(file) : readPcap(file);
  return typeof frames === 'string' ? err(frames) : ok(frames.flatMap(datagramOf));
}

const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;

function readPcap(file: Buffer): Frame[] | string {
  if (file.length < PCAP_HEADER_BYTES) return 'it is too short to be a capture';
  const magic = file.readUInt32LE(0);
  const isLittle = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  const swapped = file.readUInt32BE(0);
  if (!isLittle && swapped !== 0xa1b2c3d4 && swapped !== 0xa1b23c4d) return 'it is neither pcap nor pcapng';
  const read = (offset: number) => (isLittle ? file.readUInt32LE(offset) : file.readUInt32BE(offset));
  const perMs = (isLittle ? magic : swapped) === 0xa1b23c4d ? 1_000_000 : 1_000;
  const link = read(20) & 0x0fffffff;
  const frames: Frame[] = [];
  for (let offset = PCAP_HEADER_BYTES; offset + PCAP_RECORD_BYTES <= file.length;) {
    const length = read(offset + 8);
    const begin = offset + PCAP_RECORD_BYTES;
    // A capture that was cut while it was written ends in the middle of a frame.
    if (begin + length > file.length) break;
    frames.push({ atMs: read(offset) * 1000 + read(offset + 4) / perMs, link, bytes: file.subarray(begin, begin + length) });
    offset = begin + length;
  }
  return frames;
}

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_BLOCK = 1;
const SIMPLE_BLOCK = 3;
const PACKET_BLOCK = 6;
const TIME_RESOLUTION = 9;

type Interface = { link: number; ticksPerMs: number };

function readPcapng(file: Buffer): Frame[] | string {
  const frames: Frame[] = [];
  let interfaces: Interface[] = [];
  let isLittle = true;
  const u32 = (offset: number) => (isLittle ? file.readUInt32LE(offset) : file.readUInt32BE(offset));
  const u16 = (offset: number) => (isLittle ? file.readUInt16LE(offset) : file.readUInt16BE(offset));
  for (let offset = 0; offset + 12 <= file.length;) {
    const isSection = file.readUInt32BE(offset) === SECTION_HEADER;
    if (isSection) {
      isLittle = file.readUInt32LE(offset + 8) === 0x1a2b3c4d;
      interfaces = [];
    }
    const type = u32(offset);
    const length = u32(offset + 4);
    if (length < 12 || length % 4 !== 0 || offset + length > file.length) break;
    const end = offset + length - 4;
    if (type === INTERFACE_BLOCK && length >= 20) interfaces.push({ link: u16(offset + 8), ticksPerMs: ticksPerMs(file, offset + 16, end, u16) });
    if (type === PACKET_BLOCK && length >= 32) {
      const known = interfaces[u32(offset + 8)];
      const captured = u32(offset + 20);
      if (known !== undefined && offset + 28 + captured <= end) {
        const ticks = u32(offset + 12) * 2 ** 32 + u32(offset + 16);
        frames.push({ atMs: ticks / known.ticksPerMs, link: known.link, bytes: file.subarray(offset + 28, offset + 28 + captured) });
      }
    }
    if (type === SIMPLE_BLOCK && length >= 16 && interfaces[0] !== undefined) {
      frames.push({ atMs: 0, link: interfaces[0].link, bytes: file.subarray(offset + 12, Math.min(end, offset + 12 + u32(offset + 8))) });
    }
    offset += length;
  }
  return frames;
}

/** Option if_tsresol of an interface block; microseconds when it is not there. */
function ticksPerMs(file: Buffer, from: number, end: number, u16: (offset: number) => number): number {
  for (let offset = from; offset + 4 <= end;) {
    const [code, length] = [u16(offset), u16(offset + 2)];
    if (code === 0) break;
    const value = file[offset + 4] ?? 6;
    if (code === TIME_RESOLUTION && length >= 1) return (value >= 0x80 ? 2 ** (value & 0x7f) : 10 ** value) / 1000;
    offset += 4 + Math.ceil(length / 4) * 4;
  }
  return 1_000;
}

function datagramOf(frame: Frame): CapturedDatagram[] {
  const vlans: number[] = [];
  const begin = networkLayer(frame, vlans);
  return begin === undefined ? [] : readUdp(frame, begin, vlans);
}

/** Where IPv4 begins; undefined when something else does. */
function networkLayer({ link, bytes }: Frame, vlans: number[]): number | undefined {
  if (link === LINK.raw || link === LINK.ipv4) return 0;
  if (link === LINK.cooked) return bytes.length >= 16 && bytes.readUInt16BE(14) === ETHERTYPE_IPV4 ? 16 : undefined;
  if (link === LINK.cooked2) return bytes.length >= 20 && bytes.readUInt16BE(0) === ETHERTYPE_IPV4 ? 20 : undefined;
  if (link !== LINK.ethernet) return undefined;
  for (let offset = 12; offset + 2 <= bytes.length; offset += 4) {
    const type = bytes.readUInt16BE(offset);
    if (type === ETHERTYPE_IPV4) return offset + 2;
    if (!VLAN_TAGS.has(type) || offset + 4 > bytes.length) return undefined;
    vlans.push(bytes.readUInt16BE(offset + 2) & 0x0fff);
  }
  return undefined;
}

function readUdp({ atMs, bytes }: Frame, begin: number, vlans: number[]): CapturedDatagram[] {
  const ip = bytes.subarray(begin);
  const headerBytes = ((ip[0] ?? 0) & 0x0f) * 4;
  if (ip.length < 28 || (ip[0] ?? 0) >> 4 !== 4 || headerBytes < 20 || ip[9] !== PROTOCOL_UDP || ip.length < headerBytes + 8) return [];
  // Only a first fragment has the ports.
  if ((ip.readUInt16BE(6) & 0x1fff) !== 0) return [];
  const udp = ip.subarray(headerBytes);
  const length = udp.readUInt16BE(4);
  return [
    {
      atMs,
      source: ip.readUInt32BE(12),
      destination: ip.readUInt32BE(16),
      sourcePort: udp.readUInt16BE(0),
      destinationPort: udp.readUInt16BE(2),
      vlans,
      payload: udp.subarray(8, Math.max(8, length)),
    },
  ];
}
