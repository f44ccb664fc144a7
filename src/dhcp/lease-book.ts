/**
 * What this process remembers of leases and offers: the mirror that DISCOVER is answered from without a query. It may be
 * behind the table (another server wrote); the row decides when the ACK is due, and its answer is put back here.
 * Times are milliseconds of one monotonic clock, given by the caller.
 */
import { ownerOf } from './identity.js';

/** One address that is held or in quarantine. */
export type Lease = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  /** See Identity; null when the lease is the MAC's. */
  readonly clientKey: string | null;
  /** `declined`: in quarantine until it ends, whoever asks. */
  readonly state: 'active' | 'declined';
  readonly expiresAtMs: number;
};

/** An address promised by an OFFER and not yet asked for. */
export type Offer = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  readonly clientKey: string | null;
  readonly expiresAtMs: number;
};

export class LeaseBook {
  readonly #leases = new Map<number, Lease>();
  readonly #leaseByOwner = new ByOwner<Lease>();
  readonly #offers = new Map<number, Offer>();
  readonly #offerByOwner = new ByOwner<Offer>();

  /** Records what the table says of an address, in place of what was known; an active lease ends its owner's other one. */
  put(lease: Lease): void {
    this.forget(lease.address);
    if (lease.state === 'active') {
      const owner = ownerOf(lease);
      const previous = this.#leaseByOwner.get(lease.networkId, owner);
      if (previous !== undefined) this.#leases.delete(previous.address);
      this.#leaseByOwner.set(lease.networkId, owner, lease);
      this.dropOffer(lease.networkId, owner);
      // The row is somebody's: what was promised of its address to another is void.
      const promised = this.#offers.get(lease.address);
      if (promised !== undefined) this.dropOffer(promised.networkId, ownerOf(promised));
    }
    this.#leases.set(lease.address, lease);
  }

  /** Forgets an address: released, or found to be nobody's. */
  forget(address: number): void {
    const lease = this.#leases.get(address);
    if (lease === undefined) return;
    this.#leases.delete(address);
    const owner = ownerOf(lease);
    if (this.#leaseByOwner.get(lease.networkId, owner) === lease) this.#leaseByOwner.delete(lease.networkId, owner);
  }

  /** Forgets every lease and quarantine; promises stay. */
  forgetLeases(): void {
    for (const address of this.#leases.keys()) this.forget(address);
  }

  /** The active lease of an owner, ended or not: a machine that comes back gets its old address while nobody has taken it. */
  leaseOf(networkId: number, owner: string): Lease | undefined {
    return this.#leaseByOwner.get(networkId, owner);
  }

  /** Who holds the address now: an unexpired lease or a quarantine. */
  holderOf(address: number, nowMs: number): Lease | undefined {
    const lease = this.#leases.get(address);
    return lease !== undefined && lease.expiresAtMs > nowMs ? lease : undefined;
  }

  /** Promises an address for a while; an owner has at most one promise a network. */
  holdOffer(offer: Offer): void {
    const owner = ownerOf(offer);
    this.dropOffer(offer.networkId, owner);
    const other = this.#offers.get(offer.address);
    if (other !== undefined) this.dropOffer(other.networkId, ownerOf(other));
    this.#offers.set(offer.address, offer);
    this.#offerByOwner.set(offer.networkId, owner, offer);
  }

  /** The unexpired promise to an owner. */
  offerTo(networkId: number, owner: string, nowMs: number): Offer | undefined {
    const offer = this.#offerByOwner.get(networkId, owner);
    return offer !== undefined && offer.expiresAtMs > nowMs ? offer : undefined;
  }

  /** Takes the promise back: the client chose another server, or declined. */
  dropOffer(networkId: number, owner: string): void {
    const offer = this.#offerByOwner.get(networkId, owner);
    if (offer === undefined) return;
    this.#offerByOwner.delete(networkId, owner);
    if (this.#offers.get(offer.address) === offer) this.#offers.delete(offer.address);
  }

  /** Whether nobody but this owner holds the address or was promised it. */
  isFreeFor(address: number, owner: string, nowMs: number): boolean {
    const lease = this.#leases.get(address);
    if (lease !== undefined && lease.expiresAtMs > nowMs && (lease.state === 'declined' || ownerOf(lease) !== owner)) return false;
    const offer = this.#offers.get(address);
    return offer === undefined || ownerOf(offer) === owner || offer.expiresAtMs <= nowMs;
  }

  /** Removes promises and quarantines that ended, so that the book is bounded by the pools. Ended leases stay: see leaseOf. */
  sweep(nowMs: number): void {
    for (const offer of this.#offers.values()) if (offer.expiresAtMs <= nowMs) this.dropOffer(offer.networkId, ownerOf(offer));
    for (const lease of this.#leases.values()) {
      if (lease.state === 'declined' && lease.expiresAtMs <= nowMs) this.forget(lease.address);
    }
  }

  /** Every lease and quarantine of a network that has not ended. */
  *held(networkId: number, nowMs: number): Generator<Lease> {
    for (const lease of this.#leases.values()) if (lease.networkId === networkId && lease.expiresAtMs > nowMs) yield lease;
  }

  /** Every promise of a network that has not ended. */
  *promised(networkId: number, nowMs: number): Generator<Offer> {
    for (const offer of this.#offers.values()) if (offer.networkId === networkId && offer.expiresAtMs > nowMs) yield offer;
  }

  /** Number of addresses remembered and of promises, for metrics. */
  size(): { leases: number; offers: number } {
    return { leases: this.#leases.size, offers: this.#offers.size };
  }
}

/** One thing for each owner of each network; two lookups of short keys instead of one of a key made for it. */
class ByOwner<T> {
  readonly #networks = new Map<number, Map<string, T>>();

  get(networkId: number, owner: string): T | undefined {
    return this.#networks.get(networkId)?.get(owner);
  }

  set(networkId: number, owner: string, value: T): void {
    const owners = this.#networks.get(networkId);
    if (owners === undefined) this.#networks.set(networkId, new Map([[owner, value]]));
    else owners.set(owner, value);
  }

  delete(networkId: number, owner: string): void {
    this.#networks.get(networkId)?.delete(owner);
  }
}
