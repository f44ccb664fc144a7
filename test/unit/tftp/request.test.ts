import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { negotiate, parseReadRequest } from '../../../src/tftp/request.js';

const rrq = (...fields: string[]) => Buffer.concat([Buffer.from([0, 1]), Buffer.from(fields.map((field) => `${field}\0`).join(''), 'latin1')]);

describe('a read request', () => {
  it('is read with its options, whatever their case', () => {
    const parsed = parseReadRequest(rrq('undionly.kpxe', 'OCTET', 'BlkSize', '1468', 'windowsize', '4', 'tsize', '0'));
    expect(parsed).toEqual({ ok: true, value: { fileName: 'undionly.kpxe', mode: 'octet', options: new Map([['blksize', '1468'], ['windowsize', '4'], ['tsize', '0']]) } });
  });

  it.each([
    ['a leading slash', '/ipxe.efi'],
    ['a backslash', '\\ipxe.efi'],
    ['0xff behind the name', 'ipxe.efi\xff'],
    ['a space behind the name', 'ipxe.efi '],
  ])('resolves the name that an old ROM sends with %s', (_what, name) => {
    const parsed = parseReadRequest(rrq(name, 'octet'));
    expect(parsed.ok && parsed.value.fileName).toBe('ipxe.efi');
  });

  it('attack 2: a write request is refused, there is no path that writes', () => {
    expect(parseReadRequest(Buffer.from([0, 2, 97, 0, 111, 0]))).toEqual({ ok: false, error: { code: 2, text: 'this server only reads' } });
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => void parseReadRequest(Buffer.from(bytes))));
  });
});

describe('attack 3: options', () => {
  const take = (...options: [string, string][]) => negotiate(new Map(options), { bytes: 1000 }, { mtuBytes: 1500 });

  it.each([
    ['blksize', '0'],
    ['blksize', '7'],
    ['blksize', '65465'],
    ['windowsize', '0'],
    ['windowsize', '65536'],
    ['timeout', '0'],
    ['timeout', '256'],
    ['blksize', '-8'],
    ['blksize', '1e3'],
    ['nonsense', '1'],
  ])('%s = %s is left out', (name, value) => {
    expect(take([name, value]).acknowledged).toEqual([]);
  });

  it('clamps the block to the path MTU and the window to what buffers hold', () => {
    const taken = take(['blksize', '65464'], ['windowsize', '65535'], ['tsize', '0']);
    expect(taken.acknowledged).toEqual([['blksize', '1468'], ['windowsize', '64'], ['tsize', '1000']]);
  });
});
