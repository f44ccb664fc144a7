import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RecordType } from '../../../src/dns/codes.js';
import { nameKey } from '../../../src/dns/name.js';
import { addressData } from '../../../src/dns/record.js';
import { Responder } from '../../../src/dns/responder.js';
import type { ZoneSet } from '../../../src/dns/zone-set.js';
import { queryBytes, zonesOf } from './support.js';

const UDP = { transport: 'udp', recursionAvailable: false, mayForward: false } as const;

function ask(zones: ZoneSet, request: Buffer, manner: Parameters<Responder['respond']>[1] = UDP) {
  const responder = new Responder();
  responder.serve(zones);
  const response = responder.respond(request, manner);
  if (response.kind !== 'reply') return { kind: response.kind };
  const bytes = response.bytes;
  const flags = bytes.readUInt16BE(2);
  return {
    kind: response.kind,
    bytes,
    rcode: flags & 15,
    aa: (flags & 0x400) !== 0,
    tc: (flags & 0x200) !== 0,
    ra: (flags & 0x80) !== 0,
    counts: [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at)),
  };
}

describe('answers', () => {
  it.each([
    ['ctrl1.rack.example', RecordType.A, '0a000005'],
    ['ctrl1-vm.rack.example', RecordType.A, 'ac140105'],
    ['ctrl1-bmc.rack.example', RecordType.A, '0a090105'],
    ['switch1.rack.example', RecordType.A, '0a090106'],
    ['ns.rack.example', RecordType.A, '0a000001'],
    ['5.0.0.10.in-addr.arpa', RecordType.PTR, Buffer.from('\x05ctrl1\x04rack\x07example\0', 'latin1').toString('hex')],
    ['5.1.20.172.in-addr.arpa', RecordType.PTR, Buffer.from('\x08ctrl1-vm\x04rack\x07example\0', 'latin1').toString('hex')],
  ])('%s %s', (name, type, data) => {
    const answer = ask(zonesOf(), queryBytes(name, type));
    expect(answer).toMatchObject({ rcode: 0, aa: true, tc: false, ra: false, counts: [1, 1, 0, 0] });
    expect(answer.bytes?.toString('hex')).toMatch(new RegExp(`${data}$`));
  });

  it('keeps the spelling of the question and compares without regard to case (RFC 4343, 0x20)', () => {
    const request = queryBytes('cTRl1.Rack.EXAMPLE', RecordType.A);
    const answer = ask(zonesOf(), request);
    expect(answer.rcode).toBe(0);
    expect(answer.bytes?.subarray(12, request.length)).toEqual(request.subarray(12));
  });

  it('answers NXDOMAIN, and NODATA for a name that exists or has names below it, each with the SOA (RFC 2308, RFC 8020)', () => {
    const zones = zonesOf({ written: [{ id: 1, name: 'a.deep.rack.example', type: 'TXT', value: 'x' }] });
    const soa = { aa: true, counts: [1, 0, 1, 0] };
    expect(ask(zones, queryBytes('nobody.rack.example', RecordType.A))).toMatchObject({ rcode: 3, ...soa });
    expect(ask(zones, queryBytes('ctrl1.rack.example', RecordType.AAAA))).toMatchObject({ rcode: 0, ...soa });
    expect(ask(zones, queryBytes('deep.rack.example', RecordType.A))).toMatchObject({ rcode: 0, ...soa });
  });

  it('keeps what it said of an absent name only until the zones change', () => {
    const responder = new Responder();
    const zones = zonesOf();
    const rcodeNow = () => {
      const response = responder.respond(queryBytes('late.rack.example', RecordType.A), UDP);
      return response.kind === 'reply' ? response.rcode : undefined;
    };
    responder.serve(zones);
    expect([rcodeNow(), rcodeNow()]).toEqual([3, 3]);
    const zone = nameKey('rack.example') ?? '';
    zones.put(9_999, [{ zone, owner: nameKey('late.rack.example') ?? '', type: RecordType.A, data: addressData(1) }]);
    responder.serve(zones);
    expect(rcodeNow()).toBe(0);
  });

  it('carries the revision as the serial of the SOA', () => {
    const bytes = ask(zonesOf({ revision: 2 ** 32 + 9 }), queryBytes('rack.example', RecordType.SOA)).bytes ?? Buffer.alloc(0);
    expect(bytes.readUInt32BE(bytes.length - 20)).toBe(9);
  });

  it('follows an alias into its address, says NXDOMAIN for one that leads nowhere, and ends a loop', () => {
    const zones = zonesOf({
      written: [
        { id: 1, name: 'www.rack.example', type: 'CNAME', value: 'ctrl1.rack.example' },
        { id: 2, name: 'gone.rack.example', type: 'CNAME', value: 'nobody.rack.example' },
        { id: 3, name: 'l1.rack.example', type: 'CNAME', value: 'l2.rack.example' },
        { id: 4, name: 'l2.rack.example', type: 'CNAME', value: 'l1.rack.example' },
        { id: 5, name: 'out.rack.example', type: 'CNAME', value: 'example.com' },
        { id: 6, name: 'ctrl1.rack.example', type: 'CNAME', value: 'example.com' },
      ],
    });
    expect(ask(zones, queryBytes('www.rack.example', RecordType.A))).toMatchObject({ rcode: 0, counts: [1, 2, 0, 0] });
    expect(ask(zones, queryBytes('gone.rack.example', RecordType.A))).toMatchObject({ rcode: 3, counts: [1, 1, 1, 0] });
    expect(ask(zones, queryBytes('l1.rack.example', RecordType.A))).toMatchObject({ rcode: 0 });
    expect(ask(zones, queryBytes('out.rack.example', RecordType.A))).toMatchObject({ rcode: 0, counts: [1, 1, 0, 0] });
    // A machine's own name is never hidden by an alias.
    expect(ask(zones, queryBytes('ctrl1.rack.example', RecordType.A))).toMatchObject({ rcode: 0, counts: [1, 1, 0, 0] });
  });

  it('refuses what is not its own, and forwards it only for who may', () => {
    const request = queryBytes('example.com', RecordType.A, { rd: true });
    expect(ask(zonesOf(), request)).toMatchObject({ rcode: 5, aa: false, ra: false, counts: [1, 0, 0, 0] });
    expect(ask(zonesOf(), request, { ...UDP, recursionAvailable: true, mayForward: true })).toEqual({ kind: 'forward' });
    expect(ask(zonesOf(), queryBytes('example.com', RecordType.A), { ...UDP, mayForward: true })).toMatchObject({ rcode: 5 });
    expect(ask(zonesOf(), queryBytes('rack.example', RecordType.TXT, { class: 3 }))).toMatchObject({ rcode: 5 });
  });

  it('answers EDNS with EDNS, a later version with BADVERS, and cuts to the size that the client and we can take', () => {
    const many = Array.from({ length: 60 }, (_, index) => ({ id: index + 1, name: 'many.rack.example', type: 'A', value: `10.0.0.${index + 100}` }));
    const zones = zonesOf({ written: many });
    expect(ask(zones, queryBytes('ctrl1.rack.example', RecordType.A, { edns: 4096 }))).toMatchObject({ rcode: 0, counts: [1, 1, 0, 1] });
    const later = ask(zones, queryBytes('ctrl1.rack.example', RecordType.A, { edns: 4096, version: 1 }));
    expect(later).toMatchObject({ rcode: 0, counts: [1, 0, 0, 1] });
    expect(later.bytes?.[(later.bytes?.length ?? 0) - 6]).toBe(1); // upper bits of BADVERS
    expect(ask(zones, queryBytes('many.rack.example', RecordType.A))).toMatchObject({ tc: true, counts: [1, 0, 0, 0] });
    expect(ask(zones, queryBytes('many.rack.example', RecordType.A, { edns: 700 }))).toMatchObject({ tc: true, counts: [1, 0, 0, 1] });
    expect(ask(zones, queryBytes('many.rack.example', RecordType.A, { edns: 4096 }))).toMatchObject({ tc: false, counts: [1, 60, 0, 1] });
    expect(ask(zones, queryBytes('many.rack.example', RecordType.A), { ...UDP, transport: 'tcp' })).toMatchObject({ tc: false, counts: [1, 60, 0, 0] });
  });

  it('does not amplify: ANY is one set, AXFR over UDP is refused by form', () => {
    expect(ask(zonesOf(), queryBytes('rack.example', RecordType.ANY))).toMatchObject({ rcode: 0, counts: [1, 1, 0, 0] });
    expect(ask(zonesOf(), queryBytes('rack.example', RecordType.AXFR))).toMatchObject({ rcode: 1, counts: [1, 0, 0, 0] });
  });
});

describe('messages that are none', () => {
  const good = queryBytes('ctrl1.rack.example', RecordType.A, { edns: 1232 });
  it.each([
    ['nothing', Buffer.alloc(0), 'silence'],
    ['a header cut short', good.subarray(0, 11), 'silence'],
    ['a response', Buffer.concat([Buffer.from([0, 1, 0x80]), good.subarray(3)]), 'silence'],
  ])('%s is met with silence', (_what, bytes, kind) => {
    expect(ask(zonesOf(), bytes).kind).toBe(kind);
  });

  it.each([
    ['no question', 0],
    ['two questions', 2],
  ])('%s is FORMERR (RFC 9619)', (_what, count) => {
    const bytes = Buffer.from(good);
    bytes.writeUInt16BE(count, 4);
    expect(ask(zonesOf(), bytes)).toMatchObject({ rcode: 1, counts: [0, 0, 0, 0] });
  });

  it('an UPDATE is NOTIMP, and says nothing else', () => {
    const bytes = Buffer.from(good);
    bytes[2] = 5 << 3;
    expect(ask(zonesOf(), bytes)).toMatchObject({ rcode: 4, counts: [0, 0, 0, 0] });
  });

  it('every truncation is answered or dropped, never thrown', () => {
    for (let size = 0; size < good.length; size += 1) expect(['reply', 'silence']).toContain(ask(zonesOf(), good.subarray(0, size)).kind);
  });

  it('attack 8: mutated packets never throw and never get an answer longer than their size allows', () => {
    const responder = new Responder();
    responder.serve(zonesOf());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.nat(good.length),
        fc.uint8Array({ maxLength: 40 }),
        (changes, cut, tail) => {
          const bytes = Buffer.concat([good.subarray(0, cut), tail]);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const response = responder.respond(bytes, UDP);
          return response.kind !== 'reply' || response.bytes.length <= 1232;
        },
      ),
      { numRuns: 3000 },
    );
  });
});
