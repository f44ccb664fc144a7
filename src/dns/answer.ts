/**
 * PURE: what is answered. `prepareAnswer` finds it and writes the message once for a question; `composeAnswer` makes a copy for
 * one query: its id, its spelling of the name, its flags, its size. Read this first to see what this server says.
 */
import { CLASS_IN, EDNS_UDP_BYTES, Flag, HEADER_BYTES, OPT_BYTES, PLAIN_UDP_BYTES, Rcode, RecordType } from './codes.js';
import { isWithin } from './name.js';
import type { Query, QueryFault } from './query.js';
import type { RecordSet } from './record.js';
import type { Zone, ZoneSet } from './zone-set.js';

/** A whole message with id 0 and without OPT, good for every query of its question until the zones change. */
export type Prepared = { readonly message: Buffer; readonly rcode: Rcode };

type Found = { rcode: Rcode; authoritative: boolean; answers: Section[]; authority: Section[] };
type Section = { owner: string; set: RecordSet };

/** Aliases that are followed inside our zones; a loop ends here. */
const MAX_ALIASES = 8;

/** The answer from our zones; undefined when no zone of ours has the name: refuse, or ask somebody else. */
export function prepareAnswer(zones: ZoneSet, query: Query): Prepared | undefined {
  if (query.class !== CLASS_IN) return undefined;
  const zone = zones.zoneOf(query.name);
  if (zone === undefined) return undefined;
  // Transfers are not questions (transfer.ts); over UDP there is none (RFC 5936 section 4.2), and IXFR is told the serial (RFC 1995 section 2).
  if (query.type === RecordType.AXFR) return prepared(query, found(Rcode.FormErr));
  if (query.type === RecordType.OPT) return prepared(query, found(Rcode.FormErr));
  return prepared(query, findRecords(zones, zone, query));
}

/** An answer that only carries a code. */
export function prepareCode(query: Query, rcode: Rcode): Prepared {
  return prepared(query, found(rcode));
}

function found(rcode: Rcode): Found {
  return { rcode, authoritative: false, answers: [], authority: [] };
}

function findRecords(zones: ZoneSet, first: Zone, query: Query): Found {
  const answers: Section[] = [];
  let zone = first;
  let name = query.name;
  for (let aliases = 0; ; aliases += 1) {
    const sets = zone.setsOf(name);
    const soa = { owner: zone.settings.apex, set: zone.soa(zones.serial) };
    // RFC 2308 section 2: NXDOMAIN and NODATA carry the SOA; behind an alias the code is that of its target (RFC 6604 section 3).
    if (sets === undefined) return { rcode: Rcode.NxDomain, authoritative: true, answers, authority: [soa] };
    const matching = matchingSets(sets, query.type, name === zone.settings.apex ? soa.set : undefined);
    if (matching.length > 0) {
      answers.push(...matching.map((set) => ({ owner: name, set })));
      return { rcode: Rcode.NoError, authoritative: true, answers, authority: [] };
    }
    const alias = sets.find((set) => set.type === RecordType.CNAME);
    if (alias === undefined) return { rcode: Rcode.NoError, authoritative: true, answers, authority: [soa] };
    answers.push({ owner: name, set: alias });
    const target = alias.data[0]?.toString('latin1') ?? name;
    const next = zones.zoneOf(target);
    // The rest is another server's: the client goes on from the alias.
    if (next === undefined || aliases === MAX_ALIASES) return { rcode: Rcode.NoError, authoritative: true, answers, authority: [] };
    [zone, name] = [next, target];
  }
}

/** ANY is answered with one set that is there, not with all: nobody needs it but who reflects (RFC 8482 section 4.1). */
function matchingSets(sets: readonly RecordSet[], type: number, soa: RecordSet | undefined): RecordSet[] {
  if (type === RecordType.SOA || type === RecordType.IXFR) return soa === undefined ? [] : [soa];
  if (type === RecordType.ANY) return [...(soa === undefined ? [] : [soa]), ...sets].slice(0, 1);
  return sets.filter((set) => set.type === type);
}

/** Written into one buffer: a flood of names that do not exist makes each anew. */
function prepared(query: Query, { rcode, authoritative, answers, authority }: Found): Prepared {
  const sections = authority.length === 0 ? answers : [...answers, ...authority];
  let size = query.questionEnd;
  for (const { owner, set } of sections) {
    const fixed = (pointerTo(query.name, owner) === undefined ? owner.length : 2) + 10;
    for (const data of set.data) size += fixed + data.length;
  }
  const message = Buffer.allocUnsafe(size);
  message.fill(0, 0, HEADER_BYTES);
  message[2] = Flag.Response | (authoritative ? Flag.Authoritative : 0);
  message[3] = rcode & 15;
  message[5] = 1;
  message.writeUInt16BE(count(answers), 6);
  message.writeUInt16BE(count(authority), 8);
  message.write(query.question, HEADER_BYTES, 'latin1');
  let at = query.questionEnd;
  for (const { owner, set } of sections) for (const data of set.data) at = writeRecord(message, at, owner, set, data, pointerTo(query.name, owner));
  return { message, rcode };
}

function count(sections: readonly Section[]): number {
  return sections.reduce((sum, { set }) => sum + set.data.length, 0);
}

/** Where the owner stands in the question: it is the name or a parent of it. For compression (RFC 1035 section 4.1.4). */
function pointerTo(name: string, owner: string): number | undefined {
  return owner.length > 1 && isWithin(name, owner) ? HEADER_BYTES + name.length - owner.length : undefined;
}

/** Writes one record and answers where it ends: owner, type, class, TTL, length, data. RFC 1035 section 4.1.3. */
function writeRecord(target: Buffer, from: number, owner: string, set: RecordSet, data: Buffer, pointer: number | undefined): number {
  let at = from;
  if (pointer === undefined) at += target.write(owner, at, 'latin1');
  else at = target.writeUInt16BE(0xc000 | pointer, at);
  at = target.writeUInt16BE(set.type, at);
  at = target.writeUInt16BE(CLASS_IN, at);
  at = target.writeUInt32BE(set.ttl, at);
  at = target.writeUInt16BE(data.length, at);
  return at + data.copy(target, at);
}

/** One record by itself; `pointers`: where names stand that it may point to. */
export function recordBytes(owner: string, set: RecordSet, data: Buffer, pointers: ReadonlyMap<string, number>): Buffer {
  const pointer = pointers.get(owner);
  const bytes = Buffer.allocUnsafe((pointer === undefined ? owner.length : 2) + 10 + data.length);
  writeRecord(bytes, 0, owner, set, data, pointer);
  return bytes;
}

/** How the answer is sent: `udp` is held to the client's size. */
export type Manner = { readonly transport: 'udp' | 'tcp'; readonly recursionAvailable: boolean };

/**
 * The answer to one query. The question is copied from the request, so that its spelling comes back (0x20); what does not fit
 * goes without records and with TC (RFC 2181 section 9). No allocation but the message: this is every packet's path.
 */
export function composeAnswer(request: Buffer, query: Query, answer: Prepared, manner: Manner): Buffer {
  const { edns } = query;
  const optBytes = edns === undefined ? 0 : OPT_BYTES;
  const fits = manner.transport === 'tcp' || answer.message.length + optBytes <= udpLimit(query);
  const size = fits ? answer.message.length : query.questionEnd;
  const reply = Buffer.allocUnsafe(size + optBytes);
  answer.message.copy(reply, 0, 0, size);
  request.copy(reply, HEADER_BYTES, HEADER_BYTES, query.questionEnd);
  reply[0] = query.id >>> 8;
  reply[1] = query.id & 255;
  reply[2] = (reply[2] ?? 0) | (query.recursionDesired ? Flag.RecursionDesired : 0) | (fits ? 0 : Flag.Truncated);
  reply[3] = (reply[3] ?? 0) | (manner.recursionAvailable ? Flag.RecursionAvailable : 0) | (query.checkingDisabled ? 0x10 : 0);
  if (!fits) reply.fill(0, 6, 12);
  if (edns !== undefined) {
    reply[11] = 1;
    writeOpt(reply, size, answer.rcode, edns.dnssecOk);
  }
  return reply;
}

/** RFC 6891 section 6.2.3: what the client offers, never below 512; and never more than we send without fragments. */
function udpLimit({ edns }: Query): number {
  return edns === undefined ? PLAIN_UDP_BYTES : Math.min(Math.max(edns.udpBytes, PLAIN_UDP_BYTES), EDNS_UDP_BYTES);
}

/** Root name, type 41, our size, upper bits of the code, version 0, DO as asked (RFC 3225 section 3), no options. */
function writeOpt(reply: Buffer, at: number, rcode: Rcode, dnssecOk: boolean): void {
  reply[at] = 0;
  reply[at + 1] = 0;
  reply[at + 2] = RecordType.OPT;
  reply[at + 3] = EDNS_UDP_BYTES >>> 8;
  reply[at + 4] = EDNS_UDP_BYTES & 255;
  reply[at + 5] = rcode >>> 4;
  reply[at + 6] = 0;
  reply[at + 7] = dnssecOk ? 0x80 : 0;
  reply[at + 8] = 0;
  reply[at + 9] = 0;
  reply[at + 10] = 0;
}

/** The answer to a message that could not be read: its id and a code, nothing that could amplify. Undefined: silence. */
export function faultReply(request: Buffer, fault: QueryFault): Buffer | undefined {
  if (fault === 'short' || fault === 'response') return undefined;
  const reply = Buffer.alloc(HEADER_BYTES);
  request.copy(reply, 0, 0, 2);
  reply[2] = Flag.Response | ((request[2] ?? 0) & 0x79); // opcode and RD as asked
  reply[3] = fault === 'opcode' ? Rcode.NotImp : Rcode.FormErr;
  return reply;
}
