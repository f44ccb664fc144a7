/** PURE: which of our networks a message came from. RFC 2131 section 4.3.1, RFC 3527, RFC 3011. */
import { networkOfAddress, type Network } from './network.js';
import type { DhcpPacket } from './packet.js';
import type { Relay } from './relay.js';

/**
 * The link a client is on: what its relay says, else its own address when it has one (a renewal comes by unicast, perhaps through
 * a router), else the interface that heard it. A relay in no network of ours is nobody we answer (attack case 12).
 */
export function networkOfRequest(networks: readonly Network[], packet: DhcpPacket, relay: Relay, heardAt: number): Network | undefined {
  if (packet.relayIpAddress !== 0) {
    const ofRelay = networkOfAddress(networks, packet.relayIpAddress);
    return relay.linkSelection === undefined ? ofRelay : networkOfAddress(networks, relay.linkSelection);
  }
  const ofClient = packet.clientIpAddress === 0 ? undefined : networkOfAddress(networks, packet.clientIpAddress);
  return ofClient ?? networkOfAddress(networks, heardAt);
}
