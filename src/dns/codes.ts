/** Numbers of DNS on the wire, by their registry names: https://www.iana.org/assignments/dns-parameters */

export const RecordType = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

export const CLASS_IN = 1;

export const DNS_PORT = 53;

/** Message kinds. RFC 1035 section 4.1.1, RFC 1996, RFC 2136. */
export const Opcode = { Query: 0, Notify: 4 } as const;

/** Response codes; BADVERS needs the upper bits that OPT carries. RFC 1035 section 4.1.1, RFC 6891 section 9. */
export const Rcode = { NoError: 0, FormErr: 1, ServFail: 2, NxDomain: 3, NotImp: 4, Refused: 5, BadVers: 16 } as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];

/** Bits of the two flag bytes. RFC 1035 section 4.1.1. */
export const Flag = { Response: 0x80, Authoritative: 0x04, Truncated: 0x02, RecursionDesired: 0x01, RecursionAvailable: 0x80 } as const;

export const HEADER_BYTES = 12;

/** Largest UDP message without EDNS. RFC 1035 section 2.3.4. */
export const PLAIN_UDP_BYTES = 512;

/** Largest UDP message we send and announce: fits an IPv6 packet of the least MTU, so it is never in fragments. DNS flag day 2020. */
export const EDNS_UDP_BYTES = 1232;

/** Bytes of an OPT record without options. RFC 6891 section 6.1.2. */
export const OPT_BYTES = 11;

const NAMES = new Map<number, string>(Object.entries(RecordType).map(([name, code]) => [code, name]));

/** `A`, or `TYPE65` for a type without a name here. RFC 3597 section 5. */
export function typeName(type: number): string {
  return NAMES.get(type) ?? `TYPE${type}`;
}
