import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { composeAnswer, type Statement } from '../../../src/dhcp/answer.js';
import { describeClient } from '../../../src/dhcp/client.js';
import type { Decision } from '../../../src/dhcp/decision.js';
import { foundInUse, ownerOf } from '../../../src/dhcp/identity.js';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import type { Network } from '../../../src/dhcp/network.js';
import { buildNetworks } from '../../../src/dhcp/network-rows.js';
import { UnknownQuota } from '../../../src/dhcp/quota.js';
import { decide } from '../../../src/dhcp/respond.js';
import { isKnownMachine, type Situation } from '../../../src/dhcp/situation.js';
import type { Trace } from '../../../src/dhcp/trace.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { entry, knowledgeOf, SETTINGS, situationOf } from '../../support/dhcp-situation.js';
import { networkWith, testNetwork } from './network-fixture.js';

const RESERVED = '52:54:00:77:00:07';
const VICTIM = '52:54:00:99:00:01';
const THIEF = '52:54:00:99:00:02';
const OURS = '@10.7.0.2';

function bookOf(leases: Record<string, string>): LeaseBook {
  const book = new LeaseBook();
  for (const [mac, address] of Object.entries(leases)) {
    book.put({ address: ip(address), networkId: 1, mac, clientKey: null, state: 'active', expiresAtMs: 10_000 });
  }
  return book;
}

function decided(words: RequestWords, book: LeaseBook, network: Network = testNetwork()): Decision {
  return decide(situationOf(request(words), knowledgeOf([network], { book })));
}

describe('text from a machine', () => {
  const HOSTILE = ['$(reboot)`id`', 'a\nb\r\n\u0000c', '\u001b[2J\u001b]0;x\u0007', '</script><img onerror=alert(1)>', 'x'.repeat(255), 'ü\u202e'];

  it.each(HOSTILE)('attack 7: %j stays data: printable, bounded, and out of the reply and its boot file', (text) => {
    const hostile = Buffer.from(text);
    const options = { 12: hostile, 60: Buffer.concat([Buffer.from('PXEClient'), hostile]), 61: hostile, 77: hostile, 81: hostile, 43: hostile, 82: hostile };
    const packet = request({ type: 1, giaddr: '10.7.0.1', options });
    const client = describeClient(packet);
    for (const shown of [client.hostName ?? '', client.vendorClass ?? '']) expect(shown).toMatch(/^[\x20-\x7e]{0,255}$/);
    const trace: Trace = [];
    const situation = situationOf(packet, knowledgeOf([networkWith({ identify_by: 'client-id' })]), {}, trace);
    decide(situation, trace);
    const answer = composeAnswer(situation, { type: 2, address: ip('10.7.0.100'), leaseSeconds: 60, isBootOnly: false }, SETTINGS, true, trace);
    if (!answer.ok) throw new Error(answer.error);
    for (const step of trace) expect(step.value).toMatch(/^[\x20-\x7e]*$/);
    // What is echoed is what the RFCs say comes back, byte for byte, and nothing else.
    const echoed = [...answer.value.packet.options].filter(([, value]) => value.length > 3 && value.includes(hostile)).map(([code]) => code);
    expect(echoed.filter((code) => code !== 61 && code !== 82)).toEqual([]);
    expect(answer.value.packet.bootFile.toString('latin1')).toBe('undionly.kpxe\0');
  });
});

describe('taking what is another machine’s', () => {
  it.each<[string, RequestWords, string]>([
    ['RELEASE with its own MAC and another’s address', { type: 7, mac: THIEF, ciaddr: '10.7.0.100', options: { 54: OURS } }, 'ignore'],
    ['RELEASE of a reserved address', { type: 7, mac: THIEF, ciaddr: '10.7.0.7', options: { 54: OURS } }, 'ignore'],
    [
      'RELEASE by client identifier of another',
      { type: 7, mac: THIEF, ciaddr: '10.7.0.100', options: { 54: OURS, 61: Buffer.from('01525400990001', 'hex') } },
      'ignore',
    ],
    ['DECLINE of another’s lease', { type: 4, mac: THIEF, options: { 50: '@10.7.0.100', 54: OURS } }, 'ignore'],
    ['DECLINE of a reserved address', { type: 4, mac: THIEF, options: { 50: '@10.7.0.7', 54: OURS } }, 'ignore'],
    ['DECLINE of the router', { type: 4, mac: THIEF, options: { 50: '@10.7.0.1', 54: OURS } }, 'ignore'],
    ['REQUEST for another’s lease', { type: 3, mac: THIEF, options: { 50: '@10.7.0.100', 54: OURS } }, 'refuse'],
    ['REQUEST for a reserved address', { type: 3, mac: THIEF, options: { 50: '@10.7.0.7', 54: OURS } }, 'refuse'],
    ['renewal of another’s lease', { type: 3, mac: THIEF, ciaddr: '10.7.0.100' }, 'refuse'],
  ])('attack 10: %s changes nothing', (_, words, kind) => {
    expect(decided(words, bookOf({ [VICTIM]: '10.7.0.100' })).kind).toBe(kind);
  });

  it('attack 10: a RELEASE or DECLINE in the name of a reserved machine leaves it its reservation', () => {
    const book = bookOf({ [RESERVED]: '10.7.0.7' });
    expect(decided({ type: 7, mac: RESERVED, ciaddr: '10.7.0.7', options: { 54: OURS } }, book).kind).toBe('release');
    book.forget(ip('10.7.0.7'));
    expect(decided({ type: 1, mac: THIEF, options: { 50: '@10.7.0.7' } }, book)).not.toMatchObject({ address: ip('10.7.0.7') });
    expect(decided({ type: 4, mac: RESERVED, options: { 50: '@10.7.0.7', 54: OURS } }, book)).toMatchObject({ kind: 'decline', isReserved: true });
    expect(decided({ type: 1, mac: RESERVED }, book)).toMatchObject({ kind: 'offer', address: ip('10.7.0.7') });
  });

  it('attack 10: stops believing a client that declines whatever it is offered', () => {
    const network = testNetwork('authoritative', ['10.7.0.100', '10.7.0.150']);
    const book = new LeaseBook();
    const kinds = Array.from({ length: 5 }, () => {
      const offer = decided({ type: 1, mac: THIEF }, book, network);
      if (offer.kind !== 'offer') throw new Error(offer.kind);
      const lease = { address: offer.address, networkId: 1, mac: THIEF, clientKey: null };
      book.holdOffer({ ...lease, expiresAtMs: 1000 });
      const decision = decided({ type: 4, mac: THIEF, options: { 50: `@${formatIpv4(offer.address)}`, 54: OURS } }, book, network);
      if (decision.kind === 'decline') {
        book.dropOffer(1, THIEF);
        book.put({ ...lease, state: 'declined', expiresAtMs: 1000 });
      }
      return decision.kind === 'ignore' ? decision.reason : decision.kind;
    });
    expect(kinds).toEqual(['decline', 'decline', 'decline', 'decline-flood', 'decline-flood']);
  });

  // The quarantine of a probe was written down as the asker's: a machine in a subnet of squatters was then no longer believed.
  it('attack 10: an address that a probe found in use counts against nobody who asked for one', () => {
    const network = testNetwork('authoritative', ['10.7.0.100', '10.7.0.150'], { unknown_quota: 1 });
    const book = new LeaseBook();
    for (const [index, usedBy] of [VICTIM, '', ''].entries())
      book.put({ address: ip('10.7.0.100') + index, networkId: 1, ...foundInUse(usedBy), state: 'declined', expiresAtMs: 1000 });
    const offer = decided({ type: 1, mac: THIEF }, book, network);
    if (offer.kind !== 'offer') throw new Error(JSON.stringify(offer));
    book.holdOffer({ address: offer.address, networkId: 1, mac: THIEF, clientKey: null, expiresAtMs: 1000 });
    const decline = { type: 4, mac: THIEF, options: { 50: `@${formatIpv4(offer.address)}`, 54: OURS } };
    expect(decided(decline, book, network)).toMatchObject({ kind: 'decline', isReserved: false });
    expect(decided({ type: 4, mac: VICTIM, options: { 50: '@10.7.0.100', 54: OURS } }, book, network)).toEqual({ kind: 'ignore', reason: 'not-our-client' });
  });

  it('attack 13: a clone of a node’s MAC on another network gets neither its address nor its lease there', () => {
    const both = buildNetworks(
      ['10.7.0.0/24', '10.8.0.0/24'].map((subnet, index) => ({
        ...{ id: index + 1, name: `n${index}`, subnet, router: null, dns: [], domain: null, dhcp_mode: 'authoritative', lease_seconds: 60 },
      })),
      [{ network_id: 2, name: 'dhcp', first_address: '10.8.0.100', last_address: '10.8.0.101' }],
      [{ network_id: 1, address: '10.7.0.7', mac: RESERVED }],
    ).networks;
    const book = bookOf({ [RESERVED]: '10.7.0.7' });
    const decision = decide(situationOf(request({ type: 1, mac: RESERVED, giaddr: '10.8.0.1' }), knowledgeOf(both, { book, entries: [entry(RESERVED)] })));
    expect(decision.kind === 'offer' && formatIpv4(decision.address)).toMatch(/^10\.8\.0\.10\d$/);
    expect(book.holderOf(ip('10.7.0.7'), 0)?.mac).toBe(RESERVED);
  });
});

describe('where we answer', () => {
  it('attack 11: is silent on an interface and behind a relay that belong to no network of ours', () => {
    const heard = (words: RequestWords, localAddress: string) => () =>
      situationOf(request(words), knowledgeOf([testNetwork()]), { localAddress: ip(localAddress) });
    expect(heard({ type: 1 }, '192.0.2.1')).toThrow('unknown-network');
    expect(heard({ type: 1, giaddr: '192.0.2.1' }, '10.7.0.2')).toThrow('unknown-network');
    expect(heard({ type: 1 }, '10.7.0.2')).not.toThrow();
  });

  it('attack 11: never refuses a client that chose another server', () => {
    for (const wanted of ['@10.7.0.50', '@192.0.2.9']) {
      expect(decided({ type: 3, mac: THIEF, options: { 50: wanted, 54: '@10.7.0.9' } }, new LeaseBook())).toEqual({ kind: 'ignore', reason: 'other-server' });
    }
  });
});

/** Messages that a crowd of machines could send, their addresses near the pool's. */
const address = fc.constantFrom('10.7.0.1', '10.7.0.2', '10.7.0.7', '10.7.0.100', '10.7.0.101', '10.7.0.102', '10.7.0.103', '10.7.0.200', '192.0.2.1');
const message = fc.record({
  type: fc.constantFrom(1, 1, 3, 3, 3, 4, 7, 8),
  mac: fc.constantFrom(RESERVED, VICTIM, THIEF, '52:54:00:99:00:03', '52:54:00:99:00:04', '52:54:00:99:00:05', '52:54:00:99:00:06'),
  requested: fc.option(address),
  ciaddr: fc.option(address),
  server: fc.option(fc.constantFrom(OURS, '@10.7.0.9')),
  clientId: fc.option(fc.constantFrom('ff01', 'ff02', '01525400990001')),
  stepMs: fc.nat({ max: 20_000 }),
});

function perform(situation: Situation, decision: Decision, quota: UnknownQuota): void {
  const { identity, network, knowledge } = situation;
  const { book, nowMs } = knowledge;
  if (identity === undefined) return;
  if (decision.kind === 'offer' && decision.source !== 'reserved') {
    book.holdOffer({ ...identity, address: decision.address, networkId: network.id, expiresAtMs: nowMs + 30_000 });
    if (!isKnownMachine(situation)) quota.take(network.id);
  }
  if (decision.kind === 'acknowledge')
    book.put({ ...identity, address: decision.address, networkId: network.id, state: 'active', expiresAtMs: nowMs + 60_000 });
  if (decision.kind === 'release') book.forget(decision.address);
  if (decision.kind === 'decline' && !decision.isReserved) {
    book.put({ ...identity, address: decision.address, networkId: network.id, state: 'declined', expiresAtMs: nowMs + 60_000 });
  }
}

describe('any sequence of messages', () => {
  it.each(['mac', 'client-id'])('gives an address to one owner at a time, by %s, and a reserved one to its machine alone', (identify_by) => {
    const network = networkWith({ identify_by, unknown_quota: 3 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
        const [book, quota] = [new LeaseBook(), new UnknownQuota()];
        let nowMs = 0;
        for (const { type, mac, requested, ciaddr, server, clientId, stepMs } of messages) {
          nowMs += stepMs;
          const options = {
            ...(requested === null ? {} : { 50: `@${requested}` }),
            ...(server === null ? {} : { 54: server }),
            ...(clientId === null ? {} : { 61: Buffer.from(clientId, 'hex') }),
          };
          const words = { type, mac, options, ...(ciaddr === null ? {} : { ciaddr }) };
          const situation = situationOf(request(words), knowledgeOf([network], { book, quota, nowMs }));
          const trace: Trace = [];
          const decision = decide(situation, trace);
          expect(decide(situation)).toEqual(decision);
          if ((decision.kind === 'offer' || decision.kind === 'acknowledge') && situation.identity !== undefined) {
            const holder = book.holderOf(decision.address, nowMs);
            if (holder !== undefined && holder.state === 'active') expect(ownerOf(holder)).toBe(ownerOf(situation.identity));
            expect(decision.address === ip('10.7.0.7')).toBe(mac === RESERVED);
            expect([ip('10.7.0.1'), ip('10.7.0.2')]).not.toContain(decision.address);
          }
          perform(situation, decision, quota);
          const unknown = [...book.held(1, nowMs)].filter((lease) => lease.mac !== RESERVED);
          expect(new Set([...unknown, ...book.promised(1, nowMs)].map((one) => one.address)).size).toBeLessThanOrEqual(3);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('sends iPXE the URL of its script whatever its options, network and node say', () => {
    const anyOptions = fc.dictionary(fc.constantFrom('12', '43', '55', '57', '60', '61', '66', '67', '93', '97'), fc.uint8Array({ maxLength: 40 }));
    const statement: Statement = { type: 2, address: ip('10.7.0.100'), leaseSeconds: 60, isBootOnly: false };
    const network = networkWith({ options: { 'bootfile-name': 'loop.efi' }, vendor_options: { P: { 'bootfile-name': 'loop.0', 43: '0102' } } });
    fc.assert(
      fc.property(anyOptions, fc.constantFrom('77', '175'), (said, mark) => {
        const options: Record<number, Buffer> = {};
        for (const [code, value] of Object.entries(said)) options[Number(code)] = Buffer.from(value);
        options[Number(mark)] = mark === '77' ? Buffer.from('iPXE') : Buffer.from([19, 1, 1]);
        const entries = [entry('52:54:00:77:00:01', { options: new Map([[67, Buffer.from('loop.bin')]]) })];
        const answer = composeAnswer(situationOf(request({ type: 1, options }), knowledgeOf([network], { entries })), statement, SETTINGS, true);
        if (!answer.ok) throw new Error(answer.error);
        expect(answer.value.packet.options.get(67)?.toString()).toBe('http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-01');
      }),
      { numRuns: 300 },
    );
  });
});
