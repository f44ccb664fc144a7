import { describe, expect, it } from '@jest/globals';
import { readTableHint } from '../../../src/dhcp/hints.js';
import { readEntryRecords, readReservationRecords } from '../../../src/dhcp/table-records.js';

const row = (...columns: string[]): string => columns.join('\u001f');
const ENTRY = row('52:54:00:00:00:01', '7', 'n7', 'debian-12', 'f', 'f', '{}');

describe('entries in one text', () => {
  it('are read in order, with options, or as gone', () => {
    const options = '{"root-path": "/a", "nonsense": 1}';
    const text = [ENTRY, row('52:54:00:00:00:02', '8', '', 'local', 't', 'f', options), row('52:54:00:00:00:03', '9', 'n9', 'local', 't', 't', '{}')].join(
      '\u001e',
    );
    const { records, unreadable } = readEntryRecords(text);
    expect(unreadable).toEqual([]);
    expect(records).toMatchObject([
      { mac: '52:54:00:00:00:01', entry: { nodeId: 7, hostName: 'n7', bootenv: 'debian-12', bootLocal: false }, problems: [] },
      { mac: '52:54:00:00:00:02', entry: { nodeId: 8, hostName: '', bootLocal: true }, problems: [expect.stringContaining('nonsense')] },
      { mac: '52:54:00:00:00:03', entry: undefined },
    ]);
    expect(records[1]?.entry?.options.get(17)?.toString()).toBe('/a');
  });

  it.each([
    ['with a column too many', row(ENTRY, 'x')],
    ['with a column too few', ENTRY.slice(0, ENTRY.lastIndexOf('\u001f'))],
    ['that is empty', ''],
  ])('leave out a row %s, and only that', (_what, wrong) => {
    const { records, unreadable } = readEntryRecords([ENTRY, wrong, ENTRY].join('\u001e'));
    expect([records.length, unreadable]).toEqual([2, [wrong]]);
  });

  it('never throw, cut anywhere', () => {
    const text = [row('52:54:00:00:00:02', '8', 'n8', 'local', 't', 'f', '{"root-path": "/a"}'), ENTRY].join('\u001e');
    for (let end = 0; end <= text.length; end += 1) expect(() => readEntryRecords(text.slice(0, end))).not.toThrow();
  });
});

it('reservations in one text are read with what they lack', () => {
  const text = [row('10.0.0.7', '52:54:00:00:00:01', 'f', ''), row('10.0.0.8', '', 't', 'bmc-8')].join('\u001e');
  expect(readReservationRecords(3, text)).toEqual([
    { network_id: 3, address: '10.0.0.7', mac: '52:54:00:00:00:01', unmanaged: false, hostname: '' },
    { network_id: 3, address: '10.0.0.8', mac: '', unmanaged: true, hostname: 'bmc-8' },
  ]);
});

it.each([
  ['12\u001drecords', { revision: 12n, records: 'records' }],
  ['12', undefined],
  ['join', undefined],
  ['\u001drecords', undefined],
  ['x\u001drecords', undefined],
])('reads the hint %j', (payload, expected) => expect(readTableHint(payload)).toEqual(expected));
