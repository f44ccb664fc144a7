/**
 * Keeps the zones at the database's revision: a hint or the poll, then what changed. While the database is away the zones stay
 * as they are and go on being served.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Pool } from '../db/client.js';
import { buildZones, type Built } from './build.js';
import type { ZoneRow } from './names.js';
import { asksForRoles, markRoles, readChanges, readRevision, readZones } from './rows.js';
import { joinDnsServer, leaveDnsServer, reportDnsServer, type DnsServerRow } from './server-row.js';
import type { ZoneRecord, ZoneSet } from './zone-set.js';

export type FollowDeps = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly server: DnsServerRow;
  /** Addresses of this server, for its own name in the zones. */
  readonly addresses: readonly string[];
  readonly counters: () => object;
  /** Called after every change, with the same object when only records moved. Networks: blocks whose machines are clients of ours. */
  readonly onZones: (zones: ZoneSet, subnets: readonly string[]) => void;
  readonly pollMs?: number;
};

const POLL_MS = 250;
const HEARTBEAT_MS = 5_000;
const ROLES_MS = 1_000;

export class ZoneFollower {
  readonly #deps: FollowDeps;
  #built: Built | undefined;
  #rows: readonly ZoneRow[] = [];
  #subnets: readonly string[] = [];
  #revision = -1;
  #heartbeatAt = Number.NEGATIVE_INFINITY;
  #rolesAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isKicked = false;
  #isClosed = false;
  #isDegraded = false;

  constructor(deps: FollowDeps) {
    this.#deps = deps;
  }

  /** Reads everything once and begins to follow. Rejects when the database cannot be read. */
  async start(): Promise<void> {
    await joinDnsServer(this.#deps.pool, this.#deps.server);
    await this.#follow();
    this.#schedule();
  }

  revision(): number {
    return this.#revision;
  }

  /** Looks at once; safe at any rate. */
  kick(): void {
    if (this.#isClosed) return;
    if (this.#isRunning) {
      this.#isKicked = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    // The row's lease ends by itself when the database is away.
    await leaveDnsServer(this.#deps.pool, this.#deps.server).catch((err: unknown) => this.#deps.logger.warn({ err }, 'could not leave the boot servers'));
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => (this.#running = this.#tick()), this.#deps.pollMs ?? POLL_MS);
  }

  async #tick(): Promise<void> {
    this.#isRunning = true;
    do {
      this.#isKicked = false;
      try {
        await this.#follow();
        if (this.#isDegraded) this.#deps.logger.info({ revision: this.#revision }, 'database is back');
        this.#isDegraded = false;
      } catch (err) {
        if (!this.#isDegraded) this.#deps.logger.warn({ err }, 'database is away: answering from memory');
        this.#isDegraded = true;
      }
    } while (this.#isKicked && !this.#isClosed);
    this.#isRunning = false;
    this.#schedule();
  }

  async #follow(): Promise<void> {
    const { pool } = this.#deps;
    const now = performance.now();
    if (asksForRoles(this.#rows) && now - this.#rolesAt >= ROLES_MS) {
      await markRoles(pool, this.#rows);
      this.#rolesAt = now;
    }
    const hasMoved = (await readRevision(pool)) !== this.#revision;
    if (hasMoved) await this.#load();
    if (!hasMoved && now - this.#heartbeatAt < HEARTBEAT_MS) return;
    await this.#report();
    this.#heartbeatAt = now;
  }

  async #load(): Promise<void> {
    if (this.#built !== undefined && (await this.#loadChanges(this.#built))) return;
    const rows = await readZones(this.#deps.pool);
    const building = buildZones(rows, this.#deps.addresses);
    let step = building.next();
    for (; step.done !== true; step = building.next()) await nextTurn();
    this.#built = step.value;
    this.#rows = rows.zones;
    this.#subnets = rows.networks.map((network) => network.subnet);
    this.#revision = rows.revision;
    this.#deps.onZones(step.value.zones, this.#subnets);
  }

  /** False, and nothing changed, when everything is to be read again. */
  async #loadChanges({ zones, naming, writtenOwners }: Built): Promise<boolean> {
    const changes = await readChanges(this.#deps.pool, this.#revision, asksForRoles(this.#rows));
    if (changes.isWhole) return false;
    const records = new Map(changes.allocationIds.map((id): [number, ZoneRecord[]] => [id, []]));
    for (const allocation of changes.allocations) records.set(allocation.id, naming.recordsOf(allocation));
    for (const [id, made] of records)
      if ([...zones.ownersOf(id), ...made.map((record) => record.owner)].some((owner) => writtenOwners.has(owner))) return false;
    // All that goes before anything comes: an address or a name may move from one to the other.
    for (const id of records.keys()) zones.put(id, []);
    for (const [id, made] of records) zones.put(id, made);
    zones.serial = changes.revision >>> 0;
    this.#revision = changes.revision;
    this.#deps.onZones(zones, this.#subnets);
    return true;
  }

  async #report(): Promise<void> {
    const { pool, server, counters } = this.#deps;
    const heartbeat = { revision: this.#revision, counters: counters() };
    if (await reportDnsServer(pool, server, heartbeat)) return;
    await joinDnsServer(pool, server);
    await reportDnsServer(pool, server, heartbeat);
  }
}
