import { describe, expect, it } from '@jest/globals';
import { agreeOptions } from '../../../src/tftp/options.js';
import { parseTftp } from '../../../src/tftp/packet.js';
import { cleanName } from '../../../src/tftp/source.js';

/** OVMF 2022.11, native PXE: `tsize 0 blksize 1468 windowsize 4` (netboot rule 3). */
const OVMF_REQUEST = Buffer.from('\u0000\u0001snponly.efi\0octet\0tsize\u00000\0blksize\u00001468\0windowsize\u00004\0', 'latin1');
const LIMITS = { maxBlockBytes: 1_468, maxWindowBlocks: 64 };

describe('TFTP packets', () => {
  it('reads what OVMF asks', () => {
    const packet = parseTftp(OVMF_REQUEST);
    expect(packet).toEqual({
      kind: 'read',
      file: 'snponly.efi',
      mode: 'octet',
      options: new Map([
        ['tsize', '0'],
        ['blksize', '1468'],
        ['windowsize', '4'],
      ]),
    });
  });

  it('survives a request cut at every length', () => {
    for (let length = 0; length <= OVMF_REQUEST.length; length += 1) expect(() => parseTftp(OVMF_REQUEST.subarray(0, length))).not.toThrow();
  });

  it.each([
    ['nothing', ''],
    ['an opcode alone', '\u0000\u0001'],
    ['no mode', '\u0000\u0001file\0'],
    ['an empty name', '\u0000\u0001\0octet\0'],
    ['an unknown opcode', '\u0000\u0009file\0octet\0'],
    ['a request longer than 512 bytes', `\u0000\u0001file\0octet\0${'x'.repeat(64_000)}\u00001\0`],
    ['an ACK without its number', '\u0000\u0004\u0000'],
  ])('takes %s for no packet', (_what, text) => {
    expect(parseTftp(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  it('counts the first of a repeated option', () => {
    const packet = parseTftp(Buffer.from('\u0000\u0001f\0octet\0blksize\u0000512\0BLKSIZE\u00001400\0', 'latin1'));
    expect(packet?.kind === 'read' ? packet.options.get('blksize') : '').toBe('512');
  });
});

describe('attack 3: options of a request', () => {
  it.each([
    [{ blksize: '0' }, {}],
    [{ blksize: '7' }, {}],
    [{ blksize: '8' }, { blksize: 8 }],
    [{ blksize: '1432' }, { blksize: 1_432 }],
    [{ blksize: '65464' }, { blksize: 1_468 }],
    [{ blksize: '65465' }, {}],
    [{ blksize: '-1' }, {}],
    [{ blksize: '1e3' }, {}],
    [{ blksize: '9'.repeat(300) }, {}],
    [{ windowsize: '0' }, {}],
    [{ windowsize: '4' }, { windowsize: 4 }],
    [{ windowsize: '65535' }, { windowsize: 64 }],
    [{ timeout: '0' }, {}],
    [{ timeout: '3' }, { timeout: 3 }],
    [{ timeout: '255' }, {}],
    [{ tsize: '0' }, { tsize: 1_000 }],
    [{ tsize: '-5' }, {}],
    [{ tsize: '99999999999999999999' }, {}],
    [{ multicast: '' }, {}],
  ])('%j is granted as %j', (asked, granted) => {
    const agreed = agreeOptions(new Map(Object.entries(asked)), 1_000, LIMITS);
    expect(Object.fromEntries(agreed.granted)).toEqual(granted);
    expect(agreed.blockBytes).toBeGreaterThanOrEqual(8);
    expect(agreed.windowBlocks).toBeGreaterThanOrEqual(1);
  });
});

describe('netboot rule 3: names as old ROMs send them', () => {
  it.each([
    ['/undionly.kpxe', 'undionly.kpxe'],
    ['\\undionly.kpxe', 'undionly.kpxe'],
    ['//sub\\ipxe.efi', 'sub/ipxe.efi'],
    ['undionly.kpxe\u00ff', 'undionly.kpxe'],
    ['undionly.kpxe  ', 'undionly.kpxe'],
  ])('%j is %s', (requested, name) => {
    expect(cleanName(requested)).toBe(name);
  });
});
