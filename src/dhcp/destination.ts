/**
 * To whom a reply goes. RFC 2131 section 4.1, RFC 8357 section 4.
 */
import { MessageType } from './codes.js';
import { BROADCAST_FLAG, type DhcpPacket } from './packet.js';
import type { Relay } from './relay.js';

/** Where a datagram is sent; addresses are uint32. */
export type Destination = {
  readonly address: number;
  readonly port: number;
  /**
   * The client said that it hears unicast before it has an address: who can write frames may send to this address and
   * hardware address instead of the broadcast.
   */
  readonly direct?: { readonly address: number; readonly hardwareAddress: Buffer };
};

export const LIMITED_BROADCAST = 0xffffffff;
export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;
/** The PXE boot server's. PXE 2.1 section 2.2.5. */
export const BOOT_SERVER_PORT = 4011;

/** What the receiving socket knows of a request; addresses are uint32. */
export type Arrival = {
  /** The address of the interface that heard it. */
  readonly localAddress: number;
  /** The port the server heard it on. Off port 67 (tests, simulators) a client is answered on its own source port. */
  readonly localPort: number;
  /** Heard on the boot server's socket (4011), wherever a test has put it. */
  readonly isBootServer: boolean;
  /** UDP source of the request. */
  readonly sourceAddress: number;
  readonly sourcePort: number;
};

/**
 * Relay, then known address, then broadcast. "Unicast to yiaddr" needs the client's hardware address in the ARP table,
 * which a UDP socket cannot put there (netboot-rules 1), so a client without an address is broadcast to, as the last
 * paragraph of RFC 2131 section 4.1 allows, unless the sender takes `direct`. A NAK is never sent to ciaddr: that address
 * is what is being refused.
 */
export function chooseDestination(
  request: DhcpPacket,
  relay: Relay,
  reply: { readonly type: MessageType | undefined; readonly address: number },
  arrival: Arrival,
): Destination {
  // The boot server is asked by unicast from a machine that has an address, and answers where it was asked from.
  if (arrival.isBootServer) return { address: request.clientIpAddress === 0 ? arrival.sourceAddress : request.clientIpAddress, port: arrival.sourcePort };
  if (request.relayIpAddress !== 0) {
    return { address: request.relayIpAddress, port: relay.wantsSourcePort ? arrival.sourcePort : SERVER_PORT };
  }
  const port = arrival.localPort === SERVER_PORT ? CLIENT_PORT : arrival.sourcePort;
  const isNak = reply.type === MessageType.nak;
  if (request.clientIpAddress !== 0 && !isNak) return { address: request.clientIpAddress, port };
  const canBeDirect = !isNak && reply.address !== 0 && (request.flags & BROADCAST_FLAG) === 0 && isEthernet(request);
  if (!canBeDirect) return { address: LIMITED_BROADCAST, port };
  return { address: LIMITED_BROADCAST, port, direct: { address: reply.address, hardwareAddress: request.clientHardwareAddress.subarray(0, 6) } };
}

function isEthernet(request: DhcpPacket): boolean {
  return request.hardwareType === 1 && request.hardwareLength === 6;
}
