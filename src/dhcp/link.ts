/** PURE: which of our networks a message came from. RFC 2131 section 4.3.1, RFC 3527, RFC 3011. */
import { formatIpv4, subnetContains } from '../shared/ipv4.js';
import { networkOfAddress, type Network } from './network.js';
import type { DhcpPacket } from './packet.js';
import type { Relay } from './relay.js';
import type { Trace } from './trace.js';

/**
 * The link a client is on: what its relay says, else its own address when it has one (a renewal comes by unicast, perhaps through
 * a router), else the interface that heard it. A relay that no network of ours allows is nobody we answer (attack case 12).
 */
export function networkOfRequest(networks: readonly Network[], packet: DhcpPacket, relay: Relay, heardAt: number, trace?: Trace): Network | undefined {
  const found = packet.relayIpAddress === 0 ? networkOnLink(networks, packet, heardAt) : networkBehindRelay(networks, packet.relayIpAddress, relay);
  trace?.push({
    rule: 'network',
    source: packet.relayIpAddress === 0 ? 'RFC 2131 section 4.3.1' : 'RFC 2131 section 4.3.1, RFC 3527',
    value: `${found?.name ?? 'none of ours'}, by ${describePlace(packet, relay, heardAt)}`,
  });
  return found;
}

function networkOnLink(networks: readonly Network[], packet: DhcpPacket, heardAt: number): Network | undefined {
  const ofClient = packet.clientIpAddress === 0 ? undefined : networkOfAddress(networks, packet.clientIpAddress);
  return ofClient ?? networkOfAddress(networks, heardAt);
}

/**
 * A relay's own address need not be of the client's subnet: link selection names the subnet, or a network lists the relay. Naming
 * a subnet makes nobody a relay of ours: its address must be one that a network lists, or of a network that lists none.
 */
function networkBehindRelay(networks: readonly Network[], relayAddress: number, relay: Relay): Network | undefined {
  const around = networkOfAddress(networks, relayAddress);
  const listing = networks.find((network) => isListed(network, relayAddress));
  const isOurs = listing !== undefined || around?.relays.length === 0;
  if (!isOurs) return undefined;
  const network = relay.linkSelection === undefined ? (around ?? listing) : networkOfAddress(networks, relay.linkSelection);
  return network === undefined || network.relays.length === 0 || isListed(network, relayAddress) ? network : undefined;
}

function isListed(network: Network, relayAddress: number): boolean {
  return network.relays.some((block) => subnetContains(block, relayAddress));
}

function describePlace(packet: DhcpPacket, relay: Relay, heardAt: number): string {
  if (packet.relayIpAddress === 0) {
    return packet.clientIpAddress === 0 ? `the interface ${formatIpv4(heardAt)}` : `the client's address ${formatIpv4(packet.clientIpAddress)}`;
  }
  const selection = relay.linkSelection === undefined ? '' : ` and its link selection ${formatIpv4(relay.linkSelection)}`;
  return `the relay ${formatIpv4(packet.relayIpAddress)}${selection}`;
}
