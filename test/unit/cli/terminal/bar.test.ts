import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { progressBar, shareCells } from '../../../../src/cli/terminal/bar.js';
import { createLook, hasColour, hasUnicode } from '../../../../src/cli/terminal/look.js';

const unicode = createLook({ colour: false, unicode: true });
const ascii = createLook({ colour: false, unicode: false });

describe('a progress bar', () => {
  it('is as wide as asked, whatever the counts', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), fc.nat(500), fc.nat(500), fc.integer({ min: 1, max: 60 }), (active, running, error, rest, width) => {
        const total = active + running + error + rest;
        expect(progressBar(unicode, width, { active, running, error, total })).toHaveLength(width);
      }),
    );
  });

  it('looks complete only when it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 60 }), (total, width) => {
        expect(shareCells([total], total, width)).toEqual([width]);
        expect(shareCells([total - 1], total, width)[0]).toBeLessThan(width);
      }),
    );
  });

  it('shows one failure among thousands', () => {
    expect(progressBar(ascii, 20, { active: 3000, running: 0, error: 1, total: 6000 })).toBe('##########X---------');
  });

  it('tells its parts apart without colours, in Unicode and in ASCII', () => {
    const parts = { active: 2, running: 1, error: 1, total: 8 };
    expect(progressBar(unicode, 8, parts)).toBe('━━×╍────');
    expect(progressBar(ascii, 8, parts)).toBe('##X>----');
  });
});

describe('what the terminal can show', () => {
  it.each([
    [{ LANG: 'C' }, false],
    [{ LANG: 'POSIX' }, false],
    [{ TERM: 'dumb', LANG: 'en_US.UTF-8' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{ LANG: 'C.UTF-8' }, true],
    [{ LANG: 'C', LC_ALL: 'en_GB.utf8' }, true],
    [{}, true],
  ])('draws in Unicode with %j: %s', (env, expected) => {
    expect(hasUnicode(env)).toBe(expected);
  });

  it.each([
    [{}, true, true],
    [{}, false, false],
    [{}, undefined, false],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ TERM: 'dumb' }, true, false],
  ])('uses colours with %j on a terminal (%s): %s', (env, isTTY, expected) => {
    expect(hasColour(env, { isTTY })).toBe(expected);
  });
});
