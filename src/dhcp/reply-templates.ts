/**
 * Which template a reply is filled in from, and the replies that are built. Keyed by everything that decides a reply and is not
 * filled in; a network that is read anew is another object, and its templates are forgotten with it.
 */
import { macWithDashes } from '../shared/mac.js';
import { ok, type Result } from '../shared/result.js';
import { composeAnswer, type Answer, type ServerSettings, type Statement } from './answer.js';
import type { Client, Program } from './client.js';
import { MessageType, OptionCode } from './codes.js';
import { chooseDestination } from './destination.js';
import type { EncodeError } from './encode.js';
import type { Network } from './network.js';
import { isKnownByUuid } from './quirks.js';
import { cutTemplate, fillIn, type ReplyTemplate } from './reply-template.js';
import type { Situation } from './situation.js';

/** A reply on its way: an Answer as bytes alone. */
export type Reply = Omit<Answer, 'packet'>;

/** What of a machine and its place decides a reply besides its program. */
type Variety = {
  readonly localAddress: number;
  /** The first three bytes of the MAC: quirks.ts knows some. */
  readonly macPrefix: string;
  /** Of option 97; -1 without one. */
  readonly uuidBytes: number;
  readonly mayBoot: boolean;
  /** Undefined: none could be cut yet, and replies of this kind are built each time. */
  template: ReplyTemplate | undefined;
  /** A machine with an odd name gives no template, and the next one does; with some options of the operator none ever does. */
  attemptsLeft: number;
};

const CUT_ATTEMPTS = 16;

/** Varieties of one program on one network: interfaces, makes of NIC. More are a flood. */
const VARIETIES_MAX = 64;
/** `52:54:00` */
const PREFIX_LETTERS = 8;
const ETHERNET_BYTES = 6;

export class ReplyTemplates {
  readonly #server: ServerSettings;
  readonly #networks = new WeakMap<Network, WeakMap<Program, Variety[]>>();

  constructor(server: ServerSettings) {
    this.#server = server;
  }

  /** As composeAnswer, and the same bytes. */
  reply(situation: Situation, statement: Statement, mayBoot: boolean): Result<Reply, EncodeError> {
    const { program } = situation.client;
    if (program === undefined || !isUsual(situation, statement)) return composeAnswer(situation, statement, this.#server, mayBoot);
    const varieties = this.#varietiesOf(situation.network, program);
    let variety = varieties.find((one) => isOf(one, situation, mayBoot));
    const bytes = variety?.template === undefined ? undefined : fillIn(variety.template, situation, statement);
    if (variety?.template !== undefined && bytes !== undefined) return ok(replyOf(variety.template, bytes, situation, statement));
    const built = composeAnswer(situation, statement, this.#server, mayBoot);
    if (variety === undefined) {
      if (varieties.length >= VARIETIES_MAX) varieties.length = 0;
      varieties.push((variety = varietyOf(situation, mayBoot)));
    }
    if (variety.template === undefined && variety.attemptsLeft > 0 && built.ok) {
      variety.attemptsLeft -= 1;
      variety.template = cutTemplate(situation, statement, built.value);
    }
    return built;
  }

  #varietiesOf(network: Network, program: Program): Variety[] {
    let programs = this.#networks.get(network);
    if (programs === undefined) this.#networks.set(network, (programs = new WeakMap()));
    let varieties = programs.get(program);
    if (varieties === undefined) programs.set(program, (varieties = []));
    return varieties;
  }
}

/** An address for a machine on Ethernet that has no options of its own. */
function isUsual({ packet, client, entry, mode, arrival }: Situation, { type, leaseSeconds, isBootOnly }: Statement): boolean {
  if ((type !== MessageType.offer && type !== MessageType.ack) || leaseSeconds === undefined || isBootOnly) return false;
  if (mode === 'proxy' || arrival.isBootServer || packet.hardwareLength !== ETHERNET_BYTES) return false;
  // Echoed to a relay in a place of its own (RFC 3011); no firmware sends it.
  if (packet.options.has(OptionCode.subnetSelection)) return false;
  return (entry === undefined || entry.options.size === 0) && !isKnownByUuid(client);
}

function varietyOf({ arrival, client, entry }: Situation, mayBoot: boolean): Variety {
  return {
    localAddress: arrival.localAddress,
    macPrefix: client.mac.slice(0, PREFIX_LETTERS),
    uuidBytes: client.uuid?.length ?? -1,
    mayBoot: mayBoot || entry?.bootLocal === true,
    template: undefined,
    attemptsLeft: CUT_ATTEMPTS,
  };
}

function isOf(variety: Variety, { arrival, client, entry }: Situation, mayBoot: boolean): boolean {
  return (
    variety.localAddress === arrival.localAddress &&
    variety.uuidBytes === (client.uuid?.length ?? -1) &&
    variety.mayBoot === (mayBoot || entry?.bootLocal === true) &&
    client.mac.startsWith(variety.macPrefix)
  );
}

function replyOf({ boot, customCodes }: ReplyTemplate, bytes: Buffer, { packet, client, relay, arrival }: Situation, statement: Statement): Reply {
  return { bytes, leftOut: NONE, boot: bootOf(boot, client), customCodes, destination: chooseDestination(packet, relay, statement, arrival) };
}

const NONE: readonly number[] = [];

/** iPXE's script is named after the machine. */
function bootOf(boot: Answer['boot'], { stage, mac }: Client): Answer['boot'] {
  if (stage !== 'ipxe' || typeof boot !== 'object') return boot;
  return { ...boot, bootFile: boot.bootFile.slice(0, -mac.length) + macWithDashes(mac) };
}
