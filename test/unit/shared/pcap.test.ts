import { describe, expect, it } from '@jest/globals';
import { readCapture } from '../../../src/shared/pcap.js';

const PAYLOAD = Buffer.from('hello');

function ipv4(payload = PAYLOAD): Buffer {
  const ip = Buffer.alloc(28);
  ip[0] = 0x45;
  ip[9] = 17;
  ip.writeUInt32BE(0x0a000001, 12);
  ip.writeUInt32BE(0xffffffff, 16);
  ip.writeUInt16BE(68, 20);
  ip.writeUInt16BE(67, 22);
  ip.writeUInt16BE(8 + payload.length, 24);
  return Buffer.concat([ip, payload]);
}
const ethernet = (...tags: number[]) =>
  Buffer.concat([Buffer.alloc(12), ...tags.map((tag) => Buffer.from([0x81, 0, tag >> 8, tag & 255])), Buffer.from([8, 0]), ipv4(), Buffer.alloc(9)]);

/** pcap in either byte order. */
function pcap(frames: Buffer[], { link = 1, big = false, nano = false } = {}): Buffer {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    if (big) bytes.writeUInt32BE(value >>> 0);
    else bytes.writeUInt32LE(value >>> 0);
    return bytes;
  };
  const head = Buffer.concat([u32(nano ? 0xa1b23c4d : 0xa1b2c3d4), u32(0x00040002), u32(0), u32(0), u32(65_535), u32(link)]);
  return Buffer.concat([head, ...frames.flatMap((frame) => [u32(1_000), u32(nano ? 500_000_000 : 500_000), u32(frame.length), u32(frame.length), frame])]);
}

function pcapng(frame: Buffer): Buffer {
  const block = (type: number, body: Buffer) => {
    const pad = Buffer.alloc((4 - (body.length % 4)) % 4);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(12 + body.length + pad.length);
    const kind = Buffer.alloc(4);
    kind.writeUInt32LE(type);
    return Buffer.concat([kind, length, body, pad, length]);
  };
  const section = block(0x0a0d0d0a, Buffer.concat([Buffer.from([0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]), Buffer.alloc(8, 0xff)]));
  // Interface with if_tsresol 9: nanoseconds.
  const description = block(1, Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 4, 0]), Buffer.from([9, 0, 1, 0, 9, 0, 0, 0]), Buffer.from([0, 0, 0, 0])]));
  const ticks = 1_000_500n * 1_000_000n;
  const times = Buffer.alloc(20);
  times.writeUInt32LE(Number(ticks >> 32n), 4);
  times.writeUInt32LE(Number(ticks & 0xffffffffn), 8);
  times.writeUInt32LE(frame.length, 12);
  times.writeUInt32LE(frame.length, 16);
  return Buffer.concat([section, description, block(6, Buffer.concat([times, frame]))]);
}

const datagrams = (file: Buffer) => {
  const read = readCapture(file);
  if (!read.ok) throw new Error(read.error);
  return read.value;
};

describe('a packet capture', () => {
  it.each([
    ['little endian', pcap([ethernet()])],
    ['big endian', pcap([ethernet()], { big: true })],
    ['nanoseconds', pcap([ethernet()], { nano: true })],
    ['raw IPv4', pcap([ipv4()], { link: 101 })],
    ['Linux cooked', pcap([Buffer.concat([Buffer.alloc(14), Buffer.from([8, 0]), ipv4()])], { link: 113 })],
    ['pcapng', pcapng(ethernet())],
  ])('%s gives its datagrams', (_what, file) => {
    expect(datagrams(file)).toEqual([
      { atMs: 1_000_500, source: 0x0a000001, sourcePort: 68, destination: 0xffffffff, destinationPort: 67, vlans: [], payload: PAYLOAD },
    ]);
  });

  it('tells the VLANs, outermost first', () => {
    expect(datagrams(pcap([ethernet(100, 7)]))[0]?.vlans).toEqual([100, 7]);
  });

  it('passes over what is no UDP over IPv4, and ends where the file was cut', () => {
    const arp = Buffer.concat([Buffer.alloc(12), Buffer.from([8, 6]), Buffer.alloc(40)]);
    expect(datagrams(pcap([arp, ethernet()]))).toHaveLength(1);
    const two = pcap([ethernet(), ethernet()]);
    expect(datagrams(two.subarray(0, two.length - 3))).toHaveLength(1);
  });

  it('never throws, whatever the bytes', () => {
    for (const whole of [pcap([ethernet(5), ethernet()]), pcapng(ethernet())]) {
      for (let length = 0; length < whole.length; length += 1) expect(() => readCapture(whole.subarray(0, length))).not.toThrow();
      for (let index = 0; index < whole.length; index += 1) {
        const bent = Buffer.from(whole);
        bent[index] = 0xff;
        expect(() => readCapture(bent)).not.toThrow();
      }
    }
    expect(readCapture(Buffer.from('not a capture at all, but long enough'))).toEqual({ ok: false, error: 'it is neither pcap nor pcapng' });
  });
});
