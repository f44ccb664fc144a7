/**
 * What a message is answered with: RFC 2131 section 4.3, one function a message type. Data in, decision out; nothing is sent,
 * written or promised here.
 */
import { subnetContains } from '../shared/ipv4.js';
import { MessageType, OptionCode } from './codes.js';
import { chooseAddress, type AddressChoice, type AddressSource } from './lease.js';
import type { LeaseBook } from './lease-book.js';
import type { Network } from './network.js';
import { malformed, readAddress, readUint8 } from './options.js';
import type { DhcpPacket } from './packet.js';

/** The four client states a REQUEST comes from. RFC 2131 section 4.3.2, table 4. */
export type RequestState = 'selecting' | 'init-reboot' | 'renewing' | 'rebinding';

/** Why a well-formed message gets no answer. */
export type IgnoreReason =
  | 'no-hardware-address'
  | 'malformed-option'
  | 'unknown-message-type'
  | 'network-off'
  | 'proxy-mode'
  | 'no-reservation'
  | 'pool-exhausted'
  | 'other-server'
  | 'not-our-client'
  | 'no-address';

/** Why a REQUEST is refused; the text goes into option 56 and the node's timeline. */
export type NakReason = 'address is not on this network' | 'address is not assigned to this client' | 'no lease known' | 'address is in use';

export type Decision =
  | { readonly kind: 'offer'; readonly address: number; readonly source: AddressSource }
  | { readonly kind: 'acknowledge'; readonly address: number; readonly source: AddressSource; readonly state: RequestState }
  | { readonly kind: 'refuse'; readonly reason: NakReason; readonly state: RequestState }
  | { readonly kind: 'release'; readonly address: number }
  | { readonly kind: 'decline'; readonly address: number; readonly isReserved: boolean }
  | { readonly kind: 'inform'; readonly address: number }
  | { readonly kind: 'bootp'; readonly address: number }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason };

/** A request in its place: where it came from and what is known. */
export type Situation = {
  readonly packet: DhcpPacket;
  readonly mac: string;
  readonly network: Network;
  /** Addresses that mean this server in option 54. */
  readonly serverIds: readonly number[];
  readonly book: LeaseBook;
  readonly nowMs: number;
};

/** Decides the answer to one request. */
export function decide(situation: Situation): Decision {
  const { packet, mac, network } = situation;
  if (mac === '') return ignore('no-hardware-address');
  if (network.mode === 'off') return ignore('network-off');
  if (network.mode === 'proxy') return ignore('proxy-mode');
  const type = readUint8(packet.options, OptionCode.messageType);
  const serverId = readAddress(packet.options, OptionCode.serverIdentifier);
  const requested = readAddress(packet.options, OptionCode.requestedIpAddress);
  if (type === malformed || serverId === malformed || requested === malformed) return ignore('malformed-option');
  const isForUs = serverId === undefined || situation.serverIds.includes(serverId);
  switch (type) {
    case undefined:
      return decideBootp(situation);
    case MessageType.discover:
      return decideDiscover(situation, requested);
    case MessageType.request:
      return isForUs ? decideRequest(situation, serverId, requested) : ignore('other-server');
    case MessageType.decline:
      return isForUs ? decideDecline(situation, requested) : ignore('other-server');
    case MessageType.release:
      return isForUs ? decideRelease(situation) : ignore('other-server');
    case MessageType.inform:
      return decideInform(situation);
    default:
      return ignore('unknown-message-type');
  }
}

/** BOOTP without option 53 (RFC 951, RFC 1534): reservations only, as its address never ends. netboot-rules 8. */
function decideBootp(situation: Situation): Decision {
  const address = situation.network.reservationByMac.get(situation.mac);
  return address === undefined ? ignore('no-reservation') : { kind: 'bootp', address };
}

/** RFC 2131 section 4.3.1. */
function decideDiscover(situation: Situation, requested: number | undefined): Decision {
  const choice = chooseFor(situation, requested);
  if (choice.kind === 'none') return ignore(choice.reason);
  return { kind: 'offer', address: choice.address, source: choice.source };
}

/**
 * RFC 2131 section 4.3.2. The address is chosen anew from what is known now, not taken from the OFFER (netboot-rules 6): a
 * reservation made in between wins, and the client is told to start again.
 */
function decideRequest(situation: Situation, serverId: number | undefined, requested: number | undefined): Decision {
  const { packet, network } = situation;
  const state = requestState(packet, serverId, requested);
  const wanted = state === 'renewing' || state === 'rebinding' ? packet.clientIpAddress : requested;
  if (wanted === undefined || wanted === 0) return ignore('no-address');
  const isAuthoritative = network.mode === 'authoritative';
  if (!subnetContains(network.subnet, wanted)) {
    return isAuthoritative ? { kind: 'refuse', reason: 'address is not on this network', state } : ignore('not-our-client');
  }
  if (state !== 'selecting' && !isKnown(situation)) {
    // RFC 2131 asks for silence when there is no record, for servers that do not share one. Ours share the table, and a
    // machine that asks for an address nobody knows boots seconds sooner when it is told to start again.
    return isAuthoritative ? { kind: 'refuse', reason: 'no lease known', state } : ignore('not-our-client');
  }
  const choice = chooseFor(situation, wanted);
  if (choice.kind === 'none') {
    return isAuthoritative ? { kind: 'refuse', reason: 'address is in use', state } : ignore(choice.reason);
  }
  if (choice.address !== wanted) return { kind: 'refuse', reason: 'address is not assigned to this client', state };
  return { kind: 'acknowledge', address: wanted, source: choice.source, state };
}

/** RFC 2131 table 4. Some clients leave option 54 in a renewal: a filled ciaddr without option 50 tells them apart. */
function requestState(packet: DhcpPacket, serverId: number | undefined, requested: number | undefined): RequestState {
  if (packet.clientIpAddress !== 0 && requested === undefined) {
    return packet.relayIpAddress === 0 ? 'renewing' : 'rebinding';
  }
  return serverId === undefined ? 'init-reboot' : 'selecting';
}

/** RFC 2131 section 4.3.3. Only what this MAC holds or was offered goes to quarantine (attack case 10). */
function decideDecline(situation: Situation, requested: number | undefined): Decision {
  const { network, mac, book, nowMs } = situation;
  if (requested === undefined) return ignore('no-address');
  if (network.reservationByMac.get(mac) === requested) return { kind: 'decline', address: requested, isReserved: true };
  const isLeased = book.leaseOf(network.id, mac)?.address === requested;
  const isOffered = book.offerTo(network.id, mac, nowMs)?.address === requested;
  return isLeased || isOffered ? { kind: 'decline', address: requested, isReserved: false } : ignore('not-our-client');
}

/** RFC 2131 section 4.3.4. A release of an address that is another machine's is ignored (attack case 10). */
function decideRelease(situation: Situation): Decision {
  const { network, mac, packet, book } = situation;
  const lease = book.leaseOf(network.id, mac);
  if (lease === undefined || lease.address !== packet.clientIpAddress) return ignore('not-our-client');
  return { kind: 'release', address: lease.address };
}

/** RFC 2131 section 4.3.5: parameters only, no address and no lease time. */
function decideInform(situation: Situation): Decision {
  const address = situation.packet.clientIpAddress;
  if (address === 0) return ignore('no-address');
  return subnetContains(situation.network.subnet, address) ? { kind: 'inform', address } : ignore('not-our-client');
}

function isKnown(situation: Situation): boolean {
  const { network, mac, book, nowMs } = situation;
  return network.reservationByMac.has(mac) || book.leaseOf(network.id, mac) !== undefined || book.offerTo(network.id, mac, nowMs) !== undefined;
}

function chooseFor(situation: Situation, requested: number | undefined): AddressChoice {
  const { network, mac, packet, serverIds, book, nowMs } = situation;
  const taken = packet.relayIpAddress === 0 ? serverIds : [...serverIds, packet.relayIpAddress];
  return chooseAddress({ network, mac, requested, taken }, book, nowMs);
}

function ignore(reason: IgnoreReason): Decision {
  return { kind: 'ignore', reason };
}
