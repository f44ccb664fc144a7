/**
 * One message from decision to datagram: situates it, asks respond.ts, performs what it says. The only place where a decision
 * becomes a promise or a row; speaker.ts says it.
 */
import type { AddressProber, ProbeVerdict } from './address-probe.js';
import { printableText } from '../shared/bytes.js';
import { formatIpv4 } from '../shared/ipv4.js';
import type { Statement } from './answer.js';
import { MessageType, OptionCode } from './codes.js';
import type { Decision } from './decision.js';
import { askedAddress } from './events.js';
import { foundInUse, ownerOf, type Identity } from './identity.js';
import type { LeaseStore } from './lease-store.js';
import type { DhcpPacket } from './packet.js';
import { UnknownQuota } from './quota.js';
import { decide } from './respond.js';
import { isKnownMachine, situate, type Knowledge, type Situation } from './situation.js';
import type { Endpoint } from './endpoint.js';
import { Speaker, type SpeakerDeps } from './speaker.js';

export type ExchangeDeps = SpeakerDeps & {
  readonly leases: LeaseStore;
  readonly prober: AddressProber;
  readonly serverIds: readonly number[];
  /** See Knowledge. */
  readonly minSecs: number;
};

/** A situation with its way back. */
type Question = { readonly situation: Situation; readonly identity: Identity; readonly endpoint: Endpoint };

/** How long an OFFER holds its address: longer than the slowest firmware chooses (PXE collects offers for up to 4 s, four times). */
const OFFER_HOLD_MS = 30_000;
/** A declined address is looked at again after this; whatever used it has been found or is gone. */
const QUARANTINE_SECONDS = 3_600;
/** A reserved lease with this share of its time left is acknowledged again without a write: one boot asks four times. */
const FRESH_SHARE = 0.9;
/** With the database away a pool lease is acknowledged for what is left of it, unless that is hardly anything. */
const WORTHWHILE_SECONDS = 60;
/** Addresses in use that one DISCOVER may meet; the client asks again. */
const OFFER_ATTEMPTS = 4;
/** Refusals that wait for a row at once; past this a flood is under way and its askers get silence. */
const RECALL_LIMIT = 64;

export class Exchange {
  readonly #deps: ExchangeDeps;
  readonly #speaker: Speaker;
  readonly #quota = new UnknownQuota();
  #recalls = 0;

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
    this.#speaker = new Speaker(deps);
  }

  /** No reply is sent after this. */
  stop(): void {
    this.#speaker.stop();
  }

  /** Handles one message; returns before the lease of an ACK is committed. `source` is uint32. */
  handle(packet: DhcpPacket, source: { readonly address: number; readonly port: number }, endpoint: Endpoint): void {
    const situation = situate(
      packet,
      {
        localAddress: endpoint.address,
        localPort: endpoint.port,
        isBootServer: endpoint.isBootServer,
        sourceAddress: source.address,
        sourcePort: source.port,
      },
      this.#knowledge(),
    );
    if ('reason' in situation) return this.#speaker.announcer.ignored(packet, situation.client, situation.reason);
    const decision = decide(situation);
    this.#speaker.announcer.asked(situation);
    if (decision.kind === 'ignore') return this.#speaker.ignore(situation, decision.reason);
    // Without an identity there is no other decision: see respond.ts.
    if (situation.identity !== undefined) this.#perform({ situation, identity: situation.identity, endpoint }, decision);
  }

  #knowledge(): Knowledge {
    const { directory, book, serverIds, minSecs, monotonicMs } = this.#deps;
    return {
      networks: directory.networks(),
      entryOf: (mac) => directory.entryOf(mac),
      book,
      quota: this.#quota,
      serverIds,
      minSecs,
      nowMs: monotonicMs(),
    };
  }

  #perform(question: Question, decision: Exclude<Decision, { kind: 'ignore' }>): void {
    const { leases, counters } = this.#deps;
    switch (decision.kind) {
      case 'offer':
        return this.#offer(question, decision, 1);
      case 'acknowledge':
        return this.#acknowledge(question, decision.address, decision.source === 'reserved');
      case 'refuse':
        if (decision.state !== 'selecting') return this.#refuseAfterRecall(question);
        return this.#speaker.refuse(question.situation, question.endpoint, decision.reason);
      case 'inform':
        counters.informs += 1;
        return this.#reply(question, { type: MessageType.ack, address: 0, leaseSeconds: undefined, isBootOnly: false });
      case 'boot':
        return this.#reply(question, { type: decision.type, address: 0, leaseSeconds: undefined, isBootOnly: true });
      case 'bootp':
        counters.bootpReplies += 1;
        return this.#reply(question, { type: undefined, address: decision.address, leaseSeconds: undefined, isBootOnly: false });
      case 'release':
        counters.releases += 1;
        return leases.release(decision.address, ownerOf(question.identity));
      case 'observe':
        return this.#observe(question, decision.address);
      case 'decline':
        return this.#decline(question, decision.address, decision.isReserved);
    }
  }

  /** A pool address is promised at once, so that nobody else is offered it, and sent when nobody answers for it. */
  #offer(question: Question, decision: Extract<Decision, { kind: 'offer' }>, attempt: number): void {
    const { situation, identity } = question;
    const { address, source } = decision;
    const send = (): void => this.#reply(question, { type: MessageType.offer, address, leaseSeconds: situation.network.leaseSeconds, isBootOnly: false });
    if (source === 'reserved' || source === 'leased') return send();
    this.#promise(question, address);
    const settle = (verdict: ProbeVerdict): void => (verdict.kind === 'free' ? send() : this.#avoid(question, address, verdict.mac, attempt));
    const verdict = this.#deps.prober.check(address, situation.client.mac);
    if ('kind' in verdict) return settle(verdict);
    void verdict.then((known) => {
      // Meanwhile the client may have chosen another server, or another machine the address.
      const promised = this.#deps.book.offerTo(situation.network.id, ownerOf(identity), this.#deps.monotonicMs());
      if (known.kind === 'conflict' || promised?.address === address) settle(known);
    });
  }

  /** Somebody uses the address and never asked us: nobody gets it for a while, and the client is offered another one. */
  #avoid(question: Question, address: number, usedBy: string, attempt: number): void {
    const { leases, book, counters, logger, monotonicMs } = this.#deps;
    const { situation, identity } = question;
    const { network, client } = situation;
    book.dropOffer(network.id, ownerOf(identity));
    // A repeated DISCOVER that waited for the same probe comes here too.
    if (book.holderOf(address, monotonicMs())?.state !== 'declined') {
      counters.conflicts += 1;
      logger.warn({ mac: client.mac, address: formatIpv4(address), usedBy, network: network.name }, 'address is in use by a machine that never asked for it');
      leases.decline({ ...foundInUse(usedBy), address, networkId: network.id }, QUARANTINE_SECONDS);
    }
    if (attempt >= OFFER_ATTEMPTS) return this.#speaker.ignore(situation, 'address-in-use');
    const decision = decide({ ...situation, knowledge: this.#knowledge() });
    if (decision.kind === 'offer') return this.#offer({ ...question }, decision, attempt + 1);
    this.#speaker.ignore(situation, decision.kind === 'ignore' ? decision.reason : 'address-in-use');
  }

  #promise({ situation, identity }: Question, address: number): void {
    const { network } = situation;
    const expiresAtMs = this.#deps.monotonicMs() + OFFER_HOLD_MS;
    const isRepeat = this.#deps.book.offerTo(network.id, ownerOf(identity), this.#deps.monotonicMs()) !== undefined;
    this.#deps.book.holdOffer({ mac: identity.mac, clientKey: identity.clientKey, address, networkId: network.id, expiresAtMs });
    if (!isRepeat && !isKnownMachine(situation)) this.#quota.take(network.id);
  }

  #acknowledge(question: Question, address: number, isReserved: boolean): void {
    const { situation, identity } = question;
    const { network, client, entry } = situation;
    const { book, leases, monotonicMs } = this.#deps;
    const held = book.leaseOf(network.id, ownerOf(identity));
    const leftSeconds = held?.address === address ? Math.floor((held.expiresAtMs - monotonicMs()) / 1000) : 0;
    const acknowledge = (leaseSeconds: number): void => this.#reply(question, { type: MessageType.ack, address, leaseSeconds, isBootOnly: false });
    if (isReserved && leftSeconds >= network.leaseSeconds * FRESH_SHARE) return acknowledge(leftSeconds);
    // Written out: a spread costs more than the rest of the exchange's decision.
    const ask = {
      mac: identity.mac,
      clientKey: identity.clientKey,
      address,
      networkId: network.id,
      clientId: client.clientId === undefined ? null : client.clientId.toString('hex'),
      hostName: entry?.hostName ?? client.hostName ?? null,
      leaseSeconds: network.leaseSeconds,
      isReserved,
    };
    leases.grant(ask, (outcome) => {
      switch (outcome) {
        case 'granted':
          return acknowledge(network.leaseSeconds);
        case 'taken':
          return this.#speaker.refuse(situation, question.endpoint, 'address is in use');
        case 'unavailable': {
          // The database is away: a reserved address is its machine's in any case, a pool lease until it ends, a new one waits.
          const leaseSeconds = isReserved ? network.leaseSeconds : leftSeconds;
          return leaseSeconds >= Math.min(WORTHWHILE_SECONDS, network.leaseSeconds)
            ? acknowledge(leaseSeconds)
            : this.#speaker.ignore(situation, 'database-away');
        }
      }
    });
  }

  /**
   * A broadcast REQUEST is heard by every server of the network, and what we remember may be behind the table: another server may
   * have given the lease. The row is read before such a client is refused; without it we stay silent (netboot-rules 7).
   */
  #refuseAfterRecall(question: Question): void {
    const { situation, identity } = question;
    const wanted = askedAddress(situation.packet) ?? 0;
    if (this.#recalls >= RECALL_LIMIT) return this.#speaker.ignore(situation, 'database-away');
    this.#recalls += 1;
    void this.#deps.leases.recall(situation.network.id, ownerOf(identity), wanted).then((isRead) => {
      this.#recalls -= 1;
      if (!isRead) return this.#speaker.ignore(situation, 'database-away');
      const decision = decide({ ...situation, knowledge: this.#knowledge() });
      if (decision.kind === 'refuse') return this.#speaker.refuse(situation, question.endpoint, decision.reason);
      if (decision.kind === 'acknowledge') return this.#acknowledge(question, decision.address, decision.source === 'reserved');
      return this.#speaker.ignore(situation, decision.kind === 'ignore' ? decision.reason : 'not-our-client');
    });
  }

  /** Another server gives the addresses here; whose they are is written down: see observed-leases.ts. */
  #observe({ situation: { network }, identity }: Question, address: number): void {
    this.#deps.leases.observe({ ...identity, address, networkId: network.id }, network.leaseSeconds);
  }

  #decline({ situation, identity }: Question, address: number, isReserved: boolean): void {
    const { leases, counters, logger } = this.#deps;
    const { packet, client, network } = situation;
    const message = packet.options.get(OptionCode.message);
    const said = message === undefined ? undefined : printableText(message);
    counters.declines += 1;
    logger.warn({ mac: client.mac, address: formatIpv4(address), isReserved, said }, 'address declined: another machine uses it');
    if (isReserved) return;
    leases.decline({ ...identity, address, networkId: network.id }, QUARANTINE_SECONDS);
  }

  #reply({ situation, endpoint }: Question, statement: Statement): void {
    this.#speaker.reply(situation, endpoint, statement);
  }
}
