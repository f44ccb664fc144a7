/**
 * Leases committed before the ACK, many at a time: requests that arrive while a commit is under way go together in the next
 * one, so a storm costs a commit per batch and a lone request waits for nobody.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { withDeadline } from './deadline.js';
import { errorCode } from './error-code.js';
import { takeBatch, type GrantOutcome, type Pending, type PendingGrant, type PendingWrite } from './grant-batch.js';
import { ownerOf } from './identity.js';
import { observeLease, type ObservedLease } from './observed-leases.js';
import type { Lease, LeaseBook } from './lease-book.js';
import {
  declineLease,
  grantLeases,
  moveAndGrantLeases,
  readLeases,
  readLeasesAt,
  readLeasesOf,
  releaseLease,
  type DeclinedLease,
  type LeaseAsk,
  type LeaseRow,
} from './lease-queries.js';

export type LeaseStoreDeps = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly book: LeaseBook;
  /** Called with what was written, after the commit: other servers are told. */
  readonly onWritten: (addresses: readonly number[]) => void;
  readonly monotonicMs: () => number;
};

/** Past this a flood is under way; clients whose ask is dropped ask again. */
const QUEUE_LIMIT = 20_000;
/** Clients repeat a REQUEST after 4 s (RFC 2131 section 4.1); an answer later than this is of no use to them. */
const COMMIT_TIMEOUT_MS = 2_000;
const MAXIMUM_TRIES = 3;
/** Serialization failure, deadlock, lock not available: the same batch may succeed now. */
const RETRYABLE = new Set(['40001', '40P01', '55P03']);
/** Classes 22 and 23: one row of the batch is wrong (its network was deleted, another server gave its machine an address). */
const WRONG_ROW = /^2[23]/;

export class LeaseStore {
  readonly #deps: LeaseStoreDeps;
  #queue: Pending[] = [];
  #draining: Promise<void> | undefined;
  #isAway = false;

  constructor(deps: LeaseStoreDeps) {
    this.#deps = deps;
  }

  /** Fills the book from the table. */
  async load(): Promise<void> {
    const rows = await withDeadline(readLeases(this.#deps.pool), COMMIT_TIMEOUT_MS * 5, 'reading the leases');
    for (const row of rows) this.#remember(row);
  }

  /** Reads the whole table again, in order with our own writes: what others wrote meanwhile, nobody told us of. */
  resync(): void {
    const { pool, book } = this.#deps;
    this.#enqueue({
      kind: 'write',
      what: 'resync',
      run: async () => {
        const rows = await readLeases(pool);
        book.forgetLeases();
        for (const row of rows) this.#remember(row);
      },
    });
  }

  /** Reads the leases of some addresses, in order with our own writes: another server has written them. */
  relearn(addresses: readonly number[]): void {
    const { pool, book } = this.#deps;
    this.#enqueue({
      kind: 'write',
      what: 'reading',
      run: async () => {
        const rows = await readLeasesAt(pool, addresses);
        for (const address of addresses) book.forget(address);
        for (const row of rows) this.#remember(row);
      },
    });
  }

  /** Asks for an address; `settle` is called once, after the commit. */
  grant(ask: LeaseAsk, settle: (outcome: GrantOutcome) => void): void {
    if (this.#queue.length >= QUEUE_LIMIT) settle('unavailable');
    else this.#enqueue({ kind: 'grant', ask, settle: [settle] });
  }

  /**
   * Reads what the table says of an owner and of an address, where another server may have written. False when it cannot be
   * read. Never rejects.
   */
  async recall(networkId: number, owner: string, address: number): Promise<boolean> {
    try {
      const rows = await withDeadline(readLeasesOf(this.#deps.pool, networkId, owner, address), COMMIT_TIMEOUT_MS, 'reading a lease');
      for (const row of rows) this.#remember(row);
      return true;
    } catch (error) {
      this.#deps.logger.debug({ err: error }, 'lease not read');
      return false;
    }
  }

  /** Gives an address back. Kept in order with grants, so that a machine that asks again at once keeps its new lease. */
  release(address: number, owner: string): void {
    this.#deps.book.forget(address);
    this.#enqueue({ kind: 'write', what: 'release', run: () => releaseLease(this.#deps.pool, address, owner).then(() => this.#deps.onWritten([address])) });
  }

  /** Writes down what another server gave (mode proxy); an observation that is still fresh is not written again. */
  observe(lease: ObservedLease, seconds: number): void {
    const { book, monotonicMs, pool } = this.#deps;
    const known = book.leaseOf(lease.networkId, ownerOf(lease));
    if (known?.address === lease.address && known.expiresAtMs - monotonicMs() > seconds * 900) return;
    book.put({ ...lease, state: 'active', expiresAtMs: monotonicMs() + seconds * 1000 });
    this.#enqueue({ kind: 'write', what: 'observation', run: () => observeLease(pool, lease, seconds) });
  }

  /** Puts an address in quarantine, at once in memory. */
  decline(lease: DeclinedLease, quarantineSeconds: number): void {
    const { book, monotonicMs, pool } = this.#deps;
    book.dropOffer(lease.networkId, ownerOf(lease));
    book.put({ ...lease, state: 'declined', expiresAtMs: monotonicMs() + quarantineSeconds * 1000 });
    this.#enqueue({
      kind: 'write',
      what: 'decline',
      run: () => declineLease(pool, lease, quarantineSeconds).then(() => this.#deps.onWritten([lease.address])),
    });
  }

  /** Waits until everything asked so far is written or given up. */
  async close(): Promise<void> {
    await this.#draining;
  }

  #enqueue(item: Pending): void {
    this.#queue.push(item);
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // One turn of the event loop: every datagram the kernel already holds joins the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const first = this.#queue[0];
      if (first?.kind === 'write') {
        this.#queue.shift();
        await this.#write(first);
      } else {
        const { batch, rest } = takeBatch(this.#queue);
        this.#queue = rest;
        await this.#commit(batch);
      }
    }
    this.#draining = undefined;
  }

  async #commit(batch: readonly PendingGrant[]): Promise<void> {
    let granted: ReadonlySet<number> | undefined;
    try {
      granted = await withDeadline(this.#grantBatch(batch, 1), COMMIT_TIMEOUT_MS, 'a lease commit');
      await this.#learnHolders(batch, granted);
      if (this.#isAway) this.#deps.logger.info('leases are committed again');
      this.#isAway = false;
    } catch (error) {
      granted = undefined;
      if (!this.#isAway) this.#deps.logger.warn({ err: error, leases: batch.length }, 'leases cannot be committed');
      this.#isAway = true;
    }
    for (const item of batch) this.#settle(item, granted === undefined ? 'unavailable' : granted.has(item.ask.address) ? 'granted' : 'taken');
  }

  /** A fault of one answer costs nobody else theirs. */
  #settle(item: PendingGrant, outcome: GrantOutcome): void {
    for (const tell of item.settle) {
      try {
        tell(outcome);
      } catch (error) {
        this.#deps.logger.error({ err: error, mac: item.ask.mac }, 'answer to a lease failed');
      }
    }
  }

  /**
   * One statement when nobody in the batch moves from another address, the two-statement transaction otherwise. A unique violation
   * means that another server gave one of these machines another address meanwhile: the transaction moves it. What still
   * fails is halved until the wrong row is alone, so that one poisoned ask costs nobody else the lease.
   */
  async #grantBatch(batch: readonly PendingGrant[], attempt: number): Promise<Set<number>> {
    const { pool, book } = this.#deps;
    const asks = batch.map((item) => item.ask);
    const isMove = attempt > 1 || asks.some((ask) => (book.leaseOf(ask.networkId, ownerOf(ask))?.address ?? ask.address) !== ask.address);
    try {
      const granted = isMove ? await moveAndGrantLeases(pool, asks) : await grantLeases(pool, asks);
      this.#rememberGranted(asks, granted);
      this.#deps.onWritten([...granted]);
      return granted;
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      const isWrongRow = WRONG_ROW.test(code);
      if ((RETRYABLE.has(code) || isWrongRow) && attempt < MAXIMUM_TRIES) return this.#grantBatch(batch, attempt + 1);
      if (!isWrongRow) throw error;
      if (batch.length === 1) return new Set();
      const middle = Math.ceil(batch.length / 2);
      const first = await this.#grantBatch(batch.slice(0, middle), attempt);
      const second = await this.#grantBatch(batch.slice(middle), attempt);
      return new Set([...first, ...second]);
    }
  }

  #rememberGranted(asks: readonly LeaseAsk[], granted: ReadonlySet<number>): void {
    const nowMs = this.#deps.monotonicMs();
    for (const { address, networkId, mac, clientKey, leaseSeconds } of asks) {
      if (granted.has(address)) this.#deps.book.put({ address, networkId, mac, clientKey, state: 'active', expiresAtMs: nowMs + leaseSeconds * 1000 });
    }
  }

  /** Who has the addresses we lost: the next DISCOVER must not offer them again. */
  async #learnHolders(batch: readonly PendingGrant[], granted: ReadonlySet<number>): Promise<void> {
    const lost = batch.map((item) => item.ask.address).filter((address) => !granted.has(address));
    if (lost.length === 0) return;
    const rows = await withDeadline(readLeasesAt(this.#deps.pool, lost), COMMIT_TIMEOUT_MS, 'reading lease holders');
    for (const row of rows) this.#remember(row);
  }

  async #write(item: PendingWrite): Promise<void> {
    try {
      await withDeadline(item.run(), COMMIT_TIMEOUT_MS, `a lease ${item.what}`);
    } catch (error) {
      // The row ends by itself; until then the address is merely not given to another machine.
      this.#deps.logger.warn({ err: error, what: item.what }, 'lease change not written');
    }
  }

  #remember(row: LeaseRow): void {
    const lease: Lease = {
      address: row.address,
      networkId: row.networkId,
      mac: row.mac,
      clientKey: row.clientKey,
      state: row.state,
      expiresAtMs: this.#deps.monotonicMs() + row.leftMs,
    };
    this.#deps.book.put(lease);
  }
}
