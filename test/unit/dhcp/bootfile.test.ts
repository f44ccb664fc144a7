import { describe, it, expect } from '@jest/globals';
import { chooseBootfile, DEFAULT_LOADERS, type BootAnswer } from '../../../src/dhcp/bootfile.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { parsePacket } from '../../../src/dhcp/packet.js';
import { fixture, ip, request } from '../../support/dhcp-request.js';

const SETTINGS = { bootHost: ip('10.7.0.2'), bootHttpPort: 8080, loaders: DEFAULT_LOADERS, isProxy: false };
const INSTALL = { bootenv: 'debian-12', bootLocal: false };
const LOCAL = { bootenv: 'local', bootLocal: true };

function clientOf(name: string) {
  const packet = parsePacket(fixture(name));
  if (!packet.ok) throw new Error(packet.error);
  return describeClient(packet.value);
}

function answer(name: string, boot = INSTALL, mayBoot = true): BootAnswer {
  const chosen = chooseBootfile(clientOf(name), boot, mayBoot, SETTINGS);
  if (typeof chosen === 'string') throw new Error(chosen);
  return chosen;
}

describe('chooseBootfile', () => {
  it('netboot rule 4: gives PXE firmware its loader, option 60 PXEClient and option 43 = 06 01 08 ff', () => {
    expect(answer('ovmf-pxe-discover')).toEqual({
      vendorClass: 'PXEClient',
      vendorOptions: Buffer.from('060108ff', 'hex'),
      nextServer: ip('10.7.0.2'),
      serverName: '10.7.0.2',
      bootFile: 'snponly.efi',
      ipxeOptions: undefined,
    });
    expect(answer('intel-boot-agent-discover').bootFile).toBe('undionly.kpxe');
  });

  it('netboot rule 12: gives UEFI HTTP Boot an absolute URL and option 60 HTTPClient without option 43', () => {
    expect(answer('ovmf-http-discover')).toMatchObject({
      vendorClass: 'HTTPClient',
      vendorOptions: undefined,
      bootFile: 'http://10.7.0.2:8080/boot/loaders/snponly.efi',
    });
  });

  it('gives iPXE the URL of its script, never a loader, so that the second stage cannot loop', () => {
    for (const boot of [INSTALL, LOCAL]) {
      expect(answer('ipxe-rom-discover', boot)).toMatchObject({
        vendorClass: undefined,
        bootFile: 'http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-03',
        ipxeOptions: Buffer.from('b00101', 'hex'),
      });
    }
  });

  it('gives firmware the loader for a node that boots its disk too: the script says so', () => {
    expect(answer('ovmf-pxe-discover', LOCAL).bootFile).toBe('snponly.efi');
  });

  it('engine rule 6: keeps boot files back when the server lease ended, except for a local boot', () => {
    expect(chooseBootfile(clientOf('ipxe-rom-discover'), INSTALL, false, SETTINGS)).toMatch(/withheld/);
    expect(answer('ipxe-rom-discover', LOCAL, false).bootFile).toMatch(/^http:/);
  });

  it('netboot rule 11: gives a Raspberry Pi its own menu and loader though it says BIOS', () => {
    const pi = answer('rpi4-discover');
    expect(pi.bootFile).toBe('bootcode.bin');
    expect(pi.vendorOptions?.toString('latin1')).toContain('Raspberry Pi Boot');
  });

  it('attack 14: gives an operating system no boot file, and an unknown architecture none either', () => {
    expect(chooseBootfile(clientOf('udhcpc-discover'), INSTALL, true, SETTINGS)).toBe('not a boot client');
    const unknown = describeClient(request({ options: { 60: 'PXEClient', 93: Buffer.from([1, 0]) } }));
    expect(chooseBootfile(unknown, INSTALL, true, SETTINGS)).toBe('unknown architecture');
  });
});
