import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dnsmasqHosts, dnsmasqOptionsFile, readReloadLog } from '../../../src/interchange/dnsmasq.js';
import { hostRecords, type HostRow } from '../../../src/interchange/host-records.js';
import { iscHosts } from '../../../src/interchange/isc-dhcpd.js';
import { planLinks } from '../../../src/interchange/pxelinux-links.js';

const PLACE = { host: '192.0.2.9', httpPort: 8191 };
const row = (words: Partial<HostRow>): HostRow => ({
  mac: '52:54:00:00:00:01',
  address: '10.0.0.5',
  hostname: 'n1.example.net',
  bootenv: 'debian-12',
  boot_local: false,
  ...words,
});

describe('the files of the site’s servers', () => {
  const hosts = hostRecords([
    row({}),
    row({ mac: '52:54:00:00:00:02', hostname: 'n1', bootenv: 'local', boot_local: true }),
    row({ mac: '52:54:00:00:00:03', bootenv: null }),
  ]);

  it('have one line a machine for dnsmasq, and one name a host', () => {
    expect(dnsmasqHosts(hosts, true).split('\n').slice(1)).toEqual([
      '52:54:00:00:00:01,id:*,set:prybar,set:prybar-network,set:prybar-env-debian-12,10.0.0.5,n1',
      '52:54:00:00:00:02,id:*,set:prybar,set:prybar-local,set:prybar-env-local,10.0.0.5',
      '52:54:00:00:00:03,id:*,10.0.0.5',
      '',
    ]);
    expect(dnsmasqHosts(hosts, false)).not.toContain('set:');
  });

  it('give no boot file to machines that boot their disk, where the server can tell', () => {
    const options = dnsmasqOptionsFile({ ...PLACE, tags: true, discoverUnknown: false, loaderForLocal: false });
    expect(options).not.toMatch(/prybar-local|!known/);
    expect(dnsmasqOptionsFile({ ...PLACE, tags: false, discoverUnknown: true, loaderForLocal: false })).toMatch(/^tag:known,[^]*^tag:!known,/m);
  });

  it('put machines that boot from the network into dhcpd’s group, the others outside', () => {
    const text = iscHosts(hosts, { ...PLACE, loaderForLocal: false });
    const group = text.slice(text.indexOf('group {'), text.lastIndexOf('\n}\n'));
    expect(group).toContain('host prybar-525400000001 { hardware ethernet 52:54:00:00:00:01; fixed-address 10.0.0.5; option host-name "n1"; }');
    expect(group).not.toContain('525400000002');
  });

  // Text of machines and operators that reaches a configuration file of another program.
  it('attack 7: nothing a machine says is syntax: a line for each host and nothing else, whatever names, addresses and bootenvs hold', () => {
    const nasty = fc.oneof(
      fc.string(),
      fc.constantFrom('a\nb', 'x,set:prybar', '"; } host evil {', '#', '$(reboot)', "'", '`id`', 'a;b', '\u001b[31m', '</script>', '\0', 'é', '../..', 'a"b'),
    );
    const rows = fc.array(
      fc.record<HostRow>({
        mac: fc.oneof(nasty, fc.constantFrom('52:54:00:00:00:01', '52:54:00:00:00:02')),
        address: fc.option(fc.oneof(nasty, fc.ipV4())),
        hostname: fc.option(nasty),
        bootenv: fc.option(fc.oneof(nasty, fc.constantFrom('local', 'debian-12'))),
        boot_local: fc.option(fc.boolean()),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(rows, (given) => {
        const records = hostRecords(given);
        const lines = dnsmasqHosts(records, true).split('\n').slice(1, -1);
        expect(lines).toHaveLength(records.length);
        for (const line of lines)
          expect(line).toMatch(
            /^([0-9a-f]{2}:){5}[0-9a-f]{2},id:\*(,set:prybar,set:prybar-(network|local),set:prybar-env-[a-z0-9.-]+)?(,[0-9.]+)?(,[A-Za-z0-9-]+)?$/,
          );
        const declarations = iscHosts(records, { ...PLACE, loaderForLocal: true })
          .split('\n')
          .filter((line) => line.trimStart().startsWith('host '));
        expect(declarations).toHaveLength(records.length);
        for (const line of declarations)
          expect(line.trim()).toMatch(
            /^host prybar-[0-9a-f]{12} \{ hardware ethernet [0-9a-f:]{17};( fixed-address [0-9.]+;)?( option host-name "[A-Za-z0-9-]+";)? \}$/,
          );
        for (const { name } of planLinks(records, [], new Map(), { target: '../{bootenv}/x', targets: {} }).make) expect(name).toMatch(/^01(-[0-9a-f]{2}){6}$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('attack 23: a bootenv or node name with a newline, #!ipxe, |, a backtick, $(), a quote or %pre makes no line of its own', () => {
    for (const text of ['x\n#!ipxe', 'a|b', '`id`', '$(id)', 'a"b', '%pre', "a'b"]) {
      const records = hostRecords([row({ hostname: text }), row({ mac: '52:54:00:00:00:09', bootenv: text })]);
      expect(records).toEqual([expect.objectContaining({ mac: '52:54:00:00:00:01', hostname: null })]);
    }
  });
});

describe('dnsmasq’s log', () => {
  const log = (file: string) => `Nov 21 15:30:25 dnsmasq-dhcp[5395]: read ${file}\n`;
  it('proves a reload when it names every file, and shows the lines that were refused', () => {
    expect(readReloadLog(log('/a/hosts'), ['/a/hosts', '/a/options'])).toEqual({ read: false, refused: [] });
    expect(readReloadLog(log('/a/hosts') + log('/a/options'), ['/a/hosts', '/a/options'])).toEqual({ read: true, refused: [] });
    const bad = `Nov 21 15:30:26 dnsmasq[5395]: bad DHCP host name at line 2 of /a/hosts\n${log('/a/hosts')}`;
    expect(readReloadLog(bad, ['/a/hosts'])).toEqual({ read: true, refused: ['bad DHCP host name at line 2 of /a/hosts'] });
  });
});

describe('links for pxelinux', () => {
  const targets = { target: '../{bootenv}/pxelinux.cfg', targets: { discovery: null } };
  const [install] = hostRecords([row({})]);
  if (install === undefined) throw new Error('no record');

  it('lead to what the machine installs; a machine that boots its disk has none', () => {
    expect(planLinks([install], [], new Map(), targets).make).toEqual([{ name: '01-52-54-00-00-00-01', target: '../debian-12/pxelinux.cfg' }]);
    const present = new Map([['01-52-54-00-00-00-01', { link: '../debian-12/pxelinux.cfg' }]]);
    expect(planLinks([install], [], present, targets)).toEqual({ make: [], remove: [], blocked: [] });
    expect(planLinks([{ ...install, bootenv: 'local', boot: 'local' }], [], present, targets).remove).toEqual(['01-52-54-00-00-00-01']);
    expect(planLinks([{ ...install, bootenv: 'discovery' }], [], present, targets).remove).toEqual(['01-52-54-00-00-00-01']);
    expect(planLinks([], ['52:54:00:00:00:01'], present, targets).remove).toEqual(['01-52-54-00-00-00-01']);
  });

  it('of machines that Prybar does not know, and files of the site’s, stay', () => {
    const present = new Map<string, { link: string } | 'file'>([
      ['01-aa-aa-aa-aa-aa-aa', { link: '../centos/pxelinux.cfg' }],
      ['01-52-54-00-00-00-01', 'file'],
    ]);
    expect(planLinks([install], [], present, targets)).toEqual({ make: [], remove: [], blocked: ['01-52-54-00-00-00-01'] });
  });
});
