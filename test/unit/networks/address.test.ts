import { describe, expect, it } from '@jest/globals';
import { networkProblems, nextFreeAddress, subnetsOverlap, type NetworkText } from '../../../src/networks/address.js';
import { RACK_NETWORK } from '../../../src/networks/store.js';

const network = (more: Partial<NetworkText> = {}): NetworkText => ({
  name: 'n',
  subnet: '10.0.0.0/24',
  router: '10.0.0.1',
  ranges: [{ name: 'dhcp', first: '10.0.0.10', last: '10.0.0.20' }],
  ...more,
});

describe('networkProblems', () => {
  it('finds nothing wrong with a sound network and with the rack', () => {
    expect(networkProblems(network())).toEqual([]);
    expect(networkProblems(RACK_NETWORK)).toEqual([]);
  });
  it.each<[Partial<NetworkText>, string, string]>([
    [{ subnet: '10.0.0.0' }, 'subnet', 'IPv4 block'],
    [{ router: '10.0.1.1' }, 'router', 'host address'],
    [{ router: '10.0.0.255' }, 'router', 'host address'],
    [{ ranges: [{ name: 'a', first: '10.0.0.20', last: '10.0.0.10' }] }, 'ranges.0', 'must not come after'],
    [{ ranges: [{ name: 'a', first: '10.0.0.0', last: '10.0.0.10' }] }, 'ranges.0', 'must lie between'],
    [{ ranges: [{ name: 'a', first: 'x', last: '10.0.0.10' }] }, 'ranges.0', 'IPv4 addresses'],
    [
      {
        ranges: [
          { name: 'a', first: '10.0.0.5', last: '10.0.0.10' },
          { name: 'b', first: '10.0.0.10', last: '10.0.0.12' },
        ],
      },
      'ranges.1',
      'overlaps range a',
    ],
  ])('names the field of %j', (more, field, message) => {
    expect(networkProblems(network(more))).toEqual([{ field, message: expect.stringContaining(message) }]);
  });
});

describe('nextFreeAddress', () => {
  it('gives the lowest free one, and none when the range is full', () => {
    expect(nextFreeAddress({ first: 1, last: 3 }, new Set([1, 2]))).toBe(3);
    expect(nextFreeAddress({ first: 1, last: 2 }, new Set([1, 2]))).toBeUndefined();
  });
});

describe('subnetsOverlap', () => {
  it('sees a block inside another', () => {
    expect(subnetsOverlap('10.0.0.0/8', '10.1.0.0/16')).toBe(true);
    expect(subnetsOverlap('10.0.0.0/24', '10.0.1.0/24')).toBe(false);
  });
});
