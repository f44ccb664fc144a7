import { describe, expect, it } from '@jest/globals';
import { parseSubnet } from '../../../src/shared/ipv4.js';
import { largestBlock, readLink } from '../../../src/tftp/mtu.js';

const on = (mtu: number) => ({ subnet: parseSubnet('10.7.0.5/24') ?? { first: 0, last: 0, prefix: 32, mask: 0 }, mtu });

describe('netboot rule 3: the largest block', () => {
  it.each([
    ['on an Ethernet link', on(1_500), '10.7.0.9', 1_468],
    ['on a link with jumbo frames', on(9_000), '10.7.0.9', 8_968],
    ['behind a router of that link', on(9_000), '10.8.0.9', 1_468],
    ['on a tunnel', on(1_280), '10.7.0.9', 1_248],
    ['behind a router of the tunnel', on(1_280), '10.8.0.9', 1_248],
    ['on a link that carries more than a block may be', on(65_536), '10.7.0.9', 65_464],
    ['where the link is not known', undefined, '10.7.0.9', 1_468],
  ])('%s leaves in one packet', (_, link, client, bytes) => {
    expect(largestBlock(link, client)).toBe(bytes);
  });

  it('the loopback is the link of every address of 127.0.0.0/8, and an address of nobody has none', async () => {
    expect(await readLink('127.0.0.77')).toMatchObject({ mtu: 65_536 });
    expect(await readLink('192.0.2.77')).toBeUndefined();
  });
});
