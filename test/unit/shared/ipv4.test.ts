import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { formatIpv4, maskOfPrefix, parseIpv4, parseSubnet, subnetContains } from '../../../src/shared/ipv4.js';

describe('parseIpv4', () => {
  it('reads what formatIpv4 writes, for every address', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (address) => {
        expect(parseIpv4(formatIpv4(address))).toBe(address);
      }),
    );
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.-4', ' 1.2.3.4', '1.2.3.4 ', '0x1.2.3.4', '1.2.3.'])('refuses "%s"', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });
});

describe('parseSubnet', () => {
  it.each([
    ['10.7.3.9/16', '10.7.0.0', '10.7.255.255'],
    ['192.168.1.0/24', '192.168.1.0', '192.168.1.255'],
    ['0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
    ['255.255.255.255/32', '255.255.255.255', '255.255.255.255'],
  ])('reads %s as %s to %s', (text, first, last) => {
    const subnet = parseSubnet(text);
    expect(subnet && [formatIpv4(subnet.first), formatIpv4(subnet.last)]).toEqual([first, last]);
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/9', '10.0.0/8', '10.0.0.0/-1'])('refuses "%s"', (text) => {
    expect(parseSubnet(text)).toBeUndefined();
  });

  it('contains its first and last address and nothing outside', () => {
    const subnet = parseSubnet('10.7.0.0/24');
    if (subnet === undefined) throw new Error('not read');
    const inside = ['10.7.0.0', '10.7.0.255', '10.7.1.0', '10.6.255.255'].map((text) => subnetContains(subnet, parseIpv4(text) ?? 0));
    expect(inside).toEqual([true, true, false, false]);
  });

  it('masks by prefix', () => {
    expect([0, 1, 24, 32].map((prefix) => formatIpv4(maskOfPrefix(prefix)))).toEqual(['0.0.0.0', '128.0.0.0', '255.255.255.0', '255.255.255.255']);
  });
});
