/**
 * What one message is answered with, from memory alone. Prepared answers are kept per question until the zones change. PURE but
 * for that memory; the sockets are udp.ts and tcp.ts.
 */
import type { Result } from '../shared/result.js';
import { composeAnswer, faultReply, prepareAnswer, prepareCode, type Manner, type Prepared } from './answer.js';
import { Rcode } from './codes.js';
import { parseQuery, type Query, type QueryFault } from './query.js';
import { ZoneSet } from './zone-set.js';

/** `forward`: no zone of ours, and the client may ask for the rest of the world. */
export type Response = { kind: 'reply'; bytes: Buffer; rcode: number } | { kind: 'forward'; query: Query } | { kind: 'silence' };

/** Prepared answers kept: those of 100,000 names. */
const MAX_PREPARED = 200_000;
/** Of names that do not exist: resolvers repeat them, and a flood of them takes no room from those that do. */
const MAX_ABSENT = 20_000;

const SILENCE: Response = { kind: 'silence' };

export class Responder {
  #zones = new ZoneSet();
  #prepared = new Map<string, Prepared>();
  #absent = new Map<string, Prepared>();

  zones(): ZoneSet {
    return this.#zones;
  }

  /** To be called after every change of the zones, also of the same object. */
  serve(zones: ZoneSet): void {
    this.#zones = zones;
    this.#prepared = new Map();
    this.#absent = new Map();
  }

  /** Never throws on what the bytes hold. */
  respond(request: Buffer, manner: Manner & { mayForward: boolean }): Response {
    const parsed: Result<Query, QueryFault> = parseQuery(request);
    if (!parsed.ok) {
      const bytes = faultReply(request, parsed.error);
      return bytes === undefined ? SILENCE : { kind: 'reply', bytes, rcode: parsed.error === 'opcode' ? Rcode.NotImp : Rcode.FormErr };
    }
    const query = parsed.value;
    const answer = this.#find(query);
    if (answer === undefined && manner.mayForward && query.recursionDesired) return { kind: 'forward', query };
    // RFC 8906: refused, never silent, or the client asks again and again.
    const made = answer ?? prepareCode(query, Rcode.Refused);
    return { kind: 'reply', bytes: composeAnswer(request, query, made, manner), rcode: made.rcode };
  }

  #find(query: Query): Prepared | undefined {
    // RFC 6891 section 6.1.3.
    if (query.edns !== undefined && query.edns.version > 0) return prepareCode(query, Rcode.BadVers);
    const known = this.#prepared.get(query.question) ?? this.#absent.get(query.question);
    if (known !== undefined) return known;
    const made = prepareAnswer(this.#zones, query);
    if (made?.rcode === Rcode.NoError) keep(this.#prepared, MAX_PREPARED, query.question, made);
    else if (made?.rcode === Rcode.NxDomain) keep(this.#absent, MAX_ABSENT, query.question, made);
    return made;
  }
}

function keep(answers: Map<string, Prepared>, most: number, question: string, made: Prepared): void {
  if (answers.size >= most) answers.clear();
  answers.set(question, made);
}
