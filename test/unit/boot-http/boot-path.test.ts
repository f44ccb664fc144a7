import { describe, expect, it } from '@jest/globals';
import { parseBootPath } from '../../../src/boot-http/boot-path.js';
import { parseRange } from '../../../src/boot-http/range.js';

describe('addresses of boot HTTP', () => {
  it.each([
    ['/boot/ipxe/52-54-00-77-00-01', { kind: 'script', mac: '52:54:00:77:00:01' }],
    ['/boot/ipxe/52:54:00:77:00:01?x=1', { kind: 'script', mac: '52:54:00:77:00:01' }],
    ['/boot/files/debian-12/linux', { kind: 'file', bootenv: 'debian-12', name: 'linux' }],
    ['/boot/files/u/casper/vmlinuz', { kind: 'file', bootenv: 'u', name: 'casper/vmlinuz' }],
    ['/boot/answers/tok/preseed.cfg', { kind: 'answers', token: 'tok', name: 'preseed.cfg' }],
    ['/boot/loaders/snponly.efi', { kind: 'loader', name: 'snponly.efi' }],
  ])('%s is understood', (url, expected) => {
    expect(parseBootPath(url)).toEqual(expected);
  });

  it.each(['/', '/bootstrap', '/node/facts', '/boot-default/x', '/api/boot/'])('%s is not ours', (url) => {
    expect(parseBootPath(url)).toBeUndefined();
  });

  it.each([
    '/boot',
    '/boot/',
    '/boot/ipxe/',
    '/boot/ipxe/not-a-mac',
    '/boot/ipxe/52-54-00-77-00-01/x',
    '/boot/files/debian-12',
    '/boot/files/debian-12//linux',
    '/boot/files/a%2fb/linux',
    '/boot/files/a/..%5cb',
    '/boot/files/a/x%00y',
    '/boot/files/a/%ff',
    '/boot/files/a/%',
    `/boot/files/a/${'x'.repeat(2_000)}`,
  ])('%s leads nowhere', (url) => {
    expect(parseBootPath(url)).toEqual({ kind: 'unknown' });
  });
});

describe('byte ranges (RFC 9110 section 14)', () => {
  it.each([
    [undefined, 'all'],
    ['bytes=0-', { first: 0, last: 99 }],
    ['bytes=10-19', { first: 10, last: 19 }],
    ['bytes=90-200', { first: 90, last: 99 }],
    ['bytes=-10', { first: 90, last: 99 }],
    ['bytes=-1000', { first: 0, last: 99 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=20-10', 'all'],
    ['bytes=0-1,5-6', 'all'],
    ['bytes=-', 'all'],
    ['lines=1-2', 'all'],
    ['bytes=99999999999999999999-', 'all'],
  ])('%s of 100 bytes is %j', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});
