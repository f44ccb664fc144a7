/**
 * The DHCP service: receives, parses, decides, commits, sends. It owns the sockets, the lease rows and this server's row in
 * `boot_servers`; the rules are in respond.ts, lease.ts and bootfile.ts (packet.ts tells the reading order).
 *
 * Nothing is awaited per packet but the lease commit of an ACK, and that in batches: a rack that is powered on at once gets
 * every OFFER in the turn its DISCOVER is read, or a quarter of a second later where a pool address is asked for on the wire first.
 * It must never answer before the table was read once, block in `onEvent`, or die of a datagram.
 */
import type { RemoteInfo } from 'node:dgram';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import type { DhcpAlarm } from './alarms.js';
import { JOIN_HINT, type BootServer } from './boot-server-row.js';
import { DEFAULT_LOADERS, type BootSettings } from './bootfile.js';
import { countReason, newCounters, type DhcpCounters } from './counters.js';
import { Directory } from './directory.js';
import type { DhcpEvent } from './events.js';
import { Exchange } from './exchange.js';
import { AddressProber } from './address-probe.js';
import { LeaseBook } from './lease-book.js';
import { LeaseStore } from './lease-store.js';
import { hintLeases, Hints } from './hints.js';
import { LinkWatch } from './link-watch.js';
import { parsePacket } from './packet.js';
import { isRivalProbe } from './rivals.js';
import type { Endpoint } from './endpoint.js';
import { openEndpoints, type SocketPlan } from './sockets.js';

export type DhcpServerOptions = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly sockets: SocketPlan;
  readonly server: BootServer;
  readonly boot: {
    /** Address of TFTP and boot HTTP for every client; absent: the address the client was heard at. */
    readonly host?: string;
    readonly httpPort: number;
    /** Loaders in place of DEFAULT_LOADERS. */
    readonly loaders?: BootSettings['loaders'];
  };
  /** Whether this process answers DNS too: networks without a DNS server are then told its address. */
  readonly servesDns?: boolean;
  /** Messages that begin an exchange are left to another server until the client has waited this long, seconds. */
  readonly minSecs?: number;
  /** Called for what an operator must look at, at most once in a while. What it throws is logged. */
  readonly onAlarm?: (alarm: DhcpAlarm) => void;
  /** Called in the turn a packet is handled; must return at once. What it throws is logged. */
  readonly onEvent?: (event: DhcpEvent) => void;
  /** Asked before an event of a machine is made; false saves the work of one that would be left out. */
  readonly wantsEvents?: (mac: string) => boolean;
  readonly pollMs?: number;
  /** Wall clock, for events only. */
  readonly now?: () => Date;
  /** Monotonic milliseconds, for leases and deadlines. */
  readonly monotonicMs?: () => number;
};

/** Where the server listens. */
export type ListeningAddress = { readonly name: string; readonly address: number; readonly port: number };

const SWEEP_MS = 5_000;

export class DhcpServer {
  readonly #options: DhcpServerOptions;
  readonly #counters: DhcpCounters = newCounters();
  readonly #book = new LeaseBook();
  readonly #monotonicMs: () => number;
  readonly #directory: Directory;
  readonly #leases: LeaseStore;
  readonly #hints: Hints;
  /** The addresses that mean this server, kept up to date in place. */
  readonly #serverIds: number[] = [];
  #links: LinkWatch | undefined;
  #prober: AddressProber | undefined;
  #endpoints: readonly Endpoint[] = [];
  #exchange: Exchange | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #isClosing = false;
  #lastSource = { text: '0.0.0.0', address: 0 };

  constructor(options: DhcpServerOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    const { pool, logger, server } = options;
    const shared = { pool, logger, monotonicMs: this.#monotonicMs };
    this.#leases = new LeaseStore({ ...shared, book: this.#book, onWritten: (addresses) => this.#tellPeers(addresses) });
    this.#hints = new Hints({
      pool,
      logger,
      serverId: server.id,
      onTable: (payload) => (payload === JOIN_HINT ? this.#directory.meetPeers() : this.#directory.hear(payload)),
      onLeases: (addresses) => this.#leases.relearn(addresses.flatMap((address) => parseIpv4(address) ?? [])),
      onConnected: () => this.#onConnected(),
    });
    this.#directory = new Directory({
      ...shared,
      server,
      counters: () => ({ ...this.#counters, addresses: this.#serverIds.map(formatIpv4) }),
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    });
  }

  /**
   * Binds, reads the table, then begins to answer. Throws ConfigError when a port is taken or not allowed; rejects with the
   * database's error when it cannot be read. Nothing is left open after a failure.
   */
  async start(): Promise<readonly ListeningAddress[]> {
    this.#endpoints = await openEndpoints(this.#options.sockets);
    this.#serverIds.push(...new Set(this.#endpoints.map((endpoint) => endpoint.address).filter((address) => address !== 0)));
    try {
      await this.#directory.start();
      await this.#leases.load();
      this.#hints.start();
    } catch (error) {
      await this.close();
      throw error;
    }
    const { logger } = this.#options;
    this.#prober = new AddressProber({ links: this.#endpoints, monotonicMs: this.#monotonicMs });
    this.#links = new LinkWatch({
      endpoints: this.#endpoints,
      serverIds: this.#serverIds,
      networks: () => this.#directory.networks(),
      peerIds: () => this.#directory.peerIds(),
      logger,
      alarm: (alarm) => this.#alarm(alarm),
    });
    this.#links.start();
    this.#exchange = new Exchange({
      logger,
      book: this.#book,
      leases: this.#leases,
      directory: this.#directory,
      counters: this.#counters,
      prober: this.#prober,
      serverIds: this.#serverIds,
      settings: {
        bootHost: bootHostAddress(this.#options.boot.host),
        bootHttpPort: this.#options.boot.httpPort,
        loaders: this.#options.boot.loaders ?? DEFAULT_LOADERS,
        servesDns: this.#options.servesDns ?? false,
      },
      minSecs: this.#options.minSecs ?? 0,
      emit: (event) => this.#emit(event),
      wantsEvents: this.#options.wantsEvents ?? (() => true),
      alarm: (alarm) => this.#alarm(alarm),
      now: this.#options.now ?? (() => new Date()),
      monotonicMs: this.#monotonicMs,
    });
    for (const endpoint of this.#endpoints) endpoint.receive((bytes, from) => this.#receive(bytes, from, endpoint));
    this.#sweepTimer = setInterval(() => {
      this.#book.sweep(this.#monotonicMs());
      this.#prober?.sweep();
    }, SWEEP_MS);
    this.#sweepTimer.unref();
    logger.info({ listening: this.#endpoints.map(({ name, port }) => `${name}:${port}`) }, 'dhcp server is answering');
    return this.#endpoints.map(({ name, address, port }) => ({ name, address, port }));
  }

  /** Looks for a new revision of the DHCP table at once. */
  kick(): void {
    this.#directory.kick();
  }

  /** The revision that is served, -1 before the start. */
  servedRevision(): bigint {
    return this.#directory.revision();
  }

  /** A copy of the counters. */
  counters(): DhcpCounters {
    return { ...this.#counters, reasons: { ...this.#counters.reasons } };
  }

  /** Stops hearing, finishes the commits under way, leaves the boot servers. Safe to repeat. */
  async close(): Promise<void> {
    clearInterval(this.#sweepTimer);
    this.#isClosing = true;
    await this.#hints.close();
    await this.#leases.close();
    this.#exchange?.stop();
    this.#prober?.close();
    await this.#links?.close();
    const endpoints = this.#endpoints;
    this.#endpoints = [];
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    await this.#directory.close();
  }

  /** What was written while nobody listened is read again; at the start it was just read, but for a moment. */
  #onConnected(): void {
    if (this.#isClosing) return;
    this.#leases.resync();
    this.#directory.kick();
  }

  #tellPeers(addresses: readonly number[]): void {
    if (addresses.length === 0 || !this.#directory.hasPeers()) return;
    const { pool, logger, server } = this.#options;
    hintLeases(pool, server.id, addresses.map(formatIpv4)).catch((error: unknown) => logger.debug({ err: error }, 'other servers not told of leases'));
  }

  #receive(bytes: Buffer, from: RemoteInfo, endpoint: Endpoint): void {
    if (this.#isClosing) return;
    this.#counters.received += 1;
    const parsed = parsePacket(bytes);
    if (!parsed.ok) {
      this.#counters.malformed += 1;
      countReason(this.#counters, parsed.error);
      this.#options.logger.debug({ from: from.address, bytes: bytes.length, reason: parsed.error }, 'packet dropped');
      return;
    }
    const silence = endpoint.address === 0 ? 'interface-without-address' : isRivalProbe(parsed.value) ? 'rival-probe' : undefined;
    if (silence !== undefined) {
      this.#counters.ignored += 1;
      return countReason(this.#counters, silence);
    }
    try {
      this.#exchange?.handle(parsed.value, { address: this.#source(from.address), port: from.port }, endpoint);
    } catch (error) {
      // A fault of ours, found by one packet; the next client must still be answered.
      this.#options.logger.error({ err: error, from: from.address }, 'packet handling failed');
    }
  }

  /** Most messages come from the relay, or the address 0.0.0.0, that the last one came from. */
  #source(text: string): number {
    if (text !== this.#lastSource.text) this.#lastSource = { text, address: parseIpv4(text) ?? 0 };
    return this.#lastSource.address;
  }

  #alarm(alarm: DhcpAlarm): void {
    this.#options.logger.warn({ ...alarm }, 'dhcp alarm');
    try {
      this.#options.onAlarm?.(alarm);
    } catch (error) {
      this.#options.logger.error({ err: error, code: alarm.code }, 'alarm listener failed');
    }
  }

  #emit(event: DhcpEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      this.#options.logger.error({ err: error, mac: event.mac }, 'event listener failed');
    }
  }
}

function bootHostAddress(host: string | undefined): number | undefined {
  return host === undefined ? undefined : parseIpv4(host);
}
