/** Files of other servers as those servers read and write them (test/fixtures/import, checked with the servers' own -t). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Found } from '../../../src/interchange/import/found.js';
import { detectFormat, IMPORT_FORMATS, readForeign, type ImportFormat } from '../../../src/interchange/import/read.js';

const fixture = (name: string): string => readFileSync(path.join('test', 'fixtures', 'import', name), 'utf8');
const read = (name: string): Found => {
  const text = fixture(name);
  return readForeign(text, detectFormat(text) ?? 'isc');
};
const brief = ({ hosts }: Found) => hosts.map(({ line, mac, address, hostname }) => [line, mac.slice(-5), address, hostname]);
const said = ({ problems }: Found) => problems.map(({ line, message, blocking }) => [line, blocking, message]);

describe('which file it is', () => {
  it.each<[string, ImportFormat | undefined]>([
    ['dhcpd.conf', 'isc'],
    ['dhcpd.leases', 'isc'],
    ['dnsmasq.conf', 'dnsmasq'],
    ['dnsmasq.hosts', 'dnsmasq'],
    ['dnsmasq.leases', 'dnsmasq-leases'],
    ['kea-dhcp4.conf', 'kea'],
    ['kea-leases4.csv', 'kea-leases'],
  ])('%s', (name, format) => expect(detectFormat(fixture(name))).toBe(format));

  it('a text of none of them is none', () => {
    expect(detectFormat('127.0.0.1 localhost\n')).toBeUndefined();
  });
});

describe('ISC dhcpd', () => {
  it('gives hosts with a MAC and a fixed address, wherever they are nested, and the subnets', () => {
    const found = read('dhcpd.conf');
    expect(brief(found)).toEqual([
      [12, '00:01', '192.168.10.11', 'cisco1'],
      [13, '00:02', '192.168.10.12', null],
    ]);
    expect(found.subnets).toEqual(['192.168.10.0/24']);
    expect(said(found)).toEqual([
      [4, false, 'include "/dev/null" names another file, which is not read with this one'],
      [13, false, 'the name "node{2}" is none that DNS takes; the address is imported without it'],
      [15, true, 'fixed-address localhost of host by-name is a name, which only that server can look up'],
      [16, false, 'host nowhere has no fixed-address: there is nothing to reserve'],
      [17, true, 'host token has no hardware ethernet that is a MAC'],
    ]);
  });

  it('takes the last word on a lease, and hosts of OMAPI that were not taken away', () => {
    const found = read('dhcpd.leases');
    expect(found.hosts.map(({ kind, address, hostname, expiresAt }) => [kind, address, hostname, expiresAt])).toEqual([
      ['lease', '192.168.10.101', 'node2', 1_795_381_200],
      ['lease', '192.168.10.100', null, Date.UTC(2026, 10, 21, 22) / 1000],
      ['lease', '192.168.10.102', null, null],
      ['reservation', '192.168.10.17', 'cisco7', null],
    ]);
  });

  it('says where the braces do not match', () => {
    expect(said(readForeign('group {\nhost a {\n}\n', 'isc'))).toEqual([[1, true, 'the braces of this declaration do not match']]);
    expect(said(readForeign('}\n', 'isc'))).toEqual([[1, true, 'the braces of this declaration do not match']]);
  });
});

describe('dnsmasq', () => {
  it('gives dhcp-host lines, in whatever order their fields stand', () => {
    const found = read('dnsmasq.conf');
    expect(brief(found)).toEqual([
      [4, '00:01', '10.162.230.11', 'ses-node1'],
      [5, '00:02', '10.162.230.12', 'ses-node2.example.com'],
      [6, '00:03', '10.162.230.13', null],
    ]);
    expect(said(found).map(([line, blocking]) => [line, blocking])).toEqual([
      [6, true],
      [7, true],
      [8, false],
      [9, false],
      [10, false],
    ]);
  });

  it('gives the lines of a hosts file, and leases up to those of IPv6', () => {
    expect(brief(read('dnsmasq.hosts'))).toEqual([
      [1, '00:11', '10.162.230.21', 'node21'],
      [2, '00:12', '10.162.230.22', 'node22'],
    ]);
    const leases = read('dnsmasq.leases');
    expect([brief(leases), leases.hosts.map(({ expiresAt }) => expiresAt), leases.problems]).toEqual([
      [
        [1, '00:21', '10.162.230.200', null],
        [2, '00:22', '10.162.230.201', 'node31'],
      ],
      [1_795_381_200, null],
      [],
    ]);
  });
});

describe('Kea', () => {
  it('gives reservations of the server, of subnets and of shared networks, with the lines they stand on', () => {
    const found = read('kea-dhcp4.conf');
    expect(brief(found)).toEqual([
      [8, '00:01', '10.20.0.11', null],
      [12, '00:02', '10.21.0.12', 'node12.rack.example'],
      [20, '00:03', '10.20.1.13', null],
    ]);
    expect(found.subnets).toEqual(['10.20.0.0/23', '10.21.0.0/24']);
    expect(said(found)).toEqual([
      [8, false, 'the name "a // b" is none that DNS takes; the address is imported without it'],
      [21, true, 'a reservation by circuit-id'],
      [22, false, '52:54:00:dd:00:05 has no ip-address: there is nothing to reserve'],
    ]);
  });

  it('gives leases that are assigned, by the last row of each address', () => {
    const found = read('kea-leases4.csv');
    expect(brief(found)).toEqual([
      [2, '00:21', '10.20.0.100', 'node21.rack.example'],
      [6, '00:24', '10.20.0.103', null],
    ]);
  });

  it('says where it is no JSON, and when there is no Dhcp4', () => {
    expect(said(readForeign('{\n  "Dhcp4": {\n', 'kea'))[0]?.slice(0, 2)).toEqual([3, true]);
    expect(said(readForeign('[1]', 'kea'))).toEqual([[1, true, 'there is no Dhcp4 in this file']]);
  });
});

describe('any text', () => {
  const words = [
    '{',
    '}',
    ';',
    'host a',
    'lease 10.0.0.1',
    '"',
    '\\',
    '#',
    ',',
    '52:54:00:00:00:01',
    '10.0.0.1',
    'dhcp-host=',
    '\n',
    'ends',
    '"Dhcp4":',
    '[',
    ']',
    '0',
  ];
  it.each(IMPORT_FORMATS)('as %s throws nothing, and each thing has a line of the text', (format) => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.constantFrom(...words)).map((each) => each.join(' ')),
        ),
        (text) => {
          const { hosts, problems } = readForeign(text, format);
          const lines = text.split('\n').length;
          for (const { line } of [...hosts, ...problems]) expect(line >= 1 && line <= lines + 1).toBe(true);
        },
      ),
    );
  });
});
