import { describe, it, expect } from '@jest/globals';
import { printableText, uint16At, uint16Bytes, uint32At, uint32Bytes, uint8At } from '../../../src/shared/bytes.js';

describe('reading numbers', () => {
  const bytes = Buffer.from('fffe0102ff', 'hex');

  it('reads big-endian and unsigned', () => {
    expect([uint8At(bytes, 0), uint16At(bytes, 0), uint32At(bytes, 0)]).toEqual([0xff, 0xfffe, 0xfffe0102]);
  });

  it('gives undefined past the end', () => {
    expect([uint8At(bytes, 5), uint16At(bytes, 4), uint32At(bytes, 2), uint8At(bytes, -1)]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('writes what it reads', () => {
    expect(uint16At(uint16Bytes(0xabcd), 0)).toBe(0xabcd);
    expect(uint32At(uint32Bytes(0xdeadbeef), 0)).toBe(0xdeadbeef);
  });
});

describe('printableText', () => {
  it('attack 7: makes escapes, newlines and high bytes harmless, ends at NUL and at the limit', () => {
    expect(printableText(Buffer.from('a\n\x1b[31m</script>\xff', 'latin1'))).toBe('a??[31m</script>?');
    expect(printableText(Buffer.from('ab\0cd'))).toBe('ab');
    expect(printableText(Buffer.from('abcdef'), 3)).toBe('abc');
  });
});
