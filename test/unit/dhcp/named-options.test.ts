import { readFileSync } from 'node:fs';
import { describe, it, expect } from '@jest/globals';
import { SHAPE_EXAMPLES } from '../../../src/dhcp/option-values.js';
import { encodeNamedOption, encodeOptions, namedOptions } from '../../../src/dhcp/named-options.js';
import { readSettings } from '../../../src/dhcp/network-settings.js';
import { parseSubnet } from '../../../src/shared/ipv4.js';

describe('encodeNamedOption', () => {
  it.each<[string, unknown, number, string]>([
    ['ntp-servers', ['10.0.0.1', '10.0.0.2'], 42, '0a0000010a000002'],
    ['ntp-servers', '10.0.0.1', 42, '0a000001'],
    ['42', '10.0.0.1', 42, '0a000001'],
    ['swap-server', '10.0.0.1', 16, '0a000001'],
    ['interface-mtu', 9000, 26, '2328'],
    ['default-ip-ttl', 64, 23, '40'],
    ['arp-cache-timeout', 60, 35, '0000003c'],
    ['time-offset', -3600, 2, 'fffff1f0'],
    ['ip-forwarding', false, 19, '00'],
    ['root-path', '/srv', 17, '2f737276'],
    ['domain-search', ['rack.example', 'x.'], 119, '047261636b076578616d706c6500017800'],
    ['classless-routes', ['10.8.0.0/13 via 10.0.0.1', 'default via 10.0.0.2'], 121, '0d0a080a000001000a000002'],
    ['classless-routes', '192.0.2.7/32 via 10.0.0.1', 121, '20c00002070a000001'],
    ['tftp-servers', ['10.0.0.1'], 150, '0a000001'],
    ['224', '0a:0b', 224, '0a0b'],
    ['224', { type: 'string', value: 'ab' }, 224, '6162'],
    ['224', { type: 'uint16', value: 258 }, 224, '0102'],
    ['interface-mtu', { type: 'hex', value: '05dc' }, 26, '05dc'],
  ])('writes %s = %j', (key, value, code, hex) => {
    expect(encodeNamedOption(key, value)).toEqual({ ok: true, value: { code, bytes: Buffer.from(hex, 'hex') } });
  });

  it.each<[string, unknown, RegExp]>([
    ['ntp-servers', 'pool.ntp.org', /"pool.ntp.org" is not one or more IPv4 addresses/],
    ['ntp-servers', [], /one or more IPv4 addresses/],
    ['interface-mtu', 70_000, /70000 is not a whole number from 0 to 65535/],
    ['interface-mtu', '1500', /"1500" is not a whole number/],
    ['ip-forwarding', 1, /1 is not true or false/],
    ['root-path', 'a\0b', /no NUL/],
    ['domain-search', ['-bad-.example'], /domain names/],
    ['classless-routes', ['10.0.0.0/33 via 10.0.0.1'], /10\.8\.0\.0\/16 via/],
    ['224', 'xyz', /hex digits/],
    ['224', { type: 'float', value: 1 }, /type "float" is none of ip, ip-list/],
    ['224', undefined, /nothing is not/],
    ['255', '00', /the server sets this one itself/],
    ['53', '05', /the server sets this one itself/],
    ['82', '00', /the server sets this one itself/],
    ['256', '00', /not a name that docs\/dhcp.md lists and not a code/],
    ['no-such-option', 'x', /not a name/],
    ['__proto__', 'x', /not a name/],
  ])('refuses %s = %j and says what is right', (key, value, expected) => {
    const result = encodeNamedOption(key, value);
    expect(result.ok ? '' : result.error).toMatch(expected);
    expect(result.ok ? '' : result.error).toContain(`option ${key}`);
  });

  it('keeps what is right beside what is wrong, and refuses one option under two names', () => {
    const { options, problems } = encodeOptions({ 'ntp-servers': '10.0.0.1', '42': '10.0.0.2', nonsense: 1 });
    expect([[...options.keys()], problems.length]).toEqual([[42], 2]);
    for (const wrong of [null, 7, 'text', ['list']]) expect(encodeOptions(wrong).problems[0]).toMatch(/not an object of option names/);
  });

  it('has every name and type in docs/dhcp.md', () => {
    const text = readFileSync(new URL('../../../docs/dhcp.md', import.meta.url), 'utf8');
    const listed = /^Names: `([^`]*)`/m.exec(text)?.[1]?.split(/\s+/);
    expect(listed).toEqual(Object.keys(namedOptions));
    for (const shape of Object.keys(SHAPE_EXAMPLES)) expect(text).toContain(`\`${shape}\``);
  });

  it('has each code once', () => {
    const codes = Object.values(namedOptions).map((option) => option.code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

describe('readSettings', () => {
  const subnet = parseSubnet('10.7.0.0/24') ?? { first: 0, last: 0, prefix: 0, mask: 0 };

  it.each([
    [{ relays: ['10.0.0.0/33'] }, /^relays: "10.0.0.0\/33" is not an IPv4 address or a block/],
    [{ relay_modes: { '10.0.0.1': 'on' } }, /^relay_modes: the mode of 10.0.0.1 is none of authoritative/],
    [{ relay_modes: { router: 'off' } }, /^relay_modes: "router" is not an IPv4 address/],
    [{ relay_modes: [] }, /^relay_modes: not an object/],
    [{ server_identifier: '10.0.0' }, /^server_identifier: "10.0.0" is not an IPv4 address/],
    [{ boot_host: '0.0.0.0' }, /^boot_host: /],
    [{ options: { 'interface-mtu': 'big' } }, /^options: option interface-mtu: "big" is not/],
    [{ vendor_options: { PXEClient: { nonsense: 1 } } }, /^vendor_options: "PXEClient": option nonsense/],
    [{ vendor_options: { '': {} } }, /^vendor_options: "" would match every client/],
    [{ port_reservations: [{ circuitId: '01', address: '10.8.0.1' }] }, /^port_reservations: address "10.8.0.1" is not in the network/],
    [{ port_reservations: [{ circuitId: 'port-1', address: '10.7.0.9' }] }, /^port_reservations: the port of 10.7.0.9 needs circuitId or remoteId/],
    [{ port_reservations: [{ address: '10.7.0.9' }] }, /needs circuitId or remoteId/],
    [
      {
        port_reservations: [
          { circuitId: '01', address: '10.7.0.9' },
          { circuitId: '02', address: '10.7.0.9' },
        ],
      },
      /is there twice/,
    ],
    [{ port_reservations: {} }, /not a list/],
  ])('names the column and the fix: %j', (row, expected) => {
    const { problems } = readSettings(row, subnet);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });

  it('has a default for everything', () => {
    const { settings, problems } = readSettings({}, subnet);
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({ identifyBy: 'mac', minSecs: 0, unknownQuota: undefined, quietRa: false, relays: [] });
  });
});
