import { describe, it, expect } from '@jest/globals';
import { isPoolAddress, networkOfAddress } from '../../../src/dhcp/network.js';
import { buildNetworks } from '../../../src/dhcp/network-rows.js';
import { ip } from '../../support/dhcp-request.js';
import { testNetwork } from './network-fixture.js';

const ROW = { router: null, dns: null, domain: null, dhcp_mode: 'authoritative', lease_seconds: 60 };

describe('buildNetworks', () => {
  it('leaves out and names rows that make no sense, and keeps the others', () => {
    const built = buildNetworks(
      [
        { ...ROW, id: 1, name: 'good', subnet: '10.0.0.0/24' },
        { ...ROW, id: 2, name: 'bad', subnet: '10.0.0.0' },
      ],
      [{ network_id: 1, name: 'dhcp', first_address: '10.0.0.9', last_address: '10.0.0.1' }],
      [{ network_id: 1, address: '10.9.0.1', mac: '52:54:00:00:00:01' }],
    );
    expect(built.networks.map((network) => network.name)).toEqual(['good']);
    expect(built.problems).toHaveLength(3);
  });

  it('never pools the host range, and pools only the dhcp range where there is one', () => {
    const range = (name: string, last: number) => ({ network_id: 1, name, first_address: `10.0.0.${last}`, last_address: `10.0.0.${last}` });
    const network = { ...ROW, id: 1, name: 'n', subnet: '10.0.0.0/24' };
    const poolOf = (names: string[]) =>
      buildNetworks(
        [network],
        names.map((name, index) => range(name, index + 10)),
        [],
      ).networks[0]?.pool.map((pool) => pool.first & 255);
    expect(poolOf(['host', 'dhcp', 'other'])).toEqual([11]);
    expect(poolOf(['host', 'other'])).toEqual([11]);
    expect(poolOf(['host'])).toEqual([]);
  });

  it('netboot rule 8: serves a BMC by name, and keeps an unmanaged address and one without a MAC from everybody', () => {
    const { networks, problems } = buildNetworks(
      [{ ...ROW, id: 1, name: 'bmc', subnet: '10.0.0.0/24' }],
      [{ network_id: 1, name: 'dhcp', first_address: '10.0.0.10', last_address: '10.0.0.20' }],
      [
        { network_id: 1, address: '10.0.0.10', mac: '52:54:00:00:00:01', hostname: 'n1-bmc.rack.example' },
        { network_id: 1, address: '10.0.0.11', mac: '52:54:00:00:00:02', unmanaged: true },
        { network_id: 1, address: '10.0.0.12', mac: null },
      ],
    );
    const network = networks[0];
    if (network === undefined) throw new Error(problems.join());
    expect([...network.reservationByMac]).toEqual([['52:54:00:00:00:01', ip('10.0.0.10')]]);
    expect([...network.hostNameByMac]).toEqual([['52:54:00:00:00:01', 'n1-bmc.rack.example']]);
    expect([10, 11, 12, 13].map((host) => isPoolAddress(network, ip(`10.0.0.${host}`)))).toEqual([false, false, false, true]);
  });

  it('gives no addresses in a mode it does not know', () => {
    expect(testNetwork('something-new').mode).toBe('off');
  });
});

describe('addresses and networks', () => {
  it('finds the longest prefix', () => {
    const { networks } = buildNetworks(
      [
        { ...ROW, id: 1, name: 'wide', subnet: '10.0.0.0/8' },
        { ...ROW, id: 2, name: 'narrow', subnet: '10.7.0.0/24' },
      ],
      [],
      [],
    );
    expect(['10.7.0.5', '10.8.0.5', '11.0.0.1'].map((text) => networkOfAddress(networks, ip(text))?.name)).toEqual(['narrow', 'wide', undefined]);
  });

  it('keeps the network, broadcast, router and reserved addresses out of the pool', () => {
    const network = testNetwork('authoritative', ['10.7.0.0', '10.7.0.255']);
    const answers = ['10.7.0.0', '10.7.0.1', '10.7.0.7', '10.7.0.8', '10.7.0.255'].map((text) => isPoolAddress(network, ip(text)));
    expect(answers).toEqual([false, false, false, true, false]);
  });
});
