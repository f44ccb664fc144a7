/**
 * What leaves this server: builds a reply, sends it and tells of it; or tells that nothing was said and why. What is said is
 * decided before.
 */
import { AlarmBell, type DhcpAlarm } from './alarms.js';
import { Announcer, type AnnouncerDeps } from './announce.js';
import type { ServerSettings, Statement } from './answer.js';
import { MessageType } from './codes.js';
import { countReason } from './counters.js';
import type { NakReason } from './decision.js';
import type { Directory } from './directory.js';
import type { Endpoint } from './endpoint.js';
import { ownerOf } from './identity.js';
import type { LeaseBook } from './lease-book.js';
import { ReplyTemplates } from './reply-templates.js';
import type { Situation } from './situation.js';

export type SpeakerDeps = AnnouncerDeps & {
  readonly book: LeaseBook;
  readonly directory: Directory;
  readonly settings: ServerSettings;
  readonly alarm: (alarm: DhcpAlarm) => void;
  readonly monotonicMs: () => number;
};

export class Speaker {
  /** For messages that have no situation. */
  readonly announcer: Announcer;
  readonly #deps: SpeakerDeps;
  readonly #bell: AlarmBell;
  readonly #templates: ReplyTemplates;
  #isStopped = false;

  constructor(deps: SpeakerDeps) {
    this.#deps = deps;
    this.announcer = new Announcer(deps);
    this.#bell = new AlarmBell(deps.alarm);
    this.#templates = new ReplyTemplates(deps.settings);
  }

  /** No reply is sent after this. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Sends an OFFER, an ACK, a NAK or a BOOTP reply. */
  reply(situation: Situation, endpoint: Endpoint, statement: Statement): void {
    if (this.#isStopped) return;
    const { logger, counters, directory } = this.#deps;
    const { client } = situation;
    const answer = this.#templates.reply(situation, statement, directory.mayBoot());
    if (!answer.ok) return logger.error({ mac: client.mac, reason: answer.error }, 'reply could not be written');
    const { bytes, leftOut, destination } = answer.value;
    if (leftOut.length > 0) logger.debug({ mac: client.mac, options: leftOut }, 'options left out: the client takes no more');
    endpoint.send(bytes, destination, (error) => {
      if (error === null) return;
      counters.sendFailures += 1;
      logger.debug({ err: error, mac: client.mac }, 'reply not sent');
    });
    this.announcer.answered(situation, statement, answer.value);
  }

  /** Sends a NAK. RFC 2131 section 4.3.2. */
  refuse(situation: Situation, endpoint: Endpoint, reason: NakReason): void {
    countReason(this.#deps.counters, reason);
    this.reply(situation, endpoint, { type: MessageType.nak, address: 0, leaseSeconds: undefined, isBootOnly: false, message: reason });
  }

  /** Says nothing; forgets a promise that the client did not want, and calls people where that is due. */
  ignore(situation: Situation, reason: string): void {
    const { network, identity, packet, client } = situation;
    if (reason === 'other-server' && identity !== undefined) this.#deps.book.dropOffer(network.id, ownerOf(identity));
    if (reason === 'unknown-quota' || reason === 'pool-exhausted') this.#bell.ring(reason, network, client.mac, this.#deps.monotonicMs());
    this.announcer.ignored(packet, client, reason, network);
  }
}
