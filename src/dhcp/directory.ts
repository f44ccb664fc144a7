/**
 * What this server knows of machines and networks: the DHCP table in memory, kept by following its revision. A packet is
 * answered from here without a query, and goes on being answered while the database is away.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { BootServer } from './boot-server-row.js';
import { withDeadline } from './deadline.js';
import { readTableHint } from './hints.js';
import { changeReservations } from './network-changes.js';
import type { Network } from './network.js';
import { readChanges, readNetworks, readReservationChanges } from './read-table.js';
import { ServingReport } from './serving-report.js';
import type { DhcpEntry } from './situation.js';
import { readEntryRecords } from './table-records.js';

export type DirectoryDeps = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly server: BootServer;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
  /** Written into the server's row with each heartbeat. */
  readonly counters: () => object;
  readonly pollMs?: number;
};

/** The revision is a hint away at best; without NOTIFY a change is served this late at worst. */
const POLL_MS = 250;
const QUERY_TIMEOUT_MS = 3_000;
/** The first reading brings every machine there is. */
const FIRST_TIMEOUT_MS = 30_000;

/** Before the first reading. */
const NOTHING = -1n;

export class Directory {
  readonly #deps: DirectoryDeps;
  readonly #report: ServingReport;
  readonly #entries = new Map<string, DhcpEntry>();
  #networks: readonly Network[] = [];
  #problems: ReadonlySet<string> = new Set();
  #revision = NOTHING;
  #networksRevision = NOTHING;
  /** What the database does not let us do now. */
  readonly #failing = new Set<'follow' | 'report'>();
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #reporting: Promise<void> | undefined;
  #isKicked = false;

  constructor(deps: DirectoryDeps) {
    this.#deps = deps;
    const networkIds = (): number[] => this.#networks.filter((network) => network.mode !== 'off').map((network) => network.id);
    this.#report = new ServingReport({ ...deps, serving: () => ({ revision: this.#revision, networkIds: networkIds() }) });
  }

  /**
   * Loads the whole table, joins and starts to follow it. Rejects when the database cannot be read: a server that knows
   * nothing must not answer.
   */
  async start(): Promise<void> {
    await this.#follow(FIRST_TIMEOUT_MS);
    await this.#report.join();
    await this.#report.send();
    await this.#report.announce();
    this.#schedule();
  }

  /** The machine of a MAC, or undefined when the table does not have it. */
  entryOf(mac: string): DhcpEntry | undefined {
    return this.#entries.get(mac);
  }

  networks(): readonly Network[] {
    return this.#networks;
  }

  /** Addresses of the DHCP servers of this Prybar, ours included, as of the last heartbeat. */
  peerIds(): readonly number[] {
    return this.#report.peerIds();
  }

  /** Whether another DHCP server answers from the same tables. */
  hasPeers(): boolean {
    return this.#report.hasPeers();
  }

  /** Another server has come: the next look reports, and learns of it. */
  meetPeers(): void {
    this.#report.makeDue();
    this.kick();
  }

  /** The revision that is served now; -1 before the first load. */
  revision(): bigint {
    return this.#revision;
  }

  /** Whether boot files other than local ones may be given: our report still stands (engine-rules 6). */
  mayBoot(): boolean {
    return this.#report.isInForce();
  }

  /** True while the database does not answer and memory does. */
  isDegraded(): boolean {
    return this.#failing.size > 0;
  }

  /**
   * A hint of a new revision. It brings the entries of a small change along: when that is the revision after ours it is taken as
   * it is, without a query; otherwise what is missing is read.
   */
  hear(payload: string): void {
    const hint = readTableHint(payload);
    const isNext = hint !== undefined && this.#running === undefined && hint.revision === this.#revision + 1n;
    if (this.#isClosed || !isNext) return this.kick();
    this.#apply(hint.records);
    this.#revision = hint.revision;
    this.#reportSoon();
  }

  /** Looks for a new revision at once. Safe at any rate. */
  kick(): void {
    if (this.#isClosed) return;
    if (this.#running !== undefined) {
      this.#isKicked = true;
      return;
    }
    clearTimeout(this.#timer);
    void this.#tick();
  }

  /** Stops following and takes the server out of the confirming set. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#reporting;
    try {
      await this.#report.leave();
    } catch (error) {
      // The row's lease ends by itself; whoever waits for us waits that much longer.
      this.#deps.logger.warn({ err: error }, 'could not leave the boot servers');
    }
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#tick(), this.#deps.pollMs ?? POLL_MS);
  }

  async #tick(): Promise<void> {
    do {
      this.#isKicked = false;
      this.#running = this.#safely('follow', () => this.#follow(QUERY_TIMEOUT_MS));
      await this.#running;
    } while (this.#isKicked && !this.#isClosed);
    this.#running = undefined;
    this.#reportSoon();
    this.#schedule();
  }

  /** Who waits for the revision that is served now hears of it; what changes meanwhile is the next report's. */
  #reportSoon(): void {
    if (this.#reporting !== undefined || this.#isClosed || this.#failing.has('follow') || !this.#report.isDue()) return;
    this.#reporting = this.#safely('report', () => this.#report.send()).finally(() => {
      this.#reporting = undefined;
      // One that failed is the next look's to repeat.
      if (!this.#failing.has('report')) this.#reportSoon();
    });
  }

  /** A database that can be read and not written (a standby) is away until both are possible again, and that is news once. */
  async #safely(what: 'follow' | 'report', ask: () => Promise<void>): Promise<void> {
    const { logger } = this.#deps;
    try {
      await ask();
      if (this.#failing.delete(what) && this.#failing.size === 0) logger.info({ revision: this.#revision.toString() }, 'database is back');
    } catch (error) {
      if (this.#failing.size === 0) logger.warn({ err: error }, 'database is away: answering known hosts from memory');
      this.#failing.add(what);
    }
  }

  /** Reads what has changed: an entry costs its row, the networks are read when they moved. */
  async #follow(timeoutMs: number): Promise<void> {
    const before = this.#revision;
    const isFirst = before === NOTHING;
    const ask = <T>(query: Promise<T>): Promise<T> => withDeadline(query, timeoutMs, 'a query of the DHCP directory');
    // At the start both are needed, and neither waits for the other. Nothing else is asked beside them: a connection more takes
    // both sides longer than a round trip.
    const networks = isFirst ? ask(this.#loadNetworks()) : Promise.resolve();
    const [changes] = await Promise.all([ask(readChanges(this.#deps.pool, before)), networks]);
    if (changes.revision < before) {
      // An older database was put in place: start anew.
      this.#entries.clear();
      this.#revision = NOTHING;
      this.#networksRevision = NOTHING;
      return this.#follow(FIRST_TIMEOUT_MS);
    }
    for (const records of changes.records) this.#apply(records);
    if (changes.networksRevision !== this.#networksRevision) await ask(this.#loadNetworks());
    this.#revision = changes.revision;
  }

  #apply(text: string): void {
    const { logger } = this.#deps;
    const { records, unreadable } = readEntryRecords(text);
    for (const row of unreadable) logger.error({ row: row.slice(0, 100) }, 'entry of the DHCP table left out');
    for (const { mac, entry, problems } of records) {
      for (const reason of problems) logger.warn({ mac, nodeId: entry?.nodeId, reason }, 'option left out');
      if (entry === undefined) this.#entries.delete(mac);
      else this.#entries.set(mac, entry);
    }
  }

  /** The reservations that have changed, or everything. */
  async #loadNetworks(): Promise<void> {
    const { pool, logger } = this.#deps;
    const some = this.#networksRevision === NOTHING ? undefined : await readReservationChanges(pool, this.#networksRevision);
    const built = some === undefined ? await readNetworks(pool) : { ...changeReservations(this.#networks, some.changes), revision: some.revision };
    // Networks are read again with every change of them; a problem is news once.
    for (const problem of built.problems) if (!this.#problems.has(problem)) logger.warn({ reason: problem }, 'network setting left out');
    this.#problems = new Set(some === undefined ? built.problems : [...this.#problems, ...built.problems]);
    this.#networks = built.networks;
    this.#networksRevision = built.revision;
  }
}
