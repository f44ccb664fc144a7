import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { displayWidth, fit, printableBlock, printableLine, truncate } from '../../../../src/cli/terminal/text-width.js';

describe('text on a terminal', () => {
  it.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['a window title (OSC)', '\u001b]0;owned\u0007name', 'name'],
    ['clearing the screen', '\u001b[2J\u001b[Hname', 'name'],
    ['C1 control characters', 'a\u009b31mb', 'a 31mb'],
    ['bidi overrides', 'a\u202egnp', 'a gnp'],
    ['newlines', 'one\r\ntwo', 'one two'],
  ])('drops what would steer the terminal: %s', (_what, text, shown) => {
    expect(printableLine(text)).toBe(shown);
  });

  it('keeps the newlines and tabs of a log, and nothing else that steers', () => {
    expect(printableBlock('a\tb\r\n\u001b[1mc\u0007\n')).toBe('a\tb\nc\n');
  });

  it('counts wide characters as two columns and combining ones as none', () => {
    expect(displayWidth('節点')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
  });

  it('fits any text into exactly the columns asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
        const line = printableLine(text);
        expect(displayWidth(fit(line, columns))).toBe(columns);
        expect(displayWidth(truncate(line, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('says that something was cut', () => {
    expect(truncate('provisioner-os-install', 12)).toBe('provisioner…');
    expect(truncate('short', 12)).toBe('short');
  });
});
