import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { findIsoFile, type ReadAt } from '../../../src/bootenvs/iso9660.js';
import { buildIso, type IsoEntry } from '../../support/iso-image.js';

const readerOf =
  (image: Buffer): ReadAt =>
  async (offset, bytes) =>
    image.subarray(Math.min(offset, image.length), Math.min(offset + bytes, image.length));
const find = (image: Buffer, name: string) => findIsoFile(readerOf(image), image.length, name);

const kernel = Buffer.from('a kernel');
const image = buildIso('casper', [{ name: 'VMLINUZ.;1', data: kernel }, { name: 'INITRD.IMG;1', data: Buffer.alloc(5000, 7) }, { name: 'LINK.;1' }]);

describe('ISO 9660', () => {
  it.each([
    ['casper/vmlinuz', 8],
    ['/casper//VMLINUZ', 8],
    ['casper/initrd.img', 5000],
  ])('finds %s', async (name, bytes) => {
    const found = await find(image, name);
    expect(found).toMatchObject({ ok: true, value: { bytes } });
    if (found.ok && bytes === 8) expect(image.subarray(found.value.offset, found.value.offset + bytes)).toEqual(kernel);
  });

  it.each([
    ['casper/other', /has no casper\/other/],
    ['casper', /is a directory/],
    ['casper/vmlinuz/x', /is no directory/],
    ['', /is no path/],
    ['../etc/passwd', /has no/],
    ['a/'.repeat(20), /is no path/],
    // A link of Rock Ridge has no content of its own.
    ['casper/link', /is empty/],
  ])('attack 48: says what is wrong with %j', async (name, problem) => {
    expect(await find(image, name)).toMatchObject({ ok: false, error: expect.stringMatching(problem) });
  });

  it.each<[string, IsoEntry, RegExp]>([
    ['a file beyond the image', { name: 'X.;1', bytes: 1_000_000, data: kernel }, /cut short/],
    ['a file in a far place', { name: 'X.;1', bytes: 8, sector: 0xff_ff_ff }, /cut short/],
    ['a file in pieces', { name: 'X.;1', data: kernel, flags: 0x80 }, /several pieces/],
    ['a huge directory', { name: 'X', bytes: 0xff_ff_ff_ff, flags: 2, sector: 21 }, /too large/],
  ])('attack 48: refuses %s', async (_what, entry, problem) => {
    const lying = buildIso('casper', [entry]);
    const name = entry.flags === 2 ? 'casper/x/y' : 'casper/x';
    expect(await find(lying, name)).toMatchObject({ ok: false, error: expect.stringMatching(problem) });
  });

  it('attack 48: a directory that is inside itself ends with the path that was asked for', async () => {
    const loop = buildIso('casper', [{ name: 'LOOP', bytes: 2048, flags: 2, sector: 21 }]);
    expect(await find(loop, 'casper/loop/loop/loop/x')).toMatchObject({ ok: false });
  });

  it('never throws, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(7 * 2048 - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
        fc.nat(image.length),
        async (changes, length) => {
          const broken = Buffer.from(image);
          for (const [at, value] of changes) broken[16 * 2048 + at] = value;
          const found = await find(broken.subarray(0, length), 'casper/vmlinuz');
          if (found.ok) expect(found.value.offset + found.value.bytes).toBeLessThanOrEqual(length);
        },
      ),
      { numRuns: 500 },
    );
  });
});
