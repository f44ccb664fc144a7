/**
 * To whom a reply goes. RFC 2131 section 4.1, RFC 8357 section 4.
 */
import { MessageType } from './codes.js';
import type { DhcpPacket } from './packet.js';
import type { Relay } from './relay.js';

/** Where a datagram is sent; `address` is uint32. */
export type Destination = { readonly address: number; readonly port: number };

export const LIMITED_BROADCAST = 0xffffffff;
export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;

/** What the receiving socket knows of a request. */
export type Arrival = {
  /** UDP source port of the request. */
  readonly sourcePort: number;
  /** The port the server heard it on. Off port 67 (tests, simulators) a client is answered on its own source port. */
  readonly localPort: number;
};

/**
 * Relay, then known address, then broadcast. "Unicast to yiaddr" needs the client's hardware address in the ARP table,
 * which a UDP socket cannot put there (netboot-rules 1), so a client without an address is broadcast to, as the last
 * paragraph of RFC 2131 section 4.1 allows. A NAK is never sent to ciaddr: that address is what is being refused.
 */
export function chooseDestination(request: DhcpPacket, relay: Relay, replyType: MessageType | undefined, arrival: Arrival): Destination {
  if (request.relayIpAddress !== 0) {
    return { address: request.relayIpAddress, port: relay.wantsSourcePort ? arrival.sourcePort : SERVER_PORT };
  }
  const clientPort = arrival.localPort === SERVER_PORT ? CLIENT_PORT : arrival.sourcePort;
  const canHearUnicast = request.clientIpAddress !== 0 && replyType !== MessageType.nak;
  return { address: canHearUnicast ? request.clientIpAddress : LIMITED_BROADCAST, port: clientPort };
}
