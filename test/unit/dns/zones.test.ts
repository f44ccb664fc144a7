import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RecordType } from '../../../src/dns/codes.js';
import { zoneFile, zoneFileName } from '../../../src/dns/export.js';
import { isWithin, keyText, nameKey, parentKey } from '../../../src/dns/name.js';
import { Naming, planZones, reverseZones } from '../../../src/dns/names.js';
import { ipv6Data } from '../../../src/dns/record.js';
import { parseAddressPort } from '../../../src/shared/ipv4.js';
import { RateLimit } from '../../../src/dns/rate-limit.js';
import { defaultSettings, Zone, type ZoneSet } from '../../../src/dns/zone-set.js';
import { ROWS, zonesOf } from './support.js';

const key = (name: string) => nameKey(name) ?? '';
const names = (zones: ZoneSet) => zones.zones().map((zone) => keyText(zone.settings.apex));
const owners = (zone: Zone | undefined, type: number) => [...(zone?.sets() ?? [])].filter(({ set }) => set.type === type).map(({ owner }) => keyText(owner));

describe('names', () => {
  it.each(['', '.', 'a..b', 'a b', 'a.b;', '-a', 'a\n', 'a"', 'é', 'x'.repeat(64), `${'a.'.repeat(127)}bb`])('%j is no host name', (text) => {
    expect(nameKey(text)).toBeUndefined();
  });

  it('attack 7: bytes that are syntax are written as numbers, in zone files and logs', () => {
    expect(keyText('\x04a\n;"\x03b.c\0')).toBe('a\\010\\;\\".b\\.c.');
    expect(keyText('\x02\x1b[\0')).toBe('\\027\\[.');
  });

  it('a name and its parents', () => {
    expect(parentKey(key('a.b.c'))).toBe(key('b.c'));
    expect(isWithin(key('a.b.c'), key('b.c'))).toBe(true);
    expect(isWithin(key('xb.c'), key('b.c'))).toBe(false);
    // The last bytes alone do not make it a child: `\x04a\x01bc` is one label.
    expect(isWithin('\x05a\x01b\x01c\0', key('b.c'))).toBe(false);
  });
});

describe('zones', () => {
  it.each([
    ['10.0.0.0/24', ['0.0.10.in-addr.arpa']],
    ['10.0.0.128/25', ['0.0.10.in-addr.arpa']],
    ['172.20.0.0/16', ['20.172.in-addr.arpa']],
    ['10.9.0.0/22', ['0.9.10.in-addr.arpa', '1.9.10.in-addr.arpa', '2.9.10.in-addr.arpa', '3.9.10.in-addr.arpa']],
    ['10.0.0.0/8', ['10.in-addr.arpa']],
    ['nonsense', []],
  ])('%s has the reverse zones %j', (subnet, wanted) => {
    expect(reverseZones(subnet).map((zone) => keyText(zone).slice(0, -1))).toEqual(wanted);
  });

  it('are one of each domain, one for the addresses, and those the operator made', () => {
    const zones = zonesOf({
      zones: [
        {
          id: 1,
          name: 'lab.example',
          filter: { categories: ['admin'] },
          template: '{{node}}{{suffix}}',
          ttl: 5,
          nameservers: ['ns1.lab.example'],
          contact: 'root@lab.example',
          secondaries: ['10.0.0.2:5300'],
        },
      ],
    });
    expect(names(zones)).toEqual([
      'rack.example.',
      'lab.example.',
      '0.0.10.in-addr.arpa.',
      '20.172.in-addr.arpa.',
      '0.9.10.in-addr.arpa.',
      '1.9.10.in-addr.arpa.',
      '2.9.10.in-addr.arpa.',
      '3.9.10.in-addr.arpa.',
    ]);
    const lab = zones.zone(key('lab.example'));
    expect(lab?.settings).toMatchObject({
      ttl: 5,
      nameservers: [key('ns1.lab.example')],
      contact: key('root.lab.example'),
      secondaries: [{ address: '10.0.0.2', port: 5300 }],
    });
    expect(owners(lab, RecordType.A)).toEqual(['ns.lab.example.', 'ctrl1.lab.example.']);
    // The address leads back to the machine's own name.
    expect(owners(zones.zone(key('0.0.10.in-addr.arpa')), RecordType.PTR)).toEqual(['5.0.0.10.in-addr.arpa.']);
  });

  it.each([
    ['roles', { roles: ['ceph'] }, ['b']],
    ['deployments', { deployments: ['prod'] }, ['a']],
    ['networks', { networks: ['vm'] }, ['b']],
    ['both', { networks: ['vm'], deployments: ['prod'] }, []],
  ])('take allocations by %s', (_what, filter, wanted) => {
    const zones = zonesOf({
      zones: [{ id: 1, name: 'z.example', filter, template: null, ttl: null, nameservers: [], contact: null, secondaries: [] }],
      allocations: [
        { id: 1, network_id: 1, address: '10.0.0.5', hostname: null, node: 'a', deployment: 'prod', roles: [] },
        { id: 2, network_id: 2, address: '172.20.0.5', hostname: null, node: 'b', deployment: 'test', roles: ['ceph', 'web'] },
      ],
    });
    const found = owners(zones.zone(key('z.example')), RecordType.A).filter((name) => !name.startsWith('ns.'));
    expect(found.map((name) => name[0])).toEqual(wanted);
  });

  it('attack 7: a name that is no host name has no records, and nothing of it reaches the file', () => {
    const evil = 'x\n@ IN NS evil.example.\n';
    const zones = zonesOf({
      allocations: [{ id: 9, network_id: 1, address: '10.0.0.9', hostname: evil, node: null, deployment: null, roles: [] }],
      written: [{ id: 1, name: 'note.rack.example', type: 'TXT', value: 'a"\n$INCLUDE /etc/passwd \u001b[2J' }],
    });
    const file = zoneFile(zones.zone(key('rack.example')) ?? new Zone(defaultSettings('\0', 1, '\0')), 7);
    expect(file).not.toContain('evil');
    expect(file).toContain('note.rack.example. 60 IN TXT "a\\"\\010$INCLUDE /etc/passwd \\027[2J"');
    expect(file.split('\n').every((line) => /^(\$ORIGIN|\S+ 60 IN )|^$/.test(line))).toBe(true);
  });

  it('a file holds every record, sorted, under a name that is no path', () => {
    const zone = zonesOf().zone(key('rack.example'));
    if (zone === undefined) throw new Error('no zone');
    expect(zoneFileName(zone)).toBe('rack.example.zone');
    expect(zoneFile(zone, 7)).toBe(
      [
        '$ORIGIN rack.example.',
        'rack.example. 60 IN SOA ns.rack.example. hostmaster.rack.example. 7 3600 600 1209600 60',
        'ctrl1-bmc.rack.example. 60 IN A 10.9.1.5',
        'ctrl1-vm.rack.example. 60 IN A 172.20.1.5',
        'ctrl1.rack.example. 60 IN A 10.0.0.5',
        'ns.rack.example. 60 IN A 10.0.0.1',
        'rack.example. 60 IN NS ns.rack.example.',
        'switch1.rack.example. 60 IN A 10.9.1.6',
        '',
      ].join('\n'),
    );
  });

  it('one by one in any order leaves what a fresh build has', () => {
    const pool = Array.from({ length: 12 }, (_, index) => ({
      ...ROWS.allocations[index % 4],
      id: (index % 6) + 1,
      address: `10.0.0.${index + 20}`,
      node: `n${index % 3}.a.rack.example`,
      network_id: 1,
      hostname: null,
    }));
    const dump = (zones: ZoneSet) => zones.zones().map((zone) => zoneFile(zone, 1));
    fc.assert(
      fc.property(fc.array(fc.record({ id: fc.integer({ min: 1, max: 6 }), row: fc.option(fc.nat(11), { nil: undefined }) }), { maxLength: 30 }), (steps) => {
        const zones = zonesOf({ allocations: [] });
        const last = new Map<number, (typeof pool)[number]>();
        const naming = namingOf();
        for (const { id, row } of steps) {
          const allocation = row === undefined ? undefined : { ...pool[row], id, address: `10.0.0.${id * 12 + row}` };
          zones.put(id, allocation === undefined ? [] : naming.recordsOf(allocation));
          if (allocation === undefined) last.delete(id);
          else last.set(id, allocation);
        }
        expect(dump(zones)).toEqual(dump(zonesOf({ allocations: [...last.values()] })));
      }),
      { numRuns: 200 },
    );
  });
});

function namingOf() {
  return new Naming(ROWS.networks, ROWS.zones, planZones(ROWS.networks, ROWS.zones));
}

describe('small parsers', () => {
  it.each([
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::5:0', '20010db8000000000000000000050000'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['fe80::1%eth0', undefined],
    ['10.0.0.1', undefined],
  ])('IPv6 %s', (text, hex) => {
    expect(ipv6Data(text)?.toString('hex')).toBe(hex);
  });

  it.each(['', '10.0.0.5:', '10.0.0.5:0', '10.0.0.5:70000', 'host', '10.0.0.5:53:1'])('%j is no address with a port', (text) => {
    expect(parseAddressPort(text, 53)).toBeUndefined();
  });
});

describe('rate limit', () => {
  it('answers a burst, then as many as the rate allows, and sends every second one over it to TCP', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 3 });
    const verdicts = (times: number, at: number) => Array.from({ length: times }, () => limit.take('192.0.2.7', at));
    expect(verdicts(7, 0)).toEqual(['answer', 'answer', 'answer', 'drop', 'truncate', 'drop', 'truncate']);
    expect(verdicts(2, 100)).toEqual(['answer', 'drop']);
    expect(limit.take('192.0.3.7', 100)).toBe('answer');
  });

  it('remembers a bounded number of sources, whatever is forged', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 });
    for (let index = 0; index < 50_000; index += 1) limit.take(`${index >> 16}.${(index >> 8) & 255}.${index & 255}.1`, 0);
    expect(limit.size).toBeLessThanOrEqual(20_000);
  });
});
