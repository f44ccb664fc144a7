import { describe, expect, it } from '@jest/globals';
import { identifyMachine, isUnicastMac, realSerial, realUuid, type Candidate, type Fingerprint } from '../../../src/nodes/identity.js';

const UUID_A = '4c4c4544-0051-3510-8052-b4c04f4a4e31';
const UUID_B = '30303133-3031-4e43-3532-303358343137';
const machine = (more: Partial<Fingerprint> = {}): Fingerprint => ({ uuid: UUID_A, serial: 'A1', macs: ['aa:00:00:00:00:01', 'aa:00:00:00:00:02'], ...more });
const candidate = (more: Partial<Candidate> = {}): Candidate => ({
  nodeId: 1,
  name: 'n1',
  uuid: UUID_A,
  serial: 'A1',
  sharedMacs: ['aa:00:00:00:00:01'],
  ...more,
});

describe('realUuid', () => {
  it.each([
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    '11111111-1111-1111-1111-111111111111',
    '',
    'Not Settable',
    '4c4c4544',
  ])('takes %p for a placeholder', (text) => expect(realUuid(text)).toBeNull());
  it('keeps a real one, in lower case', () => expect(realUuid(UUID_A.toUpperCase())).toBe(UUID_A));
});

describe('realSerial', () => {
  it.each(['', 'None', 'To Be Filled By O.E.M.', 'Default string', '0', '0123456789', 'System Serial Number', 'Not Specified', 'n/a'])(
    'takes %p for a filler',
    (text) => expect(realSerial(text)).toBeNull(),
  );
  it('keeps a real one', () => expect(realSerial(' CZJ1234 ')).toBe('CZJ1234'));
});

describe('isUnicastMac', () => {
  it('refuses zero, broadcast and multicast', () => {
    expect(['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '52:54:00:00:00:01'].map(isUnicastMac)).toEqual([false, false, false, true]);
  });
});

describe('identifyMachine', () => {
  it('makes a new node of a machine nobody knows', () => expect(identifyMachine(machine(), [])).toEqual({ kind: 'new' }));

  it('knows a machine that boots from another of its NICs', () => {
    expect(identifyMachine(machine(), [candidate({ sharedMacs: ['aa:00:00:00:00:02'] })])).toMatchObject({ kind: 'known', nodeId: 1 });
  });

  it('takes a node registered by MAC alone for the machine', () => {
    expect(identifyMachine(machine(), [candidate({ uuid: null, serial: null })])).toMatchObject({ kind: 'known', nodeId: 1 });
  });

  it('knows a machine without a UUID by its MAC', () => {
    expect(identifyMachine(machine({ uuid: null, serial: null }), [candidate()])).toMatchObject({ kind: 'known', nodeId: 1 });
  });

  it('makes a machine with the UUID of another and none of its NICs a node of its own, with an alarm', () => {
    const answer = identifyMachine(machine(), [candidate({ sharedMacs: [] })]);
    expect(answer).toMatchObject({ kind: 'new-with-alarm' });
  });

  it('does not take a machine with one NIC of another and a different UUID for the other', () => {
    expect(identifyMachine(machine({ uuid: UUID_B }), [candidate()])).toMatchObject({ kind: 'refused', nodeId: 1 });
  });

  it('lets the serial number contradict where a UUID is missing', () => {
    expect(identifyMachine(machine({ uuid: null, serial: 'B2' }), [candidate()])).toMatchObject({ kind: 'refused' });
  });

  it('refuses a machine that has NICs of two nodes and proves to be neither', () => {
    const twins = [candidate({ uuid: null }), candidate({ nodeId: 2, name: 'n2', uuid: null, sharedMacs: ['aa:00:00:00:00:02'] })];
    expect(identifyMachine(machine({ uuid: null }), twins)).toMatchObject({ kind: 'refused' });
  });

  it('chooses, of two nodes with its NICs, the one whose UUID it has, and leaves the other its NIC', () => {
    const both = [candidate(), candidate({ nodeId: 2, name: 'n2', uuid: null, serial: null, sharedMacs: ['aa:00:00:00:00:02'] })];
    expect(identifyMachine(machine(), both)).toEqual({ kind: 'known', nodeId: 1, foreign: ['aa:00:00:00:00:02'] });
  });
});
