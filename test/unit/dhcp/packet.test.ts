import { readdirSync } from 'node:fs';
import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { encodePacket } from '../../../src/dhcp/encode.js';
import { OPTIONS_OFFSET, parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { bytesOf, fixture, request } from '../../support/dhcp-request.js';

const FIXTURES = readdirSync(new URL('../../fixtures/packets/', import.meta.url))
  .filter((name) => name.endsWith('.hex'))
  .map((name) => name.replace('.hex', ''));

function parsed(bytes: Buffer): DhcpPacket {
  const result = parsePacket(bytes);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

/** A message with the given bytes in its options field. */
function withOptions(...parts: number[][]): Buffer {
  return Buffer.concat([bytesOf(request({})).subarray(0, OPTIONS_OFFSET), Buffer.from(parts.flat())]);
}

describe('parsePacket', () => {
  it.each(FIXTURES)('reads %s, and writes it back so that it reads the same', (name) => {
    const packet = parsed(fixture(name));
    const again = parsed(bytesOf(packet));
    expect(new Map(again.options)).toEqual(new Map(packet.options));
    expect({ ...again, options: 0, serverName: 0, bootFile: 0 }).toEqual({ ...packet, options: 0, serverName: 0, bootFile: 0 });
  });

  it.each(FIXTURES)('never throws on %s cut at any length, and refuses what ends before the options', (name) => {
    const bytes = fixture(name);
    for (let length = 0; length <= bytes.length; length += 1) {
      const result = parsePacket(bytes.subarray(0, length));
      if (length < OPTIONS_OFFSET) expect(result).toEqual({ ok: false, error: 'too-short' });
    }
  });

  it('attack 8: refuses an option that runs past the end', () => {
    expect(parsePacket(withOptions([53, 1, 1], [60, 200, 65]))).toEqual({ ok: false, error: 'option-truncated' });
    expect(parsePacket(withOptions([53, 1, 1], [60]))).toEqual({ ok: false, error: 'option-truncated' });
  });

  it('accepts a missing end option, pads between options and a zero-length option', () => {
    const packet = parsed(withOptions([0, 0, 53, 1, 1], [0], [12, 0], [0, 0, 0]));
    expect([...packet.options]).toEqual([
      [53, Buffer.from([1])],
      [12, Buffer.alloc(0)],
    ]);
  });

  it('ignores what stands after the end option', () => {
    expect(parsed(withOptions([53, 1, 1], [255], [60, 99])).options.size).toBe(1);
  });

  it('keeps options it does not know', () => {
    expect(parsed(withOptions([224, 3, 1, 2, 3])).options.get(224)).toEqual(Buffer.from([1, 2, 3]));
  });

  it('joins the parts of a repeated option in order (RFC 3396)', () => {
    const packet = parsed(withOptions([43, 2, 1, 2], [12, 1, 65], [43, 1, 3], [43, 1, 4]));
    expect(packet.options.get(43)).toEqual(Buffer.from([1, 2, 3, 4]));
  });

  it('reads options from file and sname when option 52 says so, file first', () => {
    const bytes = withOptions([53, 1, 1], [52, 1, 3], [43, 1, 1], [255]);
    Buffer.from([43, 1, 2, 67, 1, 88, 255]).copy(bytes, 108);
    Buffer.from([43, 1, 3, 255]).copy(bytes, 44);
    const packet = parsed(bytes);
    expect(packet.options.get(43)).toEqual(Buffer.from([1, 2, 3]));
    expect(packet.options.get(67)).toEqual(Buffer.from('X'));
    expect(packet.options.has(52)).toBe(false);
    expect([packet.serverName.length, packet.bootFile.length]).toEqual([0, 0]);
  });

  it.each([[[52, 1, 0]], [[52, 1, 4]], [[52, 0]], [[52, 2, 1, 1]]])('refuses overload %j', (option) => {
    expect(parsePacket(withOptions(option))).toEqual({ ok: false, error: 'bad-overload' });
  });

  it('attack 8: refuses hlen over 16 and a wrong cookie', () => {
    const long = fixture('udhcpc-discover');
    long[2] = 17;
    expect(parsePacket(long)).toEqual({ ok: false, error: 'bad-hardware-length' });
    const cookie = fixture('udhcpc-discover');
    cookie[236] = 0;
    expect(parsePacket(cookie)).toEqual({ ok: false, error: 'no-magic-cookie' });
  });

  it('takes linear time over a 64 KB datagram of one-byte parts', () => {
    const parts = Array.from({ length: 21_000 }, () => [43, 1, 7]);
    const startedMs = performance.now();
    expect(parsed(withOptions(...parts)).options.get(43)?.length).toBe(21_000);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  it('netboot rule 8: reads a BOOTP request of RFC 951, whose vendor field is empty', () => {
    const bytes = fixture('udhcpc-discover').fill(0, 236);
    expect(parsed(bytes).options.size).toBe(0);
  });

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        parsePacket(Buffer.from(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never throws on mutated real packets, and what it reads it writes stably', () => {
    const mutation = fc.record({
      name: fc.constantFrom(...FIXTURES),
      changes: fc.array(fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 255 })), { maxLength: 12 }),
      length: fc.nat({ max: 600 }),
    });
    fc.assert(
      fc.property(mutation, ({ name, changes, length }) => {
        const bytes = fixture(name);
        for (const [offset, value] of changes) if (offset < bytes.length) bytes[offset] = value;
        const result = parsePacket(length > 240 ? bytes.subarray(0, length) : bytes);
        if (!result.ok) return;
        const once = bytesOf(result.value);
        expect(bytesOf(parsed(once))).toEqual(once);
        expect(new Map(parsed(once).options)).toEqual(new Map(result.value.options));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('encodePacket', () => {
  it('pads to 300 bytes', () => {
    expect(bytesOf(request({ type: 1 }))).toHaveLength(300);
  });

  it('writes option 53 first and option 82 last', () => {
    const packet = request({ options: { 82: 'relay', 12: 'n1' } });
    const options = new Map([...packet.options, [53, Buffer.from([2])]]);
    expect(bytesOf({ ...packet, options }).subarray(240, 259)).toEqual(
      Buffer.concat([Buffer.from([53, 1, 2, 12, 2]), Buffer.from('n1'), Buffer.from([82, 5]), Buffer.from('relay'), Buffer.from([255, 0, 0, 0, 0])]),
    );
  });

  it.each([
    [255, 1],
    [256, 2],
    [510, 2],
    [511, 3],
  ])('splits an option of %i bytes into %i parts', (length, parts) => {
    const packet = request({ type: 1, options: { 43: Buffer.alloc(length, 7) } });
    const bytes = bytesOf(packet);
    expect(bytes.length).toBe(Math.max(300, 240 + 3 + length + 2 * parts + 1));
    expect(parsed(bytes).options.get(43)).toEqual(Buffer.alloc(length, 7));
  });

  it('moves later options into file and sname when the limit is small, and reports what found no room', () => {
    const packet = request({
      type: 2,
      options: { 1: Buffer.alloc(200, 1), 12: Buffer.alloc(150, 2), 15: Buffer.alloc(120, 3), 17: Buffer.alloc(90, 4), 43: Buffer.alloc(60, 5), 82: 'r' },
    });
    const encoded = encodePacket(packet, 548);
    if (!encoded.ok) throw new Error(encoded.error);
    expect(encoded.value.leftOut).toEqual([12]);
    expect(encoded.value.bytes.length).toBeLessThanOrEqual(548);
    expect([...parsed(encoded.value.bytes).options.keys()].sort((a, b) => a - b)).toEqual([1, 15, 17, 43, 53, 82]);
  });

  it('does not touch a boot file that is in use', () => {
    const packet = request({ type: 2, options: { 43: Buffer.alloc(250), 60: Buffer.alloc(100) } });
    packet.bootFile = Buffer.from('undionly.kpxe\0');
    const encoded = encodePacket(packet, 548);
    if (!encoded.ok) throw new Error(encoded.error);
    expect(encoded.value.leftOut).toEqual([60]);
    expect(parsed(encoded.value.bytes).bootFile.toString('latin1')).toMatch(/^undionly\.kpxe\0/);
  });

  it('never passes the limit and never loses an option silently', () => {
    const options = fc.dictionary(
      fc
        .integer({ min: 1, max: 254 })
        .filter((code) => code !== 52)
        .map(String),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      { maxKeys: 12 },
    );
    fc.assert(
      fc.property(options, fc.integer({ min: 300, max: 1472 }), (words, limit) => {
        delete words['82'];
        delete words['53'];
        const packet = request({ type: 2, options: words });
        const encoded = encodePacket(packet, limit);
        if (!encoded.ok) throw new Error(encoded.error);
        expect(encoded.value.bytes.length).toBeLessThanOrEqual(limit);
        const read = parsed(encoded.value.bytes).options;
        expect(read.size + encoded.value.leftOut.length).toBe(packet.options.size);
        for (const [code, value] of read) expect(value).toEqual(packet.options.get(code));
      }),
    );
  });

  it('refuses a field that is too long and a code that is no option', () => {
    const packet = request({ type: 2 });
    packet.bootFile = Buffer.alloc(129);
    expect(encodePacket(packet)).toEqual({ ok: false, error: 'field-too-long' });
    expect(encodePacket(request({ options: { 255: 'x' } }))).toEqual({ ok: false, error: 'bad-option-code' });
  });
});
