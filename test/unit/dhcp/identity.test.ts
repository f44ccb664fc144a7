import { describe, it, expect } from '@jest/globals';
import { ownerOf } from '../../../src/dhcp/identity.js';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import { decide } from '../../../src/dhcp/respond.js';
import type { DhcpPacket } from '../../../src/dhcp/packet.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { knowledgeOf, situationOf } from '../../support/dhcp-situation.js';
import { networkWith, testNetwork } from './network-fixture.js';

const RESERVED = '52:54:00:77:00:07';
const DUID = Buffer.from('ff0011223300010001', 'hex');
const BY_ID = networkWith({ identify_by: 'client-id' });

function owner(words: RequestWords, network = BY_ID, change: Partial<DhcpPacket> = {}): string | undefined {
  const { identity } = situationOf({ ...request(words), ...change }, knowledgeOf([network]));
  return identity === undefined ? undefined : ownerOf(identity);
}

describe('identify', () => {
  it('netboot rule 5: is the hardware address by default, whatever option 61 says', () => {
    expect(owner({ options: { 61: DUID } }, testNetwork())).toBe('52:54:00:77:00:01');
  });

  it('netboot rule 5: is option 61 where the network says so', () => {
    expect(owner({ options: { 61: DUID } })).toBe('ff0011223300010001');
  });

  it('netboot rule 5: is the hardware address where option 61 only repeats it, or is too short to be one', () => {
    const options = [{ 61: Buffer.from('01525400770001', 'hex') }, { 61: Buffer.from([1]) }, { 61: Buffer.alloc(0) }, {}];
    expect(options.map((one) => owner({ options: one }))).toEqual(Array.from({ length: 4 }, () => '52:54:00:77:00:01'));
  });

  it('netboot rule 5: matches a reservation by hardware address even where leases go by option 61', () => {
    const decision = decide(situationOf(request({ type: 1, mac: RESERVED, options: { 61: DUID } }), knowledgeOf([BY_ID])));
    expect(decision).toMatchObject({ kind: 'offer', address: ip('10.7.0.7'), source: 'reserved' });
  });

  it('keeps two clients of one hardware address apart where leases go by option 61', () => {
    const book = new LeaseBook();
    book.put({ address: ip('10.7.0.100'), networkId: 1, mac: '52:54:00:77:00:01', clientKey: DUID.toString('hex'), state: 'active', expiresAtMs: 1000 });
    const address = (id: Buffer): string => {
      const decision = decide(situationOf(request({ type: 1, options: { 61: id } }), knowledgeOf([BY_ID], { book })));
      return decision.kind === 'offer' ? formatIpv4(decision.address) : decision.kind;
    };
    expect(address(DUID)).toBe('10.7.0.100');
    expect(address(Buffer.from('00616263', 'hex'))).not.toBe('10.7.0.100');
  });

  it('identifies a client without a hardware address by option 61 alone (RFC 4390), and nobody by nothing', () => {
    const infiniband = { hardwareType: 32, hardwareLength: 0 };
    expect(owner({ options: { 61: DUID } }, testNetwork(), infiniband)).toBe('ff0011223300010001');
    expect(owner({}, testNetwork(), infiniband)).toBeUndefined();
    expect(decide(situationOf({ ...request({ type: 1 }), ...infiniband }, knowledgeOf([testNetwork()])))).toEqual({
      kind: 'ignore',
      reason: 'no-hardware-address',
    });
  });

  it('takes short and long hardware addresses as they are', () => {
    expect(owner({}, testNetwork(), { hardwareLength: 3 })).toBe('52:54:00');
    expect(owner({}, testNetwork(), { hardwareType: 7, hardwareLength: 1 })).toBe('52');
    expect(owner({}, testNetwork(), { hardwareLength: 16 })).toMatch(/^52:54:00:77:00:01(:00){10}$/);
  });

  it('netboot rule 5: keeps two machines apart that use one transaction id at once', () => {
    const book = new LeaseBook();
    const knowledge = knowledgeOf([testNetwork()], { book });
    const offers = ['52:54:00:99:00:01', '52:54:00:99:00:02'].map((mac) => {
      const situation = situationOf(request({ type: 1, mac, xid: 0xabcd }), knowledge);
      const decision = decide(situation);
      if (decision.kind !== 'offer' || situation.identity === undefined) throw new Error(decision.kind);
      book.holdOffer({ ...situation.identity, address: decision.address, networkId: 1, expiresAtMs: 1000 });
      return decision.address;
    });
    expect(new Set(offers).size).toBe(2);
  });
});

describe('an address of a relay port (option 82)', () => {
  const network = networkWith({
    port_reservations: [
      { circuitId: '0004:0001', address: '10.7.0.30' },
      { circuitId: '00040002', remoteId: 'aabb', address: '10.7.0.31' },
    ],
  });
  const behind = (information: string, mac = '52:54:00:99:00:01'): string => {
    const situation = situationOf(request({ type: 1, mac, giaddr: '10.7.0.1', options: { 82: Buffer.from(information, 'hex') } }), knowledgeOf([network]));
    const decision = decide(situation);
    return decision.kind === 'offer' ? `${formatIpv4(decision.address)} ${decision.source}` : decision.kind;
  };

  it('netboot rule 5: goes to whichever machine is on the port', () => {
    expect(['52:54:00:99:00:01', '52:54:00:99:00:02'].map((mac) => behind('010400040001', mac))).toEqual(['10.7.0.30 reserved', '10.7.0.30 reserved']);
  });

  it('needs both ids where both are said, and a reservation by hardware address wins', () => {
    expect(behind('0104000400020202aabb')).toBe('10.7.0.31 reserved');
    expect(behind('010400040002')).toMatch(/^10\.7\.0\.10\d free$/);
    expect(behind('010400040001', RESERVED)).toBe('10.7.0.7 reserved');
  });

  it('attack 10: is not given to a client that writes option 82 itself', () => {
    const options = { 82: Buffer.from('010400040001', 'hex') };
    expect(decide(situationOf(request({ type: 1, options }), knowledgeOf([network])))).not.toMatchObject({ address: ip('10.7.0.30') });
  });

  it('is never given from the pool', () => {
    const crowded = networkWith({ port_reservations: [{ circuitId: '01', address: '10.7.0.100' }] });
    const given = [1, 2, 3, 4].map((n) => decide(situationOf(request({ type: 1, mac: `52:54:00:99:00:0${n}` }), knowledgeOf([crowded]))));
    expect(given.map((decision) => ('address' in decision ? decision.address : 0))).not.toContain(ip('10.7.0.100'));
  });
});
