/**
 * What this server says of itself to the rest of Prybar, and hears of the others: its row in `boot_servers`. A report is under
 * way beside the answering and the following, never before them: a changed boot is answered at once and confirmed right after.
 */
import type { Pool } from 'pg';
import { announceServer, joinBootServers, leaveBootServers, readPeers, reportServing, SERVER_LEASE_SECONDS, type BootServer } from './boot-server-row.js';
import { withDeadline } from './deadline.js';

export type ServingReportDeps = {
  readonly pool: Pool;
  readonly server: BootServer;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
  readonly counters: () => object;
  /** What is served when the report is sent. */
  readonly serving: () => { readonly revision: bigint; readonly networkIds: readonly number[] };
};

const HEARTBEAT_MS = 5_000;
const QUERY_TIMEOUT_MS = 3_000;

export class ServingReport {
  readonly #deps: ServingReportDeps;
  #hasJoined = false;
  #hasPeers = false;
  #peerIds: readonly number[] = [];
  #leaseEndsAtMs = 0;
  #heartbeatAtMs = -Infinity;
  #reported = -1n;

  constructor(deps: ServingReportDeps) {
    this.#deps = deps;
  }

  /** Addresses of the DHCP servers of this Prybar, ours included, as of the last report. */
  peerIds(): readonly number[] {
    return this.#peerIds;
  }

  /** Whether another DHCP server answers from the same tables. */
  hasPeers(): boolean {
    return this.#hasPeers;
  }

  /** Whether our report still stands (engine-rules 6). */
  isInForce(): boolean {
    return this.#deps.monotonicMs() < this.#leaseEndsAtMs;
  }

  /** Whether there is something to report, or it was long ago. */
  isDue(): boolean {
    return this.#deps.serving().revision !== this.#reported || this.#deps.monotonicMs() - this.#heartbeatAtMs >= HEARTBEAT_MS;
  }

  /** Makes the next look find a report due. */
  makeDue(): void {
    this.#heartbeatAtMs = -Infinity;
  }

  async join(): Promise<void> {
    await this.#ask(joinBootServers(this.#deps.pool, this.#deps.server));
    this.#hasJoined = true;
  }

  async announce(): Promise<void> {
    await this.#ask(announceServer(this.#deps.pool));
  }

  /** Nothing when we never joined. */
  async leave(): Promise<void> {
    if (this.#hasJoined) await this.#ask(leaveBootServers(this.#deps.pool, this.#deps.server));
  }

  /** The lease counts from before the report was sent: ours must never outlive the row's. */
  async send(): Promise<void> {
    const { pool, server, monotonicMs, counters, serving } = this.#deps;
    const sentAtMs = monotonicMs();
    const heartbeat = { ...serving(), counters: counters() };
    if (!(await this.#ask(reportServing(pool, server, heartbeat)))) {
      await this.#ask(joinBootServers(pool, server));
      await this.#ask(reportServing(pool, server, heartbeat));
    }
    const peers = await this.#ask(readPeers(pool, server));
    this.#peerIds = peers.addresses;
    this.#hasPeers = peers.others > 0;
    this.#reported = heartbeat.revision;
    this.#heartbeatAtMs = sentAtMs;
    this.#leaseEndsAtMs = sentAtMs + SERVER_LEASE_SECONDS * 1000;
  }

  #ask<T>(query: Promise<T>): Promise<T> {
    return withDeadline(query, QUERY_TIMEOUT_MS, 'a report of the DHCP server');
  }
}
