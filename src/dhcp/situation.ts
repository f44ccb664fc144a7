/**
 * A message in its place: who asks, on which network, in which mode, as whose lease. PURE; the same for a datagram, for the
 * fuzzer and for `prybar dhcp ask`.
 */
import { architectureName, describeClient, type Client } from './client.js';
import { BootpOp } from './codes.js';
import type { Arrival } from './destination.js';
import { identify, type Identity } from './identity.js';
import type { LeaseBook } from './lease-book.js';
import { networkOfRequest } from './link.js';
import { modeAt, reservedAddress, type DhcpMode, type Network, type OptionMap, type ReservedAddress } from './network.js';
import type { DhcpPacket } from './packet.js';
import type { UnknownQuota } from './quota.js';
import { readRelay, type Relay } from './relay.js';
import type { Trace } from './trace.js';

/** A machine the DHCP table knows. */
export type DhcpEntry = {
  readonly mac: string;
  readonly nodeId: number;
  readonly hostName: string;
  readonly bootenv: string;
  readonly bootLocal: boolean;
  /** The node's own options, by code. */
  readonly options: OptionMap;
};

/** What the server knows when a message comes. */
export type Knowledge = {
  readonly networks: readonly Network[];
  readonly entryOf: (mac: string) => DhcpEntry | undefined;
  readonly book: LeaseBook;
  readonly quota: UnknownQuota;
  /** Every address of this server: what option 54 of a request may name. */
  readonly serverIds: readonly number[];
  /** Messages with a lower `secs` are left to another server, seconds; a network may ask for more. netboot-rules 7. */
  readonly minSecs: number;
  /** Milliseconds of the clock that the book uses. */
  readonly nowMs: number;
};

export type Situation = {
  readonly packet: DhcpPacket;
  readonly client: Client;
  readonly relay: Relay;
  readonly arrival: Arrival;
  readonly network: Network;
  readonly mode: DhcpMode;
  readonly entry: DhcpEntry | undefined;
  readonly reserved: ReservedAddress | undefined;
  /** Undefined: nothing identifies the client. */
  readonly identity: Identity | undefined;
  /** Option 54 of the reply. */
  readonly serverId: number;
  readonly knowledge: Knowledge;
};

/** Why a message has no situation: it is not ours to judge. */
export type NotOurs = 'not-a-request' | 'relayed-by-ourselves' | 'unknown-network';

/** Who asks, and where; a reason when the message does not concern us. `client` is there in either case, for the event. */
export function situate(packet: DhcpPacket, arrival: Arrival, knowledge: Knowledge, trace?: Trace): Situation | { client: Client; reason: NotOurs } {
  const client = describeClient(packet);
  const relay = readRelay(packet);
  trace?.push({ rule: 'asker', source: 'RFC 4578, RFC 3004', value: describeAsker(client) });
  if (packet.op !== BootpOp.request) return { client, reason: 'not-a-request' };
  if (packet.relayIpAddress === arrival.localAddress) return { client, reason: 'relayed-by-ourselves' };
  const network = networkOfRequest(knowledge.networks, packet, relay, arrival.localAddress, trace);
  if (network === undefined) return { client, reason: 'unknown-network' };
  const mode = modeAt(network, packet.relayIpAddress);
  const reserved = reservedAddress(network, client.mac, relay);
  const identity = identify(network, client, reserved);
  trace?.push({ rule: 'mode', source: 'docs/dhcp.md, modes', value: mode === network.mode ? mode : `${mode} behind this relay, ${network.mode} elsewhere` });
  trace?.push({ rule: 'identity', source: 'RFC 2131 section 4.2, netboot-rules 5', value: describeIdentity(identity) });
  return {
    packet,
    client,
    relay,
    arrival,
    network,
    mode,
    entry: knowledge.entryOf(client.mac),
    reserved,
    identity,
    serverId: relay.serverIdentifierOverride ?? network.serverIdentifier ?? arrival.localAddress,
    knowledge,
  };
}

/** Whether Prybar knows the machine: a node's NIC, or a reservation of its MAC or its relay's port. */
export function isKnownMachine(situation: Situation): boolean {
  return situation.entry !== undefined || situation.reserved !== undefined;
}

function describeAsker(client: Client): string {
  const words = [client.mac === '' ? 'no hardware address' : client.mac, client.stage, architectureName(client.architecture)];
  return [...words, ...(client.vendorClass === undefined ? [] : [JSON.stringify(client.vendorClass)])].join(', ');
}

function describeIdentity(identity: Identity | undefined): string {
  if (identity === undefined) return 'none: neither a hardware address nor a client identifier';
  if (identity.clientKey === null) return `hardware address ${identity.mac}`;
  return identity.clientKey.startsWith('port:') ? `relay port ${identity.clientKey.slice(5)}` : `client identifier ${identity.clientKey}`;
}
