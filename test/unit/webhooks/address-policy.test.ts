import { describe, expect, it } from '@jest/globals';
import { parseAddressBlock } from '../../../src/shared/address-block.js';
import { addressPolicy } from '../../../src/webhooks/address-policy.js';

const policy = addressPolicy({ allow: [], bmc: ['10.9.0.0/16', '2001:db8:b::/48', '192.0.2.77', 'bmc-host-7'] });

describe('where a webhook may be sent', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['64:ff9b::127.0.0.1', 'loopback'],
    ['64:ff9b:1::7f00:1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['169.254.169.254', 'link-local (it may be a metadata service)'],
    ['::ffff:169.254.169.254', 'link-local (it may be a metadata service)'],
    ['2002:a9fe:a9fe::1', 'link-local (it may be a metadata service)'],
    ['fe80::1', 'link-local (it may be a metadata service)'],
    ['fe80::1%eth0', 'link-local (it may be a metadata service)'],
    ['febf:ffff::1', 'link-local (it may be a metadata service)'],
    ['fd00:ec2::254', 'a metadata service'],
    ['100.100.100.200', 'a metadata service'],
    ['192.0.0.192', 'a metadata service'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['fec0::1', 'reserved'],
    ['10.9.3.4', 'in the network of the BMCs'],
    ['::ffff:10.9.3.4', 'in the network of the BMCs'],
    ['2002:0a09:0304::', 'in the network of the BMCs'],
    ['192.0.2.77', 'in the network of the BMCs'],
    ['2001:db8:b:1::7', 'in the network of the BMCs'],
    ['not an address', 'no address'],
    ['', 'no address'],
  ])('refuses %s: %s', (address, reason) => {
    expect(policy(address)).toBe(reason);
  });

  it.each(['10.8.0.1', '192.168.1.10', '172.16.0.1', '203.0.113.9', '2001:db8::7', 'fd12:3456::1', '2600::', '64:ff9b::10.8.0.1', '2002:cb00:7109::'])(
    'lets %s through',
    (address) => {
      expect(policy(address)).toBeNull();
    },
  );

  it('lets through what the configuration allows, whatever it is', () => {
    const allowing = addressPolicy({ allow: ['127.0.0.1', '169.254.0.0/16', '10.9.0.0/16', 'fe80::/10'], bmc: ['10.9.0.0/16'] });
    expect(['127.0.0.1', '::ffff:127.0.0.1', '169.254.169.254', '10.9.3.4', 'fe80::5'].map(allowing)).toEqual([null, null, null, null, null]);
    expect(allowing('127.0.0.2')).toBe('loopback');
  });

  it.each([
    ['10.0.0.0/8', { network: '10.0.0.0', prefix: 8, family: 'ipv4' }],
    [' 10.0.0.1 ', { network: '10.0.0.1', prefix: 32, family: 'ipv4' }],
    ['fd00::/8', { network: 'fd00::', prefix: 8, family: 'ipv6' }],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0/8', undefined],
    ['a.example', undefined],
    ['10.0.0.0/8/8', undefined],
  ])('reads the block %s', (text, block) => {
    expect(parseAddressBlock(text)).toEqual(block);
  });
});
