import { describe, expect, it } from '@jest/globals';
import { phaseOfDhcp } from '../../../src/nodes/boot-phases.js';

describe('phaseOfDhcp', () => {
  it.each([
    [{ ipxe: false, vendorClass: 'PXEClient:Arch:00000:UNDI:002001' }, 'dhcp'],
    [{ ipxe: false, vendorClass: 'HTTPClient:Arch:00016' }, 'dhcp'],
    [{ ipxe: true, vendorClass: 'PXEClient:Arch:00000' }, 'ipxe'],
    [{ ipxe: false, vendorClass: 'udhcp 1.35.0' }, null],
    [{ ipxe: false, vendorClass: null }, null],
  ])('tells firmware, loader and operating system apart: %j', (client, phase) => expect(phaseOfDhcp(client)).toBe(phase));
});
