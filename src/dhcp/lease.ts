/**
 * Which address a client gets; who that client is says identity.ts.
 */
import { ownerOf, type Identity } from './identity.js';
import type { LeaseBook } from './lease-book.js';
import { isPoolAddress, type Network } from './network.js';

/** How the address was found; `reserved` ones may be acknowledged from memory when the database is away. */
export type AddressSource = 'reserved' | 'leased' | 'offered' | 'requested' | 'free';

export type AddressChoice =
  | { readonly kind: 'address'; readonly address: number; readonly source: AddressSource }
  | { readonly kind: 'none'; readonly reason: 'no-reservation' | 'pool-exhausted' };

/** What the choice depends on. */
export type AddressQuestion = {
  readonly network: Network;
  readonly identity: Identity;
  /** The address given by hand to this machine or its relay's port. */
  readonly reserved: number | undefined;
  /** Whether machines without a reservation get an address: mode `authoritative`. */
  readonly hasPool: boolean;
  /** Option 50, honoured for a pool address that is free. RFC 2131 section 4.3.1. */
  readonly requested: number | undefined;
  /** Addresses of the server and the relay on this network: in use by definition. */
  readonly taken: readonly number[];
};

/**
 * In order: reservation, current or last lease, promise of an OFFER, the requested address, a free one. A reserved address that
 * another machine still holds (the reservation is newer than its lease) is not given twice: the pool serves until it ends.
 */
export function chooseAddress(question: AddressQuestion, book: LeaseBook, nowMs: number): AddressChoice {
  const { network, identity, reserved, hasPool, requested, taken } = question;
  const owner = ownerOf(identity);
  if (reserved !== undefined && isReservedUsable(book, reserved, owner, nowMs)) {
    return { kind: 'address', address: reserved, source: 'reserved' };
  }
  if (!hasPool) return { kind: 'none', reason: 'no-reservation' };

  const isFree = (address: number): boolean => isPoolAddress(network, address) && !taken.includes(address) && book.isFreeFor(address, owner, nowMs);
  const lease = book.leaseOf(network.id, owner);
  if (lease !== undefined && isFree(lease.address)) return { kind: 'address', address: lease.address, source: 'leased' };
  const offer = book.offerTo(network.id, owner, nowMs);
  if (offer !== undefined && isFree(offer.address)) return { kind: 'address', address: offer.address, source: 'offered' };
  if (requested !== undefined && isFree(requested)) return { kind: 'address', address: requested, source: 'requested' };
  const free = findFree(network, identity.mac === '' ? owner : identity.mac, isFree);
  return free === undefined ? { kind: 'none', reason: 'pool-exhausted' } : { kind: 'address', address: free, source: 'free' };
}

/**
 * A DECLINE of a reserved address does not take it away: anyone could send one for any machine (attack case 10), and the
 * operator gave the address by hand.
 */
function isReservedUsable(book: LeaseBook, address: number, owner: string, nowMs: number): boolean {
  const holder = book.holderOf(address, nowMs);
  return holder === undefined || ownerOf(holder) === owner || holder.state === 'declined';
}

/**
 * Walks the pool from a place given by the MAC: a machine tends to get the same address even after its lease was forgotten, and two
 * servers seldom pick the same one for two machines.
 */
function findFree(network: Network, seed: string, isFree: (address: number) => boolean): number | undefined {
  const sizes = network.pool.map((range) => range.last - range.first + 1);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const start = total === 0 ? 0 : hashText(seed) % total;
  for (let step = 0; step < total; step += 1) {
    const address = nthAddress(network, sizes, (start + step) % total);
    if (address !== undefined && isFree(address)) return address;
  }
  return undefined;
}

function nthAddress(network: Network, sizes: readonly number[], index: number): number | undefined {
  let left = index;
  for (const [position, range] of network.pool.entries()) {
    const size = sizes[position] ?? 0;
    if (left < size) return range.first + left;
    left -= size;
  }
  return undefined;
}

/** FNV-1a, 32 bits: spreads MACs that differ in the last digit. http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
