/** What a message and its answer leave in the counters, the log and the boot timeline. */
import type { Logger } from 'pino';
import type { Statement } from './answer.js';
import type { Client } from './client.js';
import { MessageType, OptionCode } from './codes.js';
import { countReason, type DhcpCounters } from './counters.js';
import { askedAddress, describeStage, dhcpEvent, type DhcpEvent, type DhcpEventAbout, type DhcpEventKind } from './events.js';
import type { Network } from './network.js';
import type { DhcpPacket } from './packet.js';
import type { Reply } from './reply-templates.js';
import type { Situation } from './situation.js';

export type AnnouncerDeps = {
  readonly logger: Logger;
  readonly counters: DhcpCounters;
  readonly emit: (event: DhcpEvent) => void;
  /** False while events of this machine would be left out. */
  readonly wantsEvents: (mac: string) => boolean;
  readonly now: () => Date;
};

const EVENT_OF_TYPE: ReadonlyMap<number, DhcpEventKind> = new Map([
  [MessageType.discover, 'dhcp-discover'],
  [MessageType.request, 'dhcp-request'],
  [MessageType.decline, 'dhcp-decline'],
  [MessageType.release, 'dhcp-release'],
  [MessageType.inform, 'dhcp-inform'],
]);

export class Announcer {
  readonly #deps: AnnouncerDeps;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /** A client said something that concerns us. */
  asked(situation: Situation): void {
    const type = situation.packet.options.get(OptionCode.messageType)?.[0];
    const kind = type === undefined ? 'dhcp-bootp' : EVENT_OF_TYPE.get(type);
    if (kind !== undefined) this.#event(situation, kind, () => ({ address: askedAddress(situation.packet), detail: describeStage(situation.client) }));
  }

  /** A reply was sent. */
  answered(situation: Situation, statement: Statement, { boot, leftOut, customCodes }: Reply): void {
    const { counters } = this.#deps;
    const { packet } = situation;
    if (statement.type === MessageType.nak) {
      counters.naks += 1;
      return this.#event(situation, 'dhcp-nak', () => ({ address: askedAddress(packet), detail: statement.message }));
    }
    if (statement.type === MessageType.offer) counters.offers += 1;
    if (statement.type === MessageType.ack) counters.acks += 1;
    this.#event(situation, statement.type === MessageType.offer ? 'dhcp-offer' : 'dhcp-ack', () => ({
      address: statement.address === 0 ? packet.clientIpAddress : statement.address,
      detail: typeof boot === 'string' ? boot : boot?.bootFile,
      bootFile: typeof boot === 'string' ? undefined : boot?.bootFile,
      leftOut,
      ownOptions: customCodes,
    }));
  }

  /** A message gets no answer. */
  ignored(packet: DhcpPacket, client: Client, reason: string, network?: Network): void {
    const { counters, logger, emit, now, wantsEvents } = this.#deps;
    counters.ignored += 1;
    countReason(counters, reason);
    logger.debug({ mac: client.mac, xid: packet.transactionId, reason }, 'message ignored');
    if (!wantsEvents(client.mac)) return void (counters.eventsLeftOut += 1);
    emit(dhcpEvent('dhcp-ignored', now(), packet, client, { address: askedAddress(packet), detail: reason, network: network?.name }));
  }

  #event({ packet, client, network }: Situation, kind: DhcpEventKind, about: () => DhcpEventAbout): void {
    if (!this.#deps.wantsEvents(client.mac)) {
      this.#deps.counters.eventsLeftOut += 1;
      return;
    }
    this.#deps.emit(dhcpEvent(kind, this.#deps.now(), packet, client, { network: network.name, ...about() }));
  }
}
