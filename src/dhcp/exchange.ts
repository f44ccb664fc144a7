/**
 * One message from decision to datagram: finds the network, asks respond.ts, performs what it says. The only place where a
 * decision becomes a promise, a row, a packet or an event.
 */
import type { Logger } from 'pino';
import { printableText } from '../shared/bytes.js';
import { chooseBootfile, type BootAnswer, type BootSettings } from './bootfile.js';
import { describeClient, type Client } from './client.js';
import { BootpOp, MessageType, OptionCode } from './codes.js';
import { countReason, type DhcpCounters } from './counters.js';
import { chooseDestination } from './destination.js';
import type { DhcpEntry, Directory } from './directory.js';
import { encodePacket } from './encode.js';
import { describeStage, dhcpEvent, type DhcpEvent, type DhcpEventAbout, type DhcpEventKind } from './events.js';
import type { LeaseBook } from './lease-book.js';
import type { LeaseStore } from './lease-store.js';
import { networkOfRequest } from './link.js';
import type { Network } from './network.js';
import type { DhcpPacket } from './packet.js';
import { readRelay, type Relay } from './relay.js';
import { buildReply, replyLimitBytes, type ReplyContent } from './reply.js';
import { decide, type Decision } from './respond.js';
import type { Endpoint } from './sockets.js';

export type ExchangeDeps = {
  readonly logger: Logger;
  readonly book: LeaseBook;
  readonly leases: LeaseStore;
  readonly directory: Directory;
  readonly counters: DhcpCounters;
  readonly serverIds: readonly number[];
  /** Undefined: the address the client was heard at. */
  readonly bootHost: number | undefined;
  readonly bootHttpPort: number;
  readonly loaders: BootSettings['loaders'];
  readonly emit: (event: DhcpEvent) => void;
  readonly now: () => Date;
  readonly monotonicMs: () => number;
};

/** A message with everything that was found out about it. */
type Question = {
  readonly packet: DhcpPacket;
  readonly client: Client;
  readonly relay: Relay;
  readonly network: Network;
  readonly entry: DhcpEntry | undefined;
  readonly sourcePort: number;
  readonly endpoint: Endpoint;
  /** Option 54 of the reply. */
  readonly serverId: number;
};

/** How long an OFFER holds its address: longer than the slowest firmware chooses (PXE collects offers for up to 4 s, four times). */
const OFFER_HOLD_MS = 30_000;
/** A declined address is looked at again after this; whatever used it has been found or is gone. */
const QUARANTINE_SECONDS = 3_600;
/** A reserved lease with this share of its time left is acknowledged again without a write: one boot asks four times. */
const FRESH_SHARE = 0.9;
/** With the database away a pool lease is acknowledged for what is left of it, unless that is hardly anything. */
const WORTHWHILE_SECONDS = 60;

const EVENT_OF_TYPE: ReadonlyMap<number, DhcpEventKind> = new Map([
  [MessageType.discover, 'dhcp-discover'],
  [MessageType.request, 'dhcp-request'],
  [MessageType.decline, 'dhcp-decline'],
  [MessageType.release, 'dhcp-release'],
  [MessageType.inform, 'dhcp-inform'],
]);

/** An unknown machine is asked what it is. */
const UNKNOWN_MACHINE = { bootenv: 'discovery', bootLocal: false };
const NO_OPTIONS: ReadonlyMap<number, Buffer> = new Map();

export class Exchange {
  readonly #deps: ExchangeDeps;
  #isStopped = false;

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
  }

  /** No reply is sent after this. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Handles one message; returns before the lease of an ACK is committed. */
  handle(packet: DhcpPacket, sourcePort: number, endpoint: Endpoint): void {
    const client = describeClient(packet);
    const relay = readRelay(packet);
    const network = networkOfRequest(this.#deps.directory.networks(), packet, relay, endpoint.address);
    if (packet.op !== BootpOp.request) return this.#ignore(packet, client, 'not-a-request');
    if (packet.relayIpAddress === endpoint.address) return this.#ignore(packet, client, 'relayed-by-ourselves');
    if (network === undefined) return this.#ignore(packet, client, 'unknown-network');
    const question: Question = {
      packet,
      client,
      relay,
      network,
      entry: this.#deps.directory.entryOf(client.mac),
      sourcePort,
      endpoint,
      serverId: relay.serverIdentifierOverride ?? endpoint.address,
    };
    const { book, serverIds, monotonicMs } = this.#deps;
    const decision = decide({
      packet,
      mac: client.mac,
      network,
      serverIds: [question.serverId, ...serverIds],
      book,
      nowMs: monotonicMs(),
    });
    this.#announce(question);
    this.#perform(question, decision);
  }

  #announce(question: Question): void {
    const type = question.packet.options.get(OptionCode.messageType)?.[0];
    const kind = type === undefined ? 'dhcp-bootp' : EVENT_OF_TYPE.get(type);
    if (kind !== undefined) {
      this.#event(question, kind, { address: askedAddress(question.packet), detail: describeStage(question.client) });
    }
  }

  #perform(question: Question, decision: Decision): void {
    const { book, leases, counters, monotonicMs } = this.#deps;
    const { network, client } = question;
    switch (decision.kind) {
      case 'offer':
        if (decision.source !== 'reserved' && decision.source !== 'leased') {
          const expiresAtMs = monotonicMs() + OFFER_HOLD_MS;
          book.holdOffer({ address: decision.address, networkId: network.id, mac: client.mac, expiresAtMs });
        }
        return this.#reply(question, MessageType.offer, decision.address, network.leaseSeconds);
      case 'acknowledge':
        return this.#acknowledge(question, decision.address, decision.source === 'reserved');
      case 'refuse':
        return this.#refuse(question, decision.reason);
      case 'inform':
        counters.informs += 1;
        return this.#reply(question, MessageType.ack, 0, undefined);
      case 'bootp':
        counters.bootpReplies += 1;
        return this.#reply(question, undefined, decision.address, undefined);
      case 'release':
        counters.releases += 1;
        return leases.release(decision.address, client.mac);
      case 'decline':
        return this.#decline(question, decision.address, decision.isReserved);
      case 'ignore':
        if (decision.reason === 'other-server') book.dropOffer(network.id, client.mac);
        return this.#ignore(question.packet, client, decision.reason, network);
    }
  }

  #acknowledge(question: Question, address: number, isReserved: boolean): void {
    const { network, client } = question;
    const { book, leases, monotonicMs } = this.#deps;
    const held = book.leaseOf(network.id, client.mac);
    const leftSeconds = held?.address === address ? Math.floor((held.expiresAtMs - monotonicMs()) / 1000) : 0;
    if (isReserved && leftSeconds >= network.leaseSeconds * FRESH_SHARE) {
      return this.#reply(question, MessageType.ack, address, leftSeconds);
    }
    const ask = {
      address,
      networkId: network.id,
      mac: client.mac,
      clientId: client.clientId === undefined ? null : client.clientId.toString('hex'),
      hostName: question.entry?.hostName ?? client.hostName ?? null,
      leaseSeconds: network.leaseSeconds,
      isReserved,
    };
    void leases.grant(ask).then((outcome) => {
      switch (outcome) {
        case 'granted':
          return this.#reply(question, MessageType.ack, address, network.leaseSeconds);
        case 'taken':
          return this.#refuse(question, 'address is in use');
        case 'unavailable':
          return this.#acknowledgeFromMemory(question, address, isReserved ? network.leaseSeconds : leftSeconds);
      }
    });
  }

  /** The database is away: a reserved address is its machine's in any case, a pool lease until it ends, a new one waits. */
  #acknowledgeFromMemory(question: Question, address: number, leaseSeconds: number): void {
    const floor = Math.min(WORTHWHILE_SECONDS, question.network.leaseSeconds);
    if (leaseSeconds >= floor) return this.#reply(question, MessageType.ack, address, leaseSeconds);
    this.#ignore(question.packet, question.client, 'database-away', question.network);
  }

  #refuse(question: Question, reason: string): void {
    countReason(this.#deps.counters, reason);
    this.#send(question, MessageType.nak, {
      type: MessageType.nak,
      serverId: question.serverId,
      address: 0,
      leaseSeconds: undefined,
      network: question.network,
      hostName: undefined,
      boot: undefined,
      extraOptions: NO_OPTIONS,
      message: reason,
    });
    this.#deps.counters.naks += 1;
    this.#event(question, 'dhcp-nak', { address: askedAddress(question.packet), detail: reason });
  }

  #decline(question: Question, address: number, isReserved: boolean): void {
    const { leases, counters, logger } = this.#deps;
    const message = question.packet.options.get(OptionCode.message);
    const said = message === undefined ? undefined : printableText(message);
    counters.declines += 1;
    logger.warn({ mac: question.client.mac, address, isReserved, said }, 'address declined: another machine uses it');
    if (isReserved) return;
    leases.decline({ address, networkId: question.network.id, mac: question.client.mac }, QUARANTINE_SECONDS);
  }

  /** An OFFER, an ACK or a BOOTP reply, with what the client boots. */
  #reply(question: Question, type: MessageType | undefined, address: number, leaseSeconds: number | undefined): void {
    const boot = this.#bootFor(question);
    const hasBoot = typeof boot !== 'string';
    const leftOut = this.#send(question, type, {
      type,
      serverId: question.serverId,
      address,
      leaseSeconds,
      network: question.network,
      hostName: question.entry?.hostName,
      boot: hasBoot ? boot : undefined,
      extraOptions: question.entry?.options ?? NO_OPTIONS,
      message: undefined,
    });
    if (leftOut === undefined) return;
    if (type === MessageType.offer) this.#deps.counters.offers += 1;
    if (type === MessageType.ack) this.#deps.counters.acks += 1;
    this.#event(question, type === MessageType.offer ? 'dhcp-offer' : 'dhcp-ack', {
      address: address === 0 ? question.packet.clientIpAddress : address,
      detail: hasBoot ? boot.bootFile : boot,
      bootFile: hasBoot ? boot.bootFile : undefined,
      leftOut,
      ownOptions: [...(question.entry?.options ?? NO_OPTIONS).keys()],
    });
  }

  #bootFor(question: Question): BootAnswer | string {
    const { directory, bootHost, bootHttpPort, loaders } = this.#deps;
    return chooseBootfile(question.client, question.entry ?? UNKNOWN_MACHINE, directory.mayBoot(), {
      bootHost: bootHost ?? question.endpoint.address,
      bootHttpPort,
      loaders,
    });
  }

  /** Sends; gives the options that found no room, undefined when nothing was sent. */
  #send(question: Question, type: MessageType | undefined, content: ReplyContent): readonly number[] | undefined {
    if (this.#isStopped) return undefined;
    const { packet, relay, sourcePort, endpoint, client } = question;
    const { logger, counters } = this.#deps;
    const encoded = encodePacket(buildReply(packet, client, content), replyLimitBytes(packet));
    if (!encoded.ok) {
      logger.error({ mac: client.mac, reason: encoded.error }, 'reply could not be written');
      return undefined;
    }
    if (encoded.value.leftOut.length > 0) {
      logger.debug({ mac: client.mac, options: encoded.value.leftOut }, 'options left out: the client takes no more');
    }
    const to = chooseDestination(packet, relay, type, { sourcePort, localPort: endpoint.port });
    endpoint.send(encoded.value.bytes, to, (error) => {
      if (error === null) return;
      counters.sendFailures += 1;
      logger.debug({ err: error, mac: client.mac }, 'reply not sent');
    });
    return encoded.value.leftOut;
  }

  #ignore(packet: DhcpPacket, client: Client, reason: string, network?: Network): void {
    const { counters, logger, emit, now } = this.#deps;
    counters.ignored += 1;
    countReason(counters, reason);
    logger.debug({ mac: client.mac, xid: packet.transactionId, reason }, 'message ignored');
    emit(dhcpEvent('dhcp-ignored', now(), packet, client, { address: askedAddress(packet), detail: reason, network: network?.name }));
  }

  #event(question: Question, kind: DhcpEventKind, about: DhcpEventAbout): void {
    this.#deps.emit(dhcpEvent(kind, this.#deps.now(), question.packet, question.client, { network: question.network.name, ...about }));
  }
}

/** Option 50, else ciaddr; undefined when neither is there. */
function askedAddress(packet: DhcpPacket): number | undefined {
  const requested = packet.options.get(OptionCode.requestedIpAddress);
  const address = requested?.length === 4 ? requested.readUInt32BE(0) : packet.clientIpAddress;
  return address === 0 ? undefined : address;
}
