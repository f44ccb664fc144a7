/** netboot rule 15: how a UEFI machine boots its disk. */
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fillReport, readReport } from '../../../src/bootenvs/local-disk.js';

const script = readFileSync(path.join(process.cwd(), 'src', 'bootenvs', 'local-disk.cfg'), 'utf8');
const report = { loaderPath: '/EFI/debian/shimx64.efi', espUuid: 'ABCD-0123' };

describe('netboot rule 15: the disk of a UEFI machine', () => {
  it('tries what the installer reported, then the systems, then Windows, the removable path last', () => {
    const order = ['$reported_uuid', '/EFI/debian/shim', '/EFI/ubuntu/shim', '/EFI/rocky/shim', '/EFI/redhat/shim', '/EFI/fedora/shim', '/EFI/opensuse/shim'];
    const places = [...order, 'bootmgfw.efi', '/EFI/BOOT/$removable'].map((text) => script.indexOf(text));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(places[0]).toBeGreaterThan(0);
  });

  it('writes the report into the script, and into an image, without moving a byte', () => {
    const image = Buffer.concat([Buffer.from([0, 0xff, 0x80]), Buffer.from(script), Buffer.from([0xfe])]).toString('latin1');
    for (const text of [script, image]) {
      const filled = fillReport(text, report);
      expect(filled).toHaveLength(text.length);
      expect(filled).toMatch(/set reported_uuid='ABCD-0123 +'\nset reported_path='\/EFI\/debian\/shimx64\.efi +'/);
      expect(filled.at(-1)).toBe(text.at(-1));
    }
  });

  it('leaves the script as it is without a report, without a mark, or with one that does not fit', () => {
    expect(fillReport(script, undefined)).toBe(script);
    expect(fillReport('nothing', report)).toBe('nothing');
    expect(fillReport(script, { ...report, loaderPath: `/${'x'.repeat(250)}` })).toBe(script);
    expect(fillReport(script + script, report)).toBe(script + script);
  });

  it('reads what an installer stored, with the backslashes of firmware', () => {
    expect(readReport({ report: { loader_path: '\\EFI\\debian\\shimx64.efi', esp_uuid: 'abcd-0123' } })).toEqual(report);
  });

  it.each([
    undefined,
    null,
    {},
    { report: null },
    { report: { loader_path: '/EFI/x.efi', esp_uuid: null } },
    { report: { loader_path: "/EFI/x'; reboot; '.efi", esp_uuid: 'ABCD-0123' } },
    { report: { loader_path: '/EFI/$(id)', esp_uuid: 'ABCD-0123' } },
    { report: { loader_path: '/EFI/../../x', esp_uuid: 'ABCD-0123' } },
    { report: { loader_path: '/EFI/x.efi', esp_uuid: "A' 'B" } },
  ])('attack 23: has no use for %j', (spec) => {
    expect(readReport(spec)).toBeUndefined();
  });
});
