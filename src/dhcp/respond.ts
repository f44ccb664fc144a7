/**
 * What a message is answered with: RFC 2131 section 4.3, one function a message type. Data in, decision out; nothing is sent,
 * written or promised here. proxy.ts decides where another server gives the addresses.
 */
import { formatIpv4, subnetContains } from '../shared/ipv4.js';
import { MessageType, OptionCode } from './codes.js';
import { describeDecision, describeMessage, ignore, type Decision, type RequestState } from './decision.js';
import { ownerOf, type Identity } from './identity.js';
import { chooseAddress, type AddressChoice } from './lease.js';
import { malformed, readAddress, readUint8 } from './options.js';
import { decideBootServer, decideProxy } from './proxy.js';
import { isKnownMachine, type Situation } from './situation.js';
import { isTooEarly } from './secs.js';
import type { Trace } from './trace.js';

/** Addresses that rest at a client's word: a real conflict is one or two. */
const DECLINES_AT_ONCE = 3;

/** A situation whose client is identified. */
type Identified = Situation & { readonly identity: Identity };

function isIdentified(situation: Situation): situation is Identified {
  return situation.identity !== undefined;
}

/** Decides the answer to one message. */
export function decide(situation: Situation, trace?: Trace): Decision {
  const decision = judge(situation, trace);
  trace?.push({ rule: 'decision', source: 'RFC 2131 section 4.3', value: describeDecision(decision) });
  return decision;
}

function judge(situation: Situation, trace: Trace | undefined): Decision {
  const { packet, mode } = situation;
  if (!isIdentified(situation)) return ignore('no-hardware-address');
  const type = readUint8(packet.options, OptionCode.messageType);
  const serverId = readAddress(packet.options, OptionCode.serverIdentifier);
  const requested = readAddress(packet.options, OptionCode.requestedIpAddress);
  if (type === malformed || serverId === malformed || requested === malformed) return ignore('malformed-option');
  trace?.push({ rule: 'message', source: 'RFC 2132 section 9.6', value: describeMessage(type, requested, serverId) });
  // The boot server of port 4011 gives no addresses: it answers whoever gives them here (netboot-rules 4).
  if (situation.arrival.isBootServer) return decideBootServer(situation, type);
  if (mode === 'off') return ignore('network-off');
  if (isTooEarly(situation, type, trace)) return ignore('too-early');
  if (mode === 'proxy') return decideProxy(situation, type, requested);
  return decideLease(situation, type, serverId, requested, trace);
}

function decideLease(
  situation: Identified,
  type: number | undefined,
  serverId: number | undefined,
  requested: number | undefined,
  trace: Trace | undefined,
): Decision {
  const isForUs = serverId === undefined || serverId === situation.serverId || situation.knowledge.serverIds.includes(serverId);
  switch (type) {
    case undefined:
      return decideBootp(situation);
    case MessageType.discover:
      return decideDiscover(situation, requested, trace);
    case MessageType.request:
      return isForUs ? decideRequest(situation, serverId, requested, trace) : ignore('other-server');
    case MessageType.decline:
      return isForUs ? decideDecline(situation, requested) : ignore('other-server');
    case MessageType.release:
      return isForUs ? decideRelease(situation) : ignore('other-server');
    case MessageType.inform:
      return decideInform(situation);
    default:
      // A server's message, FORCERENEW (RFC 3203) that only servers send, LEASEQUERY (RFC 4388), or a number nobody assigned.
      return ignore('unknown-message-type');
  }
}

/** BOOTP without option 53 (RFC 951, RFC 1534): reservations only, as its address never ends. netboot-rules 8. */
function decideBootp({ reserved }: Situation): Decision {
  return reserved === undefined ? ignore('no-reservation') : { kind: 'bootp', address: reserved.address };
}

/** RFC 2131 section 4.3.1. */
function decideDiscover(situation: Identified, requested: number | undefined, trace: Trace | undefined): Decision {
  const choice = chooseFor(situation, requested, trace);
  if (choice.kind === 'none') return ignore(choice.reason);
  if (isOverQuota(situation, choice, trace)) return ignore('unknown-quota');
  return { kind: 'offer', address: choice.address, source: choice.source };
}

/**
 * RFC 2131 section 4.3.2. The address is chosen anew from what is known now, not taken from the OFFER (netboot-rules 6): a
 * reservation made in between wins, and the client is told to start again.
 */
function decideRequest(situation: Identified, serverId: number | undefined, requested: number | undefined, trace: Trace | undefined): Decision {
  const { packet, network, mode, reserved } = situation;
  const state = requestState(packet.clientIpAddress, packet.relayIpAddress, serverId, requested);
  trace?.push({ rule: 'message', source: 'RFC 2131 section 4.3.2, table 4', value: `REQUEST in state ${state}` });
  const wanted = state === 'renewing' || state === 'rebinding' ? packet.clientIpAddress : requested;
  if (wanted === undefined || wanted === 0) return ignore('no-address');
  // A machine with a reservation is ours to refuse also beside another server.
  const isAuthoritative = mode === 'authoritative' || reserved !== undefined;
  if (!subnetContains(network.subnet, wanted)) {
    return isAuthoritative ? { kind: 'refuse', reason: 'address is not on this network', state } : ignore('not-our-client');
  }
  if (state !== 'selecting' && !hasRecord(situation)) {
    // RFC 2131 asks for silence when there is no record, for servers that do not share one. Ours share the table, and a
    // machine that asks for an address nobody knows boots seconds sooner when it is told to start again.
    return isAuthoritative ? { kind: 'refuse', reason: 'no lease known', state } : ignore('not-our-client');
  }
  const choice = chooseFor(situation, wanted, trace);
  if (choice.kind === 'none') {
    return isAuthoritative ? { kind: 'refuse', reason: 'address is in use', state } : ignore(choice.reason);
  }
  if (choice.address !== wanted) return { kind: 'refuse', reason: 'address is not assigned to this client', state };
  if (isOverQuota(situation, choice, trace)) return ignore('unknown-quota');
  return { kind: 'acknowledge', address: wanted, source: choice.source, state };
}

/** RFC 2131 table 4. Some clients leave option 54 in a renewal: a filled ciaddr without option 50 tells them apart. */
function requestState(ciaddr: number, giaddr: number, serverId: number | undefined, requested: number | undefined): RequestState {
  if (ciaddr !== 0 && requested === undefined) return giaddr === 0 ? 'renewing' : 'rebinding';
  return serverId === undefined ? 'init-reboot' : 'selecting';
}

/** RFC 2131 section 4.3.3. Only what this client holds or was offered goes to quarantine (attack case 10). */
function decideDecline(situation: Identified, requested: number | undefined): Decision {
  const { network, identity, reserved, knowledge } = situation;
  if (requested === undefined) return ignore('no-address');
  if (reserved?.address === requested) return { kind: 'decline', address: requested, isReserved: true };
  const owner = ownerOf(identity);
  const isLeased = knowledge.book.leaseOf(network.id, owner)?.address === requested;
  const isOffered = knowledge.book.offerTo(network.id, owner, knowledge.nowMs)?.address === requested;
  if (!isLeased && !isOffered) return ignore('not-our-client');
  return hasDeclinedEnough(situation, owner) ? ignore('decline-flood') : { kind: 'decline', address: requested, isReserved: false };
}

/** One client that declines whatever it is offered would put the whole pool to rest (attack case 10). */
function hasDeclinedEnough({ network, knowledge }: Situation, owner: string): boolean {
  let declined = 0;
  for (const lease of knowledge.book.held(network.id, knowledge.nowMs)) if (lease.state === 'declined' && ownerOf(lease) === owner) declined += 1;
  return declined >= DECLINES_AT_ONCE;
}

/** RFC 2131 section 4.3.4. A release of an address that is another machine's is ignored (attack case 10). */
function decideRelease({ network, identity, packet, knowledge }: Identified): Decision {
  const lease = knowledge.book.leaseOf(network.id, ownerOf(identity));
  if (lease === undefined || lease.address !== packet.clientIpAddress) return ignore('not-our-client');
  return { kind: 'release', address: lease.address };
}

/** RFC 2131 section 4.3.5: parameters only, no address and no lease time. Beside another server only for machines of ours. */
function decideInform(situation: Situation): Decision {
  const address = situation.packet.clientIpAddress;
  if (address === 0) return ignore('no-address');
  if (!subnetContains(situation.network.subnet, address)) return ignore('not-our-client');
  return situation.mode === 'authoritative' || isKnownMachine(situation) ? { kind: 'inform', address } : ignore('no-reservation');
}

function hasRecord({ network, identity, reserved, knowledge }: Identified): boolean {
  const owner = ownerOf(identity);
  const { book, nowMs } = knowledge;
  return reserved !== undefined || book.leaseOf(network.id, owner) !== undefined || book.offerTo(network.id, owner, nowMs) !== undefined;
}

function chooseFor(situation: Identified, requested: number | undefined, trace: Trace | undefined): AddressChoice {
  const { network, identity, reserved, mode, packet, serverId, knowledge } = situation;
  const taken = [...knowledge.serverIds, serverId, packet.relayIpAddress];
  const question = { network, identity, reserved: reserved?.address, hasPool: mode === 'authoritative', requested, taken };
  const choice = chooseAddress(question, knowledge.book, knowledge.nowMs);
  trace?.push({
    rule: 'address',
    source: 'RFC 2131 section 4.3.1',
    value: choice.kind === 'none' ? choice.reason : `${formatIpv4(choice.address)}, ${choice.source}`,
  });
  return choice;
}

/** Whether this would be one more pool address for a machine nobody knows than the network allows. attack case 9 */
function isOverQuota(situation: Identified, choice: AddressChoice, trace: Trace | undefined): boolean {
  const { network, identity, knowledge } = situation;
  const { unknownQuota } = network;
  if (unknownQuota === undefined || choice.kind === 'none' || choice.source === 'reserved' || isKnownMachine(situation)) return false;
  const { book, nowMs, quota } = knowledge;
  const owner = ownerOf(identity);
  const isCounted = choice.source === 'offered' || (book.leaseOf(network.id, owner)?.expiresAtMs ?? 0) > nowMs;
  if (isCounted) return false;
  const used = quota.used(network, book, (on, mac) => knowledge.entryOf(mac) !== undefined || on.reservationByMac.has(mac), nowMs);
  trace?.push({ rule: 'quota', source: 'docs/dhcp.md, unknown machines', value: `${used} of ${unknownQuota} addresses held by unknown machines` });
  return used >= unknownQuota;
}
