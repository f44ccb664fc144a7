/** PURE: the data of records, as bytes, and read back for zone files. Names in it are never compressed, so it can be copied anywhere. */
import { isIPv6 } from 'node:net';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import { RecordType } from './codes.js';
import { keyText, nameKey, quoteText } from './name.js';

/** All records of one name and type: one TTL (RFC 2181 section 5.2). `data` are the RDATA. */
export type RecordSet = { readonly type: number; readonly ttl: number; readonly data: readonly Buffer[] };

export type Soa = { readonly primary: string; readonly contact: string; readonly serial: number; readonly ttl: number };

/** Timers for secondaries, seconds: they are told of each change at once, so these only mend a lost NOTIFY. RFC 1912 section 2.2. */
const REFRESH = 3600;
const RETRY = 600;
const EXPIRE = 1_209_600;

/** A record's address, RFC 1035 section 3.4.1. */
export function addressData(address: number): Buffer {
  return Buffer.from([address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]);
}

/** A name as RDATA: NS, CNAME, PTR. */
export function nameData(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

/** RFC 1035 section 3.3.13; the last number is the life of a negative answer (RFC 2308 section 4). */
export function soaData(soa: Soa): Buffer {
  const numbers = Buffer.alloc(20);
  [soa.serial, REFRESH, RETRY, EXPIRE, soa.ttl].forEach((value, index) => numbers.writeUInt32BE(value >>> 0, index * 4));
  return Buffer.concat([nameData(soa.primary), nameData(soa.contact), numbers]);
}

/** Character strings of at most 255 bytes each. RFC 1035 section 3.3.14. */
export function textData(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(Buffer.from([part.length]), part);
  }
  return Buffer.concat(parts);
}

/** Types of the records that an operator writes himself. */
export const WRITTEN_TYPES = ['A', 'AAAA', 'CNAME', 'TXT'] as const;
export type WrittenType = (typeof WRITTEN_TYPES)[number];

/** The bytes of a record's written value; undefined when the value is not one of its type. A name without the last dot is complete too. */
export function writtenData(type: WrittenType, value: string): Buffer | undefined {
  switch (type) {
    case 'A': {
      const address = parseIpv4(value);
      return address === undefined ? undefined : addressData(address);
    }
    case 'AAAA':
      return ipv6Data(value);
    case 'CNAME': {
      const key = nameKey(value);
      return key === undefined ? undefined : nameData(key);
    }
    case 'TXT':
      return textData(value);
  }
}

/** Sixteen bytes of a written IPv6 address. RFC 3596 section 2.2, RFC 4291 section 2.2. */
export function ipv6Data(text: string): Buffer | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted?.[2] === undefined ? undefined : parseIpv4(dotted[2]);
  const plain = dotted === null || tail === undefined ? text : `${dotted[1]}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  const [head = '', rest] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const groups = [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  const bytes = Buffer.alloc(16);
  groups.slice(0, 8).forEach((group, index) => bytes.writeUInt16BE(Number.parseInt(group, 16) & 0xffff, index * 2));
  return bytes;
}

/** RDATA as a zone file writes it; RFC 3597 section 5 for a type that has no form here. */
export function dataText(type: number, data: Buffer): string {
  switch (type) {
    case RecordType.A:
      return formatIpv4(data.readUInt32BE(0));
    case RecordType.AAAA:
      return Array.from({ length: 8 }, (_, index) => data.readUInt16BE(index * 2).toString(16)).join(':');
    case RecordType.NS:
    case RecordType.CNAME:
    case RecordType.PTR:
      return keyText(data.toString('latin1'));
    case RecordType.TXT:
      return stringsOf(data).map(quoteText).join(' ');
    case RecordType.SOA: {
      const [primary, contact, numbers] = soaParts(data);
      return `${keyText(primary)} ${keyText(contact)} ${[0, 4, 8, 12, 16].map((at) => numbers.readUInt32BE(at)).join(' ')}`;
    }
    default:
      return `\\# ${data.length} ${data.toString('hex')}`;
  }
}

function stringsOf(data: Buffer): Buffer[] {
  const strings: Buffer[] = [];
  for (let at = 0; at < data.length; at += (data[at] ?? 0) + 1) strings.push(data.subarray(at + 1, at + 1 + (data[at] ?? 0)));
  return strings;
}

function soaParts(data: Buffer): [string, string, Buffer] {
  const text = data.toString('latin1');
  const first = nameLength(text, 0);
  const second = nameLength(text, first);
  return [text.slice(0, first), text.slice(first, first + second), data.subarray(first + second)];
}

function nameLength(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) > 0) at += text.charCodeAt(at) + 1;
  return at + 1 - from;
}
