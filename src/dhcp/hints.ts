/**
 * Hears what other processes committed: a new revision of the DHCP table, leases that another server wrote. One connection of the
 * pool, kept; when it breaks it is opened anew, and `onConnected` tells that something may have been missed. Who listens polls too.
 */
import type { Pool, PoolClient } from 'pg';
import type { Logger } from 'pino';
import { withDeadline } from './deadline.js';

/** Payload: the new revision, with the entries of a small change (readTableHint); or `join` when a server has come. */
export const TABLE_CHANNEL = 'prybar_dhcp';
/** Payload: id of the server that wrote, a space, addresses with commas between them. */
export const LEASES_CHANNEL = 'prybar_leases';

/** ASCII 29, between the revision and the entries: 20261121180065_dhcp_hint_entries writes it. */
const RECORDS_FOLLOW = '\u001d';
/** A notification holds less than 8,000 bytes (PostgreSQL manual, NOTIFY); an address takes 16 at most. */
const ADDRESSES_A_HINT = 400;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_MS = 1_000;
const KEEPALIVE_MS = 5_000;

export type HintsDeps = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly serverId: string;
  readonly onTable: (payload: string) => void;
  /** Addresses as text whose leases another server wrote. */
  readonly onLeases: (addresses: readonly string[]) => void;
  /** After every connection, the first included. */
  readonly onConnected: () => void;
};

export class Hints {
  readonly #deps: HintsDeps;
  #client: PoolClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #opening: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: HintsDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#opening = this.#open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#opening;
    this.#client?.release(true);
    this.#client = undefined;
  }

  async #open(): Promise<void> {
    let client: PoolClient | undefined;
    try {
      client = await this.#connect();
      const opened = client;
      opened.on('error', () => this.#lose(opened));
      opened.on('notification', ({ channel, payload }) => this.#hear(channel, payload ?? ''));
      await opened.query(`LISTEN ${TABLE_CHANNEL}; LISTEN ${LEASES_CHANNEL}`);
      this.#client = opened;
      if (this.#isClosed) return;
      this.#keepAlive(opened);
      this.#deps.onConnected();
    } catch (error) {
      this.#deps.logger.debug({ err: error }, 'hints not heard');
      client?.release(true);
      this.#again();
    }
  }

  /** A database that hangs is one that is away; a connection that comes too late is given back. */
  async #connect(): Promise<PoolClient> {
    const connecting = this.#deps.pool.connect();
    let isLate = false;
    connecting.then(
      (late) => isLate && late.release(),
      () => undefined,
    );
    try {
      return await withDeadline(connecting, CONNECT_TIMEOUT_MS, 'connecting for hints');
    } catch (error) {
      isLate = true;
      throw error;
    }
  }

  /** A connection that died without a word is found out by a question. */
  #keepAlive(client: PoolClient): void {
    this.#timer = setTimeout(() => {
      client.query('SELECT 1').then(
        () => this.#client === client && !this.#isClosed && this.#keepAlive(client),
        () => this.#lose(client),
      );
    }, KEEPALIVE_MS);
    this.#timer.unref();
  }

  #lose(client: PoolClient): void {
    if (this.#client !== client || this.#isClosed) return;
    this.#client = undefined;
    client.release(true);
    this.#again();
  }

  #again(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void (this.#opening = this.#open()), RECONNECT_MS);
    this.#timer.unref();
  }

  #hear(channel: string, payload: string): void {
    if (channel === TABLE_CHANNEL) return this.#deps.onTable(payload);
    const [serverId, addresses = ''] = payload.split(' ');
    if (serverId !== this.#deps.serverId && addresses !== '') this.#deps.onLeases(addresses.split(','));
  }
}

/** The revision of a hint that brings its entries along, and their text for readEntryRecords; undefined for one that does not. */
export function readTableHint(payload: string): { readonly revision: bigint; readonly records: string } | undefined {
  const end = payload.indexOf(RECORDS_FOLLOW);
  return end > 0 && /^\d+$/.test(payload.slice(0, end)) ? { revision: BigInt(payload.slice(0, end)), records: payload.slice(end + 1) } : undefined;
}

/** Tells the other servers which leases were written. Safe to repeat; a hint that is lost costs one refused REQUEST. */
export async function hintLeases(pool: Pool, serverId: string, addresses: readonly string[]): Promise<void> {
  for (let at = 0; at < addresses.length; at += ADDRESSES_A_HINT)
    await pool.query('SELECT pg_notify($1, $2)', [LEASES_CHANNEL, `${serverId} ${addresses.slice(at, at + ADDRESSES_A_HINT).join(',')}`]);
}
