/**
 * The DNS service: authoritative for the zones of Prybar's networks, over UDP and TCP, bound address by address. It answers
 * from memory (responder.ts); follow.ts keeps that at the database's revision. Read answer.ts first. It must never answer before
 * the zones were read once, recurse for strangers, or die of a datagram.
 */
import type { RemoteInfo } from 'node:dgram';
import type { Logger } from 'pino';
import type { Pool } from '../db/client.js';
import { describeOwners, findUdpOwners } from '../dhcp/port-owner.js';
import { errorCode } from '../dhcp/error-code.js';
import { ConfigError } from '../shared/errors.js';
import { Flag, HEADER_BYTES, Rcode } from './codes.js';
import { Clients } from './clients.js';
import { composeAnswer, prepareCode } from './answer.js';
import { newDnsCounters, type DnsCounters } from './counters.js';
import { ZoneFollower } from './follow.js';
import { Forwarder } from './forward.js';
import { Notifier } from './notify.js';
import type { Query } from './query.js';
import { RateLimit, type RateLimitOptions } from './rate-limit.js';
import { Responder } from './responder.js';
import type { DnsServerRow } from './server-row.js';
import { openTcp, type TcpEndpoint } from './tcp.js';
import { answerOverTcp } from './tcp-answer.js';
import { openUdp, type UdpEndpoint } from './udp.js';
import type { AddressPort } from '../shared/ipv4.js';
import type { ZoneSet } from './zone-set.js';

export type DnsServerOptions = {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly server: DnsServerRow;
  /** One UDP and one TCP socket each; port 0 takes a free one for both. */
  readonly listen: readonly AddressPort[];
  /** Where names outside our zones are asked; empty: refused. */
  readonly upstreams: readonly AddressPort[];
  /** Blocks whose clients may ask for those, besides loopback and our networks. */
  readonly clients: readonly string[];
  /** Addresses in the zones for this server's own name; default: those it listens on. */
  readonly ownAddresses?: readonly string[];
  readonly rateLimit?: RateLimitOptions;
  readonly pollMs?: number;
};

/** For sources that are no clients of ours: enough for a resolver elsewhere, little for who forges. */
const DEFAULT_RATE: RateLimitOptions = { perSecond: 50, burst: 250 };

export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #counters: DnsCounters = newDnsCounters();
  readonly #responder = new Responder();
  readonly #clients = new Clients();
  readonly #limit: RateLimit;
  readonly #forwarder: Forwarder;
  readonly #notifier: Notifier;
  readonly #follower: ZoneFollower;
  #endpoints: (UdpEndpoint | TcpEndpoint)[] = [];
  #notified = -1;

  constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#limit = new RateLimit(options.rateLimit ?? DEFAULT_RATE);
    this.#forwarder = new Forwarder(options.upstreams);
    this.#notifier = new Notifier(options.logger, () => (this.#counters.notifies += 1));
    this.#clients.allow(options.clients);
    this.#follower = new ZoneFollower({
      pool: options.pool,
      logger: options.logger,
      server: options.server,
      addresses: options.ownAddresses ?? options.listen.map((each) => each.address),
      counters: () => this.#counters,
      onZones: (zones, subnets) => this.#serve(zones, subnets),
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    });
  }

  /** Reads the zones, binds, answers. Throws ConfigError when a port is taken or not allowed; nothing is left open then. */
  async start(): Promise<readonly AddressPort[]> {
    const listening: AddressPort[] = [];
    try {
      await this.#follower.start();
      for (const { address, port } of this.#options.listen) listening.push({ address, port: await this.#open(address, port) });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#options.logger.info({ listening: listening.map(({ address, port }) => `${address}:${port}`) }, 'dns server is answering');
    return listening;
  }

  /** Looks for a new revision at once. */
  kick(): void {
    this.#follower.kick();
  }

  /** The revision that is served, -1 before the start. */
  servedRevision(): number {
    return this.#follower.revision();
  }

  counters(): DnsCounters {
    return { ...this.#counters };
  }

  /** Safe to repeat. */
  async close(): Promise<void> {
    const endpoints = this.#endpoints;
    this.#endpoints = [];
    this.#forwarder.close();
    this.#notifier.close();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    await this.#follower.close();
  }

  async #open(address: string, port: number): Promise<number> {
    try {
      const udp = await openUdp(
        address,
        port,
        (request, from, reply) => this.#onDatagram(request, from, reply),
        () => (this.#counters.sendErrors += 1),
      );
      this.#endpoints.push(udp);
      const context = {
        responder: this.#responder,
        forwarder: this.#forwarder,
        clients: this.#clients,
        counters: this.#counters,
        logger: this.#options.logger,
      };
      this.#endpoints.push(await openTcp(address, udp.port, (request, client, connection) => answerOverTcp(context, request, client, connection)));
      return udp.port;
    } catch (error) {
      throw await explainBind(address, port, error);
    }
  }

  #onDatagram(request: Buffer, from: RemoteInfo, reply: (bytes: Buffer) => void): void {
    this.#counters.queries += 1;
    const isClient = this.#clients.has(from.address);
    const mayForward = isClient && this.#forwarder.isConfigured;
    const response = this.#responder.respond(request, { transport: 'udp', recursionAvailable: mayForward, mayForward });
    if (response.kind === 'silence') {
      this.#counters.malformed += 1;
      return;
    }
    if (response.kind === 'forward') return void this.#forward(request, response.query, reply);
    if (response.rcode !== Rcode.NoError) this.#count(response.rcode);
    if (((response.bytes[2] ?? 0) & Flag.Truncated) !== 0) this.#counters.truncated += 1;
    if (!isClient) {
      const verdict = this.#limit.take(from.address, performance.now());
      if (verdict !== 'answer') this.#counters.rateLimited += 1;
      if (verdict === 'drop') return;
      if (verdict === 'truncate') return reply(truncated(response.bytes));
    }
    this.#counters.replies += 1;
    reply(response.bytes);
  }

  async #forward(request: Buffer, query: Query, reply: (bytes: Buffer) => void): Promise<void> {
    this.#counters.forwarded += 1;
    const answer = await this.#forwarder.ask(request, query, 'udp');
    if (this.#endpoints.length === 0) return;
    if (answer === undefined) this.#counters.forwardFailed += 1;
    reply(answer ?? composeAnswer(request, query, prepareCode(query, Rcode.ServFail), { transport: 'udp', recursionAvailable: true }));
  }

  #count(rcode: number): void {
    if (rcode === Rcode.NxDomain) this.#counters.nxdomain += 1;
    else if (rcode === Rcode.Refused) this.#counters.refused += 1;
    else if (rcode === Rcode.FormErr) this.#counters.malformed += 1;
  }

  #serve(zones: ZoneSet, subnets: readonly string[]): void {
    this.#responder.serve(zones);
    this.#clients.allow([...this.#options.clients, ...subnets]);
    if (zones.serial === this.#notified) return;
    this.#notified = zones.serial;
    for (const { settings } of zones.zones()) for (const secondary of settings.secondaries) this.#notifier.tell(settings.apex, secondary);
  }
}

/** Header and question alone with TC: no larger than what was asked with. An OPT of the answer goes too; the client asks again by TCP. */
function truncated(reply: Buffer): Buffer {
  let end = HEADER_BYTES;
  while ((reply[end] ?? 0) !== 0) end += (reply[end] ?? 0) + 1;
  const short = Buffer.from(reply.subarray(0, Math.min(reply.length, end + 5)));
  short[2] = (short[2] ?? 0) | Flag.Truncated;
  short.fill(0, 6, HEADER_BYTES);
  return short;
}

async function explainBind(address: string, port: number, error: unknown): Promise<unknown> {
  const code = errorCode(error);
  const place = `DNS on ${address}:${port}`;
  if (code === 'EACCES')
    return new ConfigError(`PRYBAR_DNS: not allowed to listen for ${place}`, 'run Prybar from a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE', {
      cause: error,
    });
  if (code === 'EADDRNOTAVAIL')
    return new ConfigError(`PRYBAR_DNS: ${place}: this machine does not have the address`, 'use one that `ip addr` lists', { cause: error });
  if (code !== 'EADDRINUSE') return error;
  const owners = await findUdpOwners(port);
  const owner = owners.length === 0 ? 'another program' : describeOwners(owners);
  return new ConfigError(
    `PRYBAR_DNS: ${place}: the port is in use by ${owner}`,
    'stop it, name other addresses (PRYBAR_DNS=10.0.0.1,10.0.1.1: a resolver on 127.0.0.53 keeps its own), or PRYBAR_DNS=off',
    { cause: error },
  );
}
