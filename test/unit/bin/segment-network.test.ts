import { describe, expect, it } from '@jest/globals';
import { planNetworks } from '../../../src/bin/segment-network.js';

describe('the network of an interface that is served', () => {
  const eth1 = { interface: 'eth1', cidr: '10.1.2.3/24' };

  it('is made from its address and the range that lies in it', () => {
    expect(planNetworks([eth1], ['127.77.0.0/16'], ['10.9.0.1-10.9.0.9', '10.1.2.100-10.1.2.199'])).toEqual([
      { name: 'eth1', subnet: '10.1.2.0/24', ranges: [{ name: 'dhcp', first: '10.1.2.100', last: '10.1.2.199' }] },
    ]);
  });

  it('gives no addresses beside a server that does', () => {
    expect(planNetworks([eth1], [], ['proxy'])).toEqual([{ name: 'eth1', subnet: '10.1.2.0/24', dhcpMode: 'proxy', ranges: [] }]);
  });

  it('is not made when one covers the interface already', () => expect(planNetworks([eth1], ['10.1.0.0/16'], [])).toEqual([]));

  it.each([[[]], [['10.9.0.1-10.9.0.9']], [['10.1.2.200-10.1.2.100']], [['10.1.2.100-10.1.3.9']]])(
    'is refused without a range that lies in it: %j',
    (ranges) => {
      expect(() => planNetworks([eth1], [], ranges)).toThrow(/PRYBAR_DHCP_RANGE: no network of Prybar covers 10\.1\.2\.3\/24 of interface eth1/);
    },
  );
});
