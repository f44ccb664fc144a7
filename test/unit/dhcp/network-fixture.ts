import type { Network } from '../../../src/dhcp/network.js';
import { buildNetworks, type NetworkRow } from '../../../src/dhcp/network-rows.js';

/** One network 10.7.0.0/24 with a pool .100 to .103, router .1 and a reservation of .7 for 52:54:00:77:00:07. */
export function testNetwork(mode = 'authoritative', range: [string, string] = ['10.7.0.100', '10.7.0.103'], more: Partial<NetworkRow> = {}): Network {
  const built = buildNetworks(
    [
      {
        id: 1,
        name: 'admin',
        subnet: '10.7.0.0/24',
        router: '10.7.0.1',
        dns: ['10.7.0.2'],
        domain: 'lab.example',
        dhcp_mode: mode,
        lease_seconds: 3600,
        ...more,
      },
    ],
    [{ network_id: 1, name: 'dhcp', first_address: range[0], last_address: range[1] }],
    [{ network_id: 1, address: '10.7.0.7', mac: '52:54:00:77:00:07' }],
  );
  const network = built.networks[0];
  if (network === undefined || built.problems.length > 0) throw new Error(built.problems.join());
  return network;
}

/** The same with settings of the network changed. */
export function networkWith(more: Partial<NetworkRow>): Network {
  return testNetwork('authoritative', ['10.7.0.100', '10.7.0.103'], more);
}
