/** PURE: a zone as the messages of a transfer. RFC 5936. */
import { CLASS_IN, Flag, HEADER_BYTES, Rcode, RecordType } from './codes.js';
import { recordBytes } from './answer.js';
import type { Query } from './query.js';
import type { Zone } from './zone-set.js';

/** Bytes of records in one message: small enough that pointers into the question never overflow, large enough that few are needed. */
const MESSAGE_BYTES = 16_000;

/** The messages of a transfer: SOA, everything, SOA (RFC 5936 section 2.2). IXFR is answered with the whole zone (RFC 1995 section 4). */
export function* transferMessages(zone: Zone, serial: number, request: Buffer, query: Query): Generator<Buffer> {
  const pointers = new Map([[zone.settings.apex, HEADER_BYTES]]);
  const question = request.subarray(HEADER_BYTES, query.questionEnd);
  const soa = zone.soa(serial);
  const soaBytes = recordBytes(zone.settings.apex, soa, soa.data[0] ?? Buffer.alloc(0), pointers);
  let records = [soaBytes];
  let size = soaBytes.length;
  for (const { owner, set } of zone.sets()) {
    for (const data of set.data) {
      const bytes = recordBytes(owner, set, data, pointers);
      if (size + bytes.length > MESSAGE_BYTES) {
        yield message(query.id, question, records);
        [records, size] = [[], 0];
      }
      records.push(bytes);
      size += bytes.length;
    }
  }
  yield message(query.id, question, [...records, soaBytes]);
}

/** The question is repeated in each message, which section 2.2.1 of RFC 5936 allows, and gives the pointers their target. */
function message(id: number, question: Buffer, records: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(id, 0);
  head[2] = Flag.Response | Flag.Authoritative;
  head[3] = Rcode.NoError;
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, question, ...records]);
}

/** NOTIFY for a zone (RFC 1996 section 3.7), without the SOA: the secondary asks for it. */
export function notifyMessage(apex: string, id: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(id, 0);
  head[2] = (4 << 3) | Flag.Authoritative;
  head.writeUInt16BE(1, 4);
  const question = Buffer.alloc(4);
  question.writeUInt16BE(RecordType.SOA, 0);
  question.writeUInt16BE(CLASS_IN, 2);
  return Buffer.concat([head, Buffer.from(apex, 'latin1'), question]);
}
