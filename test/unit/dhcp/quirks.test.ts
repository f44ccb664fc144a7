import { describe, it, expect } from '@jest/globals';
import { chooseBootfile, DEFAULT_LOADERS, type BootAnswer, type NoBootFile } from '../../../src/dhcp/bootfile.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { quirks, quirksOf } from '../../../src/dhcp/quirks.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';

const SETTINGS = { bootHost: ip('10.7.0.2'), bootHttpPort: 8080, loaders: DEFAULT_LOADERS, isProxy: false };
const arch = (number: number): Buffer => Buffer.from([number >>> 8, number & 255]);

function bootOf(words: RequestWords): BootAnswer | NoBootFile {
  return chooseBootfile(describeClient(request({ type: 1, ...words })), { bootenv: 'debian-12', bootLocal: false }, true, SETTINGS);
}

function fileOf(words: RequestWords): string {
  const boot = bootOf(words);
  return typeof boot === 'string' ? `none: ${boot}` : boot.bootFile;
}

describe('the loader by what firmware says of itself', () => {
  it.each<[string, string, number | undefined, string]>([
    ['BIOS', 'PXEClient:Arch:00000:UNDI:002001', 0, 'undionly.kpxe'],
    ['BIOS that says nothing', 'PXEClient', undefined, 'undionly.kpxe'],
    ['BIOS that says it in the class alone', 'PXEClient:Arch:00000:UNDI:002001', undefined, 'undionly.kpxe'],
    ['UEFI ia32', 'PXEClient:Arch:00006:UNDI:003000', 6, 'grubia32.efi'],
    ['UEFI x64', 'PXEClient:Arch:00007:UNDI:003016', 7, 'snponly.efi'],
    ['UEFI x64 as EBC', 'PXEClient:Arch:00009:UNDI:003016', 9, 'snponly.efi'],
    ['UEFI arm64', 'PXEClient:Arch:00011:UNDI:003000', 11, 'grubaa64.efi'],
    ['U-Boot arm64 with EFI', 'PXEClient:Arch:00011:UNDI:003000', 11, 'grubaa64.efi'],
    ['HTTP Boot x64', 'HTTPClient:Arch:00016:UNDI:003001', 16, 'http://10.7.0.2:8080/boot/loaders/snponly.efi'],
    ['HTTP Boot arm64', 'HTTPClient:Arch:00019:UNDI:003001', 19, 'http://10.7.0.2:8080/boot/loaders/grubaa64.efi'],
    ['HTTP Boot that says a TFTP architecture', 'HTTPClient:Arch:00007:UNDI:003016', 7, 'http://10.7.0.2:8080/boot/loaders/snponly.efi'],
    ['Itanium', 'PXEClient:Arch:00002:UNDI:002001', 2, 'none: unknown architecture'],
    ['PowerPC', 'PXEClient', 12, 'none: unknown architecture'],
    ['RISC-V 64', 'PXEClient', 27, 'none: no loader for this architecture'],
    ['U-Boot arm64', 'U-Boot.armv8', 22, 'grubaa64.efi'],
  ])('%s', (_, vendorClass, architecture, expected) => {
    expect(fileOf({ options: { 60: vendorClass, ...(architecture === undefined ? {} : { 93: arch(architecture) }) } })).toBe(expected);
  });

  it.each([42, 255, 256, 4096, 65_535])('attack 14: gives architecture %d, which nobody assigned, no file', (number) => {
    expect(fileOf({ options: { 60: 'PXEClient', 93: arch(number) } })).toBe('none: unknown architecture');
    expect(fileOf({ options: { 60: 'HTTPClient', 93: arch(number) } })).toBe('none: unknown architecture');
  });

  it.each([{ 77: 'iPXE' }, { 175: Buffer.from([19, 1, 1]) }, { 77: 'iPXE', 60: 'HTTPClient:Arch:00016', 93: arch(16) }])(
    'never gives iPXE a loader, whatever else it says: %j',
    (options) => {
      expect(fileOf({ options: { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: arch(7), ...options } })).toBe('http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-01');
    },
  );
});

describe('quirks', () => {
  const PI = { 60: 'PXEClient:Arch:00000:UNDI:002001', 93: arch(0) };

  it('netboot rule 11: takes a Raspberry Pi by OUI or UUID for what it is, and an Intel ROM of the same class for BIOS', () => {
    expect(fileOf({ mac: 'dc:a6:32:00:00:01', options: PI })).toBe('bootcode.bin');
    expect(fileOf({ options: { ...PI, 97: Buffer.from('0052506934000000000000000000000000', 'hex') } })).toBe('bootcode.bin');
    expect(fileOf({ options: PI })).toBe('undionly.kpxe');
  });

  it('netboot rule 11: says which rows a client hit', () => {
    const names = (words: RequestWords): string[] => quirksOf(describeClient(request({ type: 1, ...words }))).map((quirk) => quirk.name);
    expect(names({ mac: 'b8:27:eb:00:00:01', options: PI })).toEqual(['raspberry-pi']);
    expect(names({ options: { 60: 'PXEClient', 93: arch(9) } })).toEqual(['ebc-means-x64']);
    expect(names({ options: { 60: 'HTTPClient', 93: arch(7) } })).toEqual(['http-boot-says-pxe-architecture']);
    expect(names({ options: { 60: 'PXEClient' } })).toEqual(['pxe-without-architecture']);
    expect(names({ options: { 60: 'PXEClient', 93: arch(7) } })).toEqual([]);
  });

  it('netboot rule 11: says of each row whom it is for, what it changes and where that was learned', () => {
    for (const quirk of quirks) for (const text of [quirk.who, quirk.change, quirk.source]) expect(text.length).toBeGreaterThan(10);
    expect(new Set(quirks.map((quirk) => quirk.name)).size).toBe(quirks.length);
  });
});
