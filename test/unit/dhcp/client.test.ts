import { describe, it, expect } from '@jest/globals';
import { architectureName, describeClient } from '../../../src/dhcp/client.js';
import { parsePacket } from '../../../src/dhcp/packet.js';
import { fixture, request } from '../../support/dhcp-request.js';

function clientOf(name: string) {
  const packet = parsePacket(fixture(name));
  if (!packet.ok) throw new Error(packet.error);
  return describeClient(packet.value);
}

describe('describeClient', () => {
  it.each([
    ['ovmf-pxe-discover', 'pxe', 'uefi-x64', 7],
    ['ovmf-http-discover', 'http', 'uefi-x64', 16],
    ['ipxe-rom-discover', 'ipxe', 'bios', 0],
    ['udhcpc-discover', 'other', 'unknown', undefined],
    ['intel-boot-agent-discover', 'pxe', 'bios', 0],
    ['rpi4-discover', 'pxe', 'bios', 0],
    ['dhclient-renew-relayed', 'other', 'unknown', undefined],
  ])('%s is %s on %s', (name, stage, firmware, architecture) => {
    expect(clientOf(name)).toMatchObject({ stage, firmware, architecture });
  });

  it('reads UUID, client id and host name', () => {
    expect(clientOf('ipxe-rom-discover')).toMatchObject({
      mac: '52:54:00:77:00:03',
      clientId: Buffer.from('01525400770003', 'hex'),
      uuid: Buffer.from('0000000000000000408000000000000003', 'hex'),
    });
    expect(clientOf('dhclient-renew-relayed').hostName).toBe('node-7');
  });

  it.each([
    ['bare user class', { 77: 'iPXE' }, 'ipxe'],
    ['user class in the form of RFC 3004', { 77: Buffer.from('\x04iPXE') }, 'ipxe'],
    ['option 175 alone', { 175: Buffer.from([19, 1, 1]) }, 'ipxe'],
    ['another user class', { 77: 'iPXE-lookalike', 60: 'PXEClient' }, 'pxe'],
    ['U-Boot with an architecture', { 60: 'U-Boot.armv8', 93: Buffer.from([0, 22]) }, 'pxe'],
    ['no class at all', {}, 'other'],
  ])('tells the boot stage by %s', (_, options, stage) => {
    expect(describeClient(request({ type: 1, options })).stage).toBe(stage);
  });

  it('takes the architecture from the vendor class when option 93 is absent or malformed', () => {
    const vendorClass = 'PXEClient:Arch:00011:UNDI:003000';
    expect(describeClient(request({ options: { 60: vendorClass } })).firmware).toBe('uefi-arm64');
    expect(describeClient(request({ options: { 60: vendorClass, 93: Buffer.from([7]) } })).firmware).toBe('uefi-arm64');
  });

  it('attack 14: takes 9 as x64, knows no firmware for an unassigned number, and BIOS when nothing is said', () => {
    const firmwareOf = (options: Record<number, Buffer | string>) => describeClient(request({ options: { 60: 'PXEClient', ...options } })).firmware;
    expect(firmwareOf({ 93: Buffer.from([0, 9]) })).toBe('uefi-x64');
    expect(firmwareOf({ 93: Buffer.from([0xff, 0xff]) })).toBe('unknown');
    expect(firmwareOf({})).toBe('bios');
    expect([architectureName(7), architectureName(999), architectureName(undefined)]).toEqual(['x64 UEFI', 'unassigned (999)', 'not said']);
  });
});
