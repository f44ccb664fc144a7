/** What can be decided about a message, and the words for it. */
import { formatIpv4 } from '../shared/ipv4.js';
import { MessageType } from './codes.js';
import type { AddressSource } from './lease.js';

/** The four client states a REQUEST comes from. RFC 2131 section 4.3.2, table 4. */
export type RequestState = 'selecting' | 'init-reboot' | 'renewing' | 'rebinding';

/** Why a well-formed message gets no answer. */
export type IgnoreReason =
  | 'no-hardware-address'
  | 'malformed-option'
  | 'unknown-message-type'
  | 'network-off'
  | 'proxy-mode'
  | 'not-a-boot-client'
  | 'no-reservation'
  | 'pool-exhausted'
  | 'unknown-quota'
  | 'too-early'
  | 'other-server'
  | 'not-our-client'
  | 'decline-flood'
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
  /** A boot file and no address: a proxy's OFFER on port 67, or the ACK of the boot server on 4011. */
  | { readonly kind: 'boot'; readonly type: typeof MessageType.offer | typeof MessageType.ack }
  /** Nothing is said: a client chose what another server gave it (mode proxy). */
  | { readonly kind: 'observe'; readonly address: number }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason };

const MESSAGE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(MessageType).map(([name, code]) => [code, name.toUpperCase()]));

/** Name of a message type, for people. */
export function messageName(type: number | undefined): string {
  return type === undefined ? 'BOOTP request' : (MESSAGE_NAMES.get(type) ?? `message type ${type}`);
}

/** A message in a few words; the arguments are options 53, 50 and 54. */
export function describeMessage(type: number | undefined, requested: number | undefined, serverId: number | undefined): string {
  const wish = requested === undefined ? '' : `, wants ${formatIpv4(requested)}`;
  return `${messageName(type)}${wish}${serverId === undefined ? '' : `, to server ${formatIpv4(serverId)}`}`;
}

/** A decision in a few words. */
export function describeDecision(decision: Decision): string {
  const address = 'address' in decision ? ` ${formatIpv4(decision.address)}` : '';
  return decision.kind + address + ('reason' in decision ? `: ${decision.reason}` : '');
}

/** The decision to stay silent. */
export function ignore(reason: IgnoreReason): Decision {
  return { kind: 'ignore', reason };
}
