/**
 * How many pool addresses machines unknown to Prybar hold: a flood of random MACs must not empty a pool that new machines need
 * (attack case 9). Reserved addresses are never concerned: the pool does not contain them.
 */
import { isFoundInUse } from './identity.js';
import type { LeaseBook } from './lease-book.js';
import type { Network } from './network.js';

/** Whether Prybar knows the machine of a MAC: a node's NIC or a reservation. */
export type IsKnown = (network: Network, mac: string) => boolean;

/** A count is taken anew after this; what is promised in between is added to it. */
const COUNT_MS = 500;

type Count = { used: number; countedAtMs: number };

export class UnknownQuota {
  readonly #counts = new Map<number, Count>();

  /** Leases, promises and what was declined by unknown machines on the network; not what a probe found in use. Walks the book at most twice a second. */
  used(network: Network, book: LeaseBook, isKnown: IsKnown, nowMs: number): number {
    const count = this.#counts.get(network.id);
    if (count !== undefined && nowMs - count.countedAtMs < COUNT_MS && nowMs >= count.countedAtMs) return count.used;
    let used = 0;
    for (const lease of book.held(network.id, nowMs)) if (!isFoundInUse(lease) && !isKnown(network, lease.mac)) used += 1;
    for (const offer of book.promised(network.id, nowMs)) if (!isKnown(network, offer.mac)) used += 1;
    this.#counts.set(network.id, { used, countedAtMs: nowMs });
    return used;
  }

  /** An address was promised to an unknown machine. */
  take(networkId: number): void {
    const count = this.#counts.get(networkId);
    if (count !== undefined) count.used += 1;
  }
}
