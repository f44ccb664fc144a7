import { describe, it, expect } from '@jest/globals';
import { formatMac, macBytes, macWithDashes, parseMac } from '../../../src/shared/mac.js';

describe('parseMac', () => {
  it.each(['52:54:00:AB:00:01', '52-54-00-ab-00-01', '5254.00ab.0001', '525400AB0001'])('reads %s', (text) => {
    expect(parseMac(text)).toBe('52:54:00:ab:00:01');
  });

  it.each(['', '52:54:00:ab:00', '52:54:00:ab:00:01:02', '52:54-00:ab:00:01', '5g:54:00:ab:00:01', ' 52:54:00:ab:00:01'])('refuses "%s"', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });
});

describe('the other spellings', () => {
  it('formats as many bytes as the link has, and no more than there are', () => {
    const bytes = Buffer.from('525400ab0001ff', 'hex');
    expect(formatMac(bytes)).toBe('52:54:00:ab:00:01');
    expect(formatMac(bytes, 0)).toBe('');
    expect(formatMac(bytes, 16)).toBe('52:54:00:ab:00:01:ff');
  });

  it('goes to bytes and to file names', () => {
    expect(macBytes('52:54:00:ab:00:01')).toEqual(Buffer.from('525400ab0001', 'hex'));
    expect(macBytes('no')).toBeUndefined();
    expect(macWithDashes('52:54:00:ab:00:01')).toBe('52-54-00-ab-00-01');
  });
});
