/** PURE: reads a DNS query. Bounds-checked, never throws: what a datagram says of itself is not believed. */
import { err, ok, type Result } from '../shared/result.js';
import { Flag, HEADER_BYTES, Opcode, RecordType } from './codes.js';

export type Query = {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  /** CD of RFC 4035 section 3.2.2: copied into the answer. */
  readonly checkingDisabled: boolean;
  /** Name, type and class in small letters: the key of prepared answers. */
  readonly question: string;
  /** Offset behind the question. */
  readonly questionEnd: number;
  /** The name's key (name.ts). */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly edns: { readonly udpBytes: number; readonly version: number; readonly dnssecOk: boolean } | undefined;
};

/** `drop`: no answer at all, it would only help who forges. The rest is answered with FORMERR or NOTIMP; `id` and flags are read. */
export type QueryFault = 'short' | 'response' | 'malformed' | 'opcode';

const NAME_MAX = 255;
const LABEL_MAX = 63;
const POINTER = 0xc0;

/**
 * The query of a message. One question exactly (RFC 9619); its name is not compressed, for nothing stands before it.
 * Small letters by ASCII alone: length bytes are at most 63 and so never letters.
 */
export function parseQuery(bytes: Buffer): Result<Query, QueryFault> {
  const size = bytes.length;
  if (size < HEADER_BYTES) return err('short');
  const flags = at(bytes, 2);
  if ((flags & Flag.Response) !== 0) return err('response');
  const opcode = (flags >>> 3) & 15;
  if (opcode !== Opcode.Query) return err('opcode');
  if (word(bytes, 4) !== 1) return err('malformed');
  const nameEnd = skipPlainName(bytes, HEADER_BYTES);
  if (nameEnd === undefined || nameEnd + 4 > size) return err('malformed');
  const questionEnd = nameEnd + 4;
  const question = bytes.toString('latin1', HEADER_BYTES, questionEnd).toLowerCase();
  const edns = findEdns(bytes, questionEnd);
  if (edns === 'malformed') return err('malformed');
  return ok({
    id: word(bytes, 0),
    opcode,
    recursionDesired: (flags & Flag.RecursionDesired) !== 0,
    checkingDisabled: (at(bytes, 3) & 0x10) !== 0,
    question,
    questionEnd,
    name: question.slice(0, nameEnd - HEADER_BYTES),
    type: word(bytes, nameEnd),
    class: word(bytes, nameEnd + 2),
    edns,
  });
}

/** Offset behind a name without pointers, or undefined. */
function skipPlainName(bytes: Buffer, from: number): number | undefined {
  let offset = from;
  for (;;) {
    const length = bytes[offset];
    if (length === undefined || length > LABEL_MAX) return undefined;
    offset += length + 1;
    if (offset - from > NAME_MAX) return undefined;
    if (length === 0) return offset;
  }
}

/** Offset behind a name that may end in a pointer; where it points does not matter to who skips it. */
function skipName(bytes: Buffer, from: number): number | undefined {
  let offset = from;
  for (;;) {
    const length = bytes[offset];
    if (length === undefined) return undefined;
    if ((length & POINTER) === POINTER) return offset + 2;
    if (length > LABEL_MAX) return undefined;
    offset += length + 1;
    if (offset - from > NAME_MAX) return undefined;
    if (length === 0) return offset;
  }
}

/** The OPT record among the other sections. Two of them, or one with a name, are a format error (RFC 6891 section 6.1.1). */
function findEdns(bytes: Buffer, questionEnd: number): Query['edns'] | 'malformed' {
  const records = word(bytes, 6) + word(bytes, 8) + word(bytes, 10);
  let offset = questionEnd;
  let edns: Query['edns'];
  for (let index = 0; index < records; index += 1) {
    const owner = offset;
    const fixed = skipName(bytes, offset);
    if (fixed === undefined || fixed + 10 > bytes.length) return 'malformed';
    offset = fixed + 10 + word(bytes, fixed + 8);
    if (offset > bytes.length) return 'malformed';
    if (word(bytes, fixed) !== RecordType.OPT) continue;
    if (edns !== undefined || at(bytes, owner) !== 0) return 'malformed';
    edns = { udpBytes: word(bytes, fixed + 2), version: at(bytes, fixed + 5), dnssecOk: (at(bytes, fixed + 6) & 0x80) !== 0 };
  }
  return edns;
}

function at(bytes: Buffer, offset: number): number {
  return bytes[offset] ?? 0;
}

function word(bytes: Buffer, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
