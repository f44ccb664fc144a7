/**
 * What this process remembers of leases and offers: the mirror that DISCOVER is answered from without a query. It may be
 * behind the table (another server wrote); the row decides when the ACK is due, and its answer is put back here.
 * Times are milliseconds of one monotonic clock, given by the caller.
 */

/** One address that is held or in quarantine. */
export type Lease = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  /** `declined`: in quarantine until it ends, whoever asks. */
  readonly state: 'active' | 'declined';
  readonly expiresAtMs: number;
};

/** An address promised by an OFFER and not yet asked for. */
export type Offer = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  readonly expiresAtMs: number;
};

export class LeaseBook {
  readonly #leases = new Map<number, Lease>();
  readonly #leaseByMac = new Map<string, Lease>();
  readonly #offers = new Map<number, Offer>();
  readonly #offerByMac = new Map<string, Offer>();

  /** Records what the table says of an address, in place of what was known; an active lease ends the MAC's other one. */
  put(lease: Lease): void {
    this.forget(lease.address);
    if (lease.state === 'active') {
      const key = keyOf(lease.networkId, lease.mac);
      const previous = this.#leaseByMac.get(key);
      if (previous !== undefined) this.#leases.delete(previous.address);
      this.#leaseByMac.set(key, lease);
      this.#dropOfferOf(key);
    }
    this.#leases.set(lease.address, lease);
  }

  /** Forgets an address: released, or found to be nobody's. */
  forget(address: number): void {
    const lease = this.#leases.get(address);
    if (lease === undefined) return;
    this.#leases.delete(address);
    const key = keyOf(lease.networkId, lease.mac);
    if (this.#leaseByMac.get(key) === lease) this.#leaseByMac.delete(key);
  }

  /** The active lease of a MAC, ended or not: a machine that comes back gets its old address while nobody has taken it. */
  leaseOf(networkId: number, mac: string): Lease | undefined {
    return this.#leaseByMac.get(keyOf(networkId, mac));
  }

  /** Who holds the address now: an unexpired lease or a quarantine. */
  holderOf(address: number, nowMs: number): Lease | undefined {
    const lease = this.#leases.get(address);
    return lease !== undefined && lease.expiresAtMs > nowMs ? lease : undefined;
  }

  /** Promises an address for a while; a MAC has at most one promise a network. */
  holdOffer(offer: Offer): void {
    const key = keyOf(offer.networkId, offer.mac);
    this.#dropOfferOf(key);
    const other = this.#offers.get(offer.address);
    if (other !== undefined) this.#dropOfferOf(keyOf(other.networkId, other.mac));
    this.#offers.set(offer.address, offer);
    this.#offerByMac.set(key, offer);
  }

  /** The unexpired promise to a MAC. */
  offerTo(networkId: number, mac: string, nowMs: number): Offer | undefined {
    const offer = this.#offerByMac.get(keyOf(networkId, mac));
    return offer !== undefined && offer.expiresAtMs > nowMs ? offer : undefined;
  }

  /** Takes the promise back: the client chose another server, or declined. */
  dropOffer(networkId: number, mac: string): void {
    this.#dropOfferOf(keyOf(networkId, mac));
  }

  /** Whether nobody but this MAC holds the address or was promised it. */
  isFreeFor(address: number, mac: string, nowMs: number): boolean {
    const lease = this.#leases.get(address);
    if (lease !== undefined && lease.expiresAtMs > nowMs && (lease.state === 'declined' || lease.mac !== mac)) return false;
    const offer = this.#offers.get(address);
    return offer === undefined || offer.mac === mac || offer.expiresAtMs <= nowMs;
  }

  /** Removes promises and quarantines that ended, so that the book is bounded by the pools. Ended leases stay: see leaseOf. */
  sweep(nowMs: number): void {
    for (const [key, offer] of this.#offerByMac) if (offer.expiresAtMs <= nowMs) this.#dropOfferOf(key);
    for (const lease of this.#leases.values()) {
      if (lease.state === 'declined' && lease.expiresAtMs <= nowMs) this.forget(lease.address);
    }
  }

  /** Number of addresses remembered and of promises, for metrics. */
  size(): { leases: number; offers: number } {
    return { leases: this.#leases.size, offers: this.#offers.size };
  }

  #dropOfferOf(key: string): void {
    const offer = this.#offerByMac.get(key);
    if (offer === undefined) return;
    this.#offerByMac.delete(key);
    if (this.#offers.get(offer.address) === offer) this.#offers.delete(offer.address);
  }
}

function keyOf(networkId: number, mac: string): string {
  return `${networkId} ${mac}`;
}
