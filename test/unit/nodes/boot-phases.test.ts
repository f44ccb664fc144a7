import { describe, expect, it } from '@jest/globals';
import { latestPhases, phaseOfDhcp, type PhaseSeen } from '../../../src/nodes/boot-phases.js';

const seen = (ms: number, phase: PhaseSeen['phase']): PhaseSeen => ({ mac: 'aa:00:00:00:00:01', kind: 'k', phase, detail: '', at: new Date(ms) });

describe('latestPhases', () => {
  it('keeps the newest step of a MAC, whatever the order in the batch', () => {
    expect(latestPhases([seen(2, 'tftp'), seen(1, 'dhcp')]).get('aa:00:00:00:00:01')?.phase).toBe('tftp');
  });
  it('keeps the later of two at one instant', () =>
    expect(latestPhases([seen(1, 'script'), seen(1, 'kernel')]).get('aa:00:00:00:00:01')?.phase).toBe('kernel'));
  it('leaves out what says nothing about the phase', () => expect(latestPhases([seen(1, null)]).size).toBe(0));
});

describe('phaseOfDhcp', () => {
  it.each([
    [{ ipxe: false, vendorClass: 'PXEClient:Arch:00000:UNDI:002001' }, 'dhcp'],
    [{ ipxe: false, vendorClass: 'HTTPClient:Arch:00016' }, 'dhcp'],
    [{ ipxe: true, vendorClass: 'PXEClient:Arch:00000' }, 'ipxe'],
    [{ ipxe: false, vendorClass: 'udhcp 1.35.0' }, null],
    [{ ipxe: false, vendorClass: null }, null],
  ])('tells firmware, loader and operating system apart: %j', (client, phase) => expect(phaseOfDhcp(client)).toBe(phase));
});
