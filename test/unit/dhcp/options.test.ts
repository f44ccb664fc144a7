import { describe, it, expect } from '@jest/globals';
import { malformed, readAddress, readSubOptions, readUint16, readUint8 } from '../../../src/dhcp/options.js';
import { parseInheritedFds } from '../../../src/dhcp/sockets.js';

describe('reading options', () => {
  const options = new Map([
    [53, Buffer.from([1])],
    [54, Buffer.from([10, 0, 0, 1])],
    [57, Buffer.from([5, 192])],
    [12, Buffer.alloc(0)],
    [61, Buffer.from([1, 2, 3])],
  ]);

  it('tells a value, absence and malformation apart', () => {
    expect([readUint8(options, 53), readUint8(options, 60), readUint8(options, 54)]).toEqual([1, undefined, malformed]);
    expect([readUint16(options, 57), readUint16(options, 60), readUint16(options, 61), readUint16(options, 12)]).toEqual([
      1472,
      undefined,
      malformed,
      malformed,
    ]);
    expect([readAddress(options, 54), readAddress(options, 50), readAddress(options, 61)]).toEqual([0x0a000001, undefined, malformed]);
  });

  it('reads sub-options and refuses one that runs past the end', () => {
    expect(readSubOptions(Buffer.from([1, 1, 9, 19, 0]))).toEqual(
      new Map([
        [1, Buffer.from([9])],
        [19, Buffer.alloc(0)],
      ]),
    );
    expect(readSubOptions(Buffer.from([1, 3, 9]))).toBe(malformed);
    expect(readSubOptions(Buffer.from([1]))).toBe(malformed);
  });

  it('knows pads and an end in option 43 alone (RFC 2132 section 8.4)', () => {
    const value = Buffer.from([0, 6, 1, 8, 255, 9]);
    expect(readSubOptions(value, true)).toEqual(new Map([[6, Buffer.from([8])]]));
    expect(readSubOptions(value)).toBe(malformed);
  });
});

describe('parseInheritedFds', () => {
  it('reads the form of PRYBAR_DHCP_FDS', () => {
    expect(parseInheritedFds('eth1=3,eth2.100=4')).toEqual({
      ok: true,
      value: new Map([
        ['eth1', 3],
        ['eth2.100', 4],
      ]),
    });
  });

  it.each(['', 'eth1', 'eth1=', 'eth1=x', '=3', 'eth1=3,eth1=4', 'a-name-that-is-too-long=3'])('refuses "%s"', (text) => {
    expect(parseInheritedFds(text).ok).toBe(false);
  });
});
