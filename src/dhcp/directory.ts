/**
 * What this server knows of machines and networks: the DHCP table in memory, kept by following its revision. A packet is
 * answered from here without a query, and goes on being answered while the database is away.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { announceServer, joinBootServers, leaveBootServers, readPeers, reportServing, SERVER_LEASE_SECONDS, type BootServer } from './boot-server-row.js';
import { withDeadline } from './deadline.js';
import { encodeOptions } from './named-options.js';
import type { Network } from './network.js';
import { readNetworks } from './read-table.js';
import type { DhcpEntry } from './situation.js';

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

/** The table's counters beside each changed entry; `mac` is null when none changed. */
type TableRow = (EntryRow | { mac: null }) & { revision: string; networks_revision: string };

type EntryRow = {
  mac: string;
  node_id: number;
  hostname: string;
  bootenv: string;
  boot_local: boolean;
  options: unknown;
  deleted: boolean;
};

/** The revision is a hint away at best; without NOTIFY a change is served this late at worst. */
const POLL_MS = 250;
const HEARTBEAT_MS = 5_000;
const QUERY_TIMEOUT_MS = 3_000;

const FOLLOW = `
  SELECT t.revision, t.networks_revision, e.mac, e.node_id, e.hostname, e.bootenv, e.boot_local, e.options, e.deleted
    FROM dhcp_table t LEFT JOIN dhcp_entries e ON e.revision > $1::bigint
   WHERE t.id = 1 ORDER BY e.revision`;

export class Directory {
  readonly #deps: DirectoryDeps;
  readonly #entries = new Map<string, DhcpEntry>();
  #networks: readonly Network[] = [];
  #problems: ReadonlySet<string> = new Set();
  #revision = -1n;
  #networksRevision = -1n;
  #hasPeers = false;
  #peerIds: readonly number[] = [];
  #leaseEndsAtMs = 0;
  #heartbeatAtMs = 0;
  #isDegraded = false;
  #isClosed = false;
  #hasJoined = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isKicked = false;

  constructor(deps: DirectoryDeps) {
    this.#deps = deps;
  }

  /**
   * Joins, loads the whole table and starts to follow it. Rejects when the database cannot be read: a server that knows
   * nothing must not answer.
   */
  async start(): Promise<void> {
    await this.#ask(joinBootServers(this.#deps.pool, this.#deps.server));
    this.#hasJoined = true;
    await this.#follow();
    await this.#ask(announceServer(this.#deps.pool));
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
    return this.#peerIds;
  }

  /** Whether another DHCP server answers from the same tables. */
  hasPeers(): boolean {
    return this.#hasPeers;
  }

  /** Another server has come: the next look reports, and learns of it. */
  meetPeers(): void {
    this.#heartbeatAtMs = -Infinity;
    this.kick();
  }

  /** The revision that is served now; -1 before the first load. */
  revision(): bigint {
    return this.#revision;
  }

  /** Whether boot files other than local ones may be given: our report still stands (engine-rules 6). */
  mayBoot(): boolean {
    return this.#deps.monotonicMs() < this.#leaseEndsAtMs;
  }

  /** True while the database does not answer and memory does. */
  isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** Looks for a new revision at once: the hint that one may be there. Safe at any rate. */
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
    if (!this.#hasJoined) return;
    try {
      await this.#ask(leaveBootServers(this.#deps.pool, this.#deps.server));
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
      this.#running = this.#followSafely();
      await this.#running;
    } while (this.#isKicked && !this.#isClosed);
    this.#running = undefined;
    this.#schedule();
  }

  async #followSafely(): Promise<void> {
    try {
      await this.#follow();
      if (this.#isDegraded) this.#deps.logger.info({ revision: this.#revision.toString() }, 'database is back');
      this.#isDegraded = false;
    } catch (error) {
      if (!this.#isDegraded) this.#deps.logger.warn({ err: error }, 'database is away: answering known hosts from memory');
      this.#isDegraded = true;
    }
  }

  /** What has changed, read in one statement and so from one moment: an entry costs its row, the networks are read when they moved. */
  async #follow(): Promise<void> {
    const before = this.#revision;
    const { rows } = await this.#ask(this.#deps.pool.query<TableRow>({ name: 'dhcp-follow', text: FOLLOW, values: [before.toString()] }));
    const revision = BigInt(rows[0]?.revision ?? 0);
    const networksRevision = BigInt(rows[0]?.networks_revision ?? 0);
    const isRestored = revision < before; // an older database was put in place: start anew
    const haveNetworksMoved = networksRevision !== this.#networksRevision || isRestored;
    if (isRestored) {
      this.#entries.clear();
      this.#revision = -1n;
      this.#networksRevision = -1n;
      return this.#follow();
    }
    for (const row of rows) this.#apply(row);
    // Committed before they were counted, or read once more by the next look.
    if (haveNetworksMoved) await this.#loadNetworks();
    this.#revision = revision;
    this.#networksRevision = networksRevision;
    if (revision !== before || this.#deps.monotonicMs() - this.#heartbeatAtMs >= HEARTBEAT_MS) await this.#report();
  }

  #apply(row: TableRow): void {
    if (row.mac === null) return; // the table's row alone: no entry has changed
    if (row.deleted) this.#entries.delete(row.mac);
    else this.#entries.set(row.mac, this.#entryOfRow(row));
  }

  #entryOfRow(row: EntryRow): DhcpEntry {
    const { options, problems } = encodeOptions(row.options);
    for (const reason of problems) this.#deps.logger.warn({ mac: row.mac, nodeId: row.node_id, reason }, 'option left out');
    return {
      mac: row.mac,
      nodeId: row.node_id,
      hostName: row.hostname,
      bootenv: row.bootenv,
      bootLocal: row.boot_local,
      options,
    };
  }

  async #loadNetworks(): Promise<void> {
    const { pool, logger } = this.#deps;
    const built = await this.#ask(readNetworks(pool));
    // Networks are read again with every change of the table; a problem is news once.
    for (const problem of built.problems) if (!this.#problems.has(problem)) logger.warn({ reason: problem }, 'network setting left out');
    this.#problems = new Set(built.problems);
    this.#networks = built.networks;
  }

  /** The lease counts from before the report was sent: ours must never outlive the row's. */
  async #report(): Promise<void> {
    const { pool, server, monotonicMs, counters } = this.#deps;
    const sentAtMs = monotonicMs();
    const networkIds = this.#networks.filter((network) => network.mode !== 'off').map((network) => network.id);
    const heartbeat = { revision: this.#revision, networkIds, counters: counters() };
    if (!(await this.#ask(reportServing(pool, server, heartbeat)))) {
      await this.#ask(joinBootServers(pool, server));
      await this.#ask(reportServing(pool, server, heartbeat));
    }
    const peers = await this.#ask(readPeers(pool, server));
    this.#peerIds = peers.addresses;
    this.#hasPeers = peers.others > 0;
    this.#heartbeatAtMs = sentAtMs;
    this.#leaseEndsAtMs = sentAtMs + SERVER_LEASE_SECONDS * 1000;
  }

  #ask<T>(query: Promise<T>): Promise<T> {
    return withDeadline(query, QUERY_TIMEOUT_MS, 'a query of the DHCP directory');
  }
}
