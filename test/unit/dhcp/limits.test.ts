import { describe, it, expect } from '@jest/globals';
import { AlarmBell, type DhcpAlarm } from '../../../src/dhcp/alarms.js';
import type { Decision } from '../../../src/dhcp/decision.js';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import { UnknownQuota } from '../../../src/dhcp/quota.js';
import { decide } from '../../../src/dhcp/respond.js';
import { isKnownMachine } from '../../../src/dhcp/situation.js';
import { uint32Bytes } from '../../../src/shared/bytes.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { entry, knowledgeOf, situationOf } from '../../support/dhcp-situation.js';
import { networkWith, testNetwork } from './network-fixture.js';

const RESERVED = '52:54:00:77:00:07';
const NODE = '52:54:00:aa:00:01';
const mac = (n: number): string => `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`;

describe('the quota of unknown machines', () => {
  const network = networkWith({ unknown_quota: 2 });

  /** Asks as the server does: an OFFER is promised and counted. */
  function flood(macs: readonly string[]): string[] {
    const [book, quota] = [new LeaseBook(), new UnknownQuota()];
    return macs.map((who) => {
      const situation = situationOf(request({ type: 1, mac: who }), knowledgeOf([network], { book, quota, entries: [entry(NODE)] }));
      const decision = decide(situation);
      if (decision.kind === 'offer' && situation.identity !== undefined && decision.source !== 'reserved') {
        book.holdOffer({ ...situation.identity, address: decision.address, networkId: 1, expiresAtMs: 30_000 });
        if (!isKnownMachine(situation)) quota.take(1);
      }
      return decision.kind === 'ignore' ? decision.reason : decision.kind;
    });
  }

  it('attack 9: ends a flood of random hardware addresses and leaves nodes and reservations alone', () => {
    expect(flood([mac(1), mac(2), mac(3), mac(4), NODE, RESERVED])).toEqual(['offer', 'offer', 'unknown-quota', 'unknown-quota', 'offer', 'offer']);
  });

  it('attack 9: goes on answering the unknown machines that already have an address', () => {
    const book = new LeaseBook();
    book.put({ address: ip('10.7.0.100'), networkId: 1, mac: mac(1), clientKey: null, state: 'active', expiresAtMs: 1000 });
    book.put({ address: ip('10.7.0.101'), networkId: 1, mac: mac(2), clientKey: null, state: 'active', expiresAtMs: 1000 });
    const decided = (words: RequestWords, nowMs = 0): string => {
      const decision = decide(situationOf(request(words), knowledgeOf([network], { book, quota: new UnknownQuota(), nowMs })));
      return decision.kind === 'ignore' ? decision.reason : decision.kind;
    };
    expect(decided({ type: 1, mac: mac(1) })).toBe('offer');
    expect(decided({ type: 3, mac: mac(1), ciaddr: '10.7.0.100' })).toBe('acknowledge');
    expect(decided({ type: 1, mac: mac(3) })).toBe('unknown-quota');
    expect(decided({ type: 1, mac: mac(3) }, 1001)).toBe('offer');
  });

  it('attack 9: counts addresses that were declined: they are gone from the pool as well', () => {
    const book = new LeaseBook();
    for (const n of [1, 2]) book.put({ address: ip('10.7.0.99') + n, networkId: 1, mac: mac(n), clientKey: null, state: 'declined', expiresAtMs: 1000 });
    expect(decide(situationOf(request({ type: 1, mac: mac(3) }), knowledgeOf([network], { book })))).toEqual({ kind: 'ignore', reason: 'unknown-quota' });
  });

  it('attack 9: raises one alarm for a flood and another when it is still on later', () => {
    const alarms: DhcpAlarm[] = [];
    const bell = new AlarmBell((alarm) => alarms.push(alarm));
    for (const nowMs of [0, 1, 599_999, 600_000]) bell.ring('unknown-quota', network, mac(1), nowMs);
    bell.ring('pool-exhausted', network, mac(1), 2);
    expect(alarms.map((alarm) => alarm.code)).toEqual(['dhcp-unknown-quota', 'dhcp-unknown-quota', 'dhcp-pool-exhausted']);
    expect(alarms[0]?.message).toContain('network admin');
  });
});

describe('relays that are answered', () => {
  const networks = [
    networkWith({ relays: ['10.9.9.1', '192.168.4.0/30'] }),
    { ...testNetwork(), id: 2, name: 'open', subnet: { first: ip('10.8.0.0'), last: ip('10.8.0.255'), prefix: 24, mask: 0xffffff00 } },
  ];
  const where = (giaddr: string, options: Record<number, Buffer> = {}): string => {
    try {
      return situationOf(request({ type: 1, giaddr, options }), knowledgeOf(networks)).network.name;
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };
  const selecting = (address: number): Record<number, Buffer> => ({
    82: Buffer.from([5, 4, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]),
  });

  it('attack 12: drops a relay that its network does not list', () => {
    expect(where('10.7.0.1')).toBe('unknown-network');
    expect(where('10.9.9.2')).toBe('unknown-network');
  });

  it('attack 12: answers a listed relay, also one whose address is in no network of ours', () => {
    expect([where('10.9.9.1'), where('192.168.4.3')]).toEqual(['admin', 'admin']);
  });

  it('attack 12: without a list answers a relay of the subnet, and nobody by link selection alone', () => {
    expect(where('10.8.0.1')).toBe('open');
    expect(where('10.8.0.1', selecting(ip('10.7.0.0')))).toBe('unknown-network');
    expect(where('203.0.113.5', selecting(ip('10.8.0.0')))).toBe('unknown-network');
  });

  it('attack 12: a relay that the network around it does not list gets no other network by selecting its link', () => {
    expect(where('10.7.0.9')).toBe('unknown-network');
    expect(where('10.7.0.9', selecting(ip('10.8.0.0')))).toBe('unknown-network');
    expect(where('10.7.0.9', { 118: uint32Bytes(ip('10.8.0.0')) })).toBe('unknown-network');
    expect(where('203.0.113.5', { 118: uint32Bytes(ip('10.8.0.0')) })).toBe('unknown-network');
  });

  it('attack 12: a client on our own link selects no other by itself, and names no other server', () => {
    const options = { 82: Buffer.concat([selecting(ip('10.8.0.0'))[82], Buffer.from([11, 4, 10, 8, 0, 1])]), 118: uint32Bytes(ip('10.8.0.0')) };
    const situation = situationOf(request({ type: 1, options }), knowledgeOf(networks));
    expect([situation.network.name, situation.serverId]).toEqual(['admin', ip('10.7.0.2')]);
  });

  it('allocates from the link that the relay selects (RFC 3527, RFC 3011)', () => {
    expect(where('10.9.9.1', { 118: uint32Bytes(ip('10.8.0.0')) })).toBe('open');
    expect(where('10.9.9.1', selecting(ip('10.8.0.0')))).toBe('open');
    expect(where('10.9.9.1', selecting(ip('10.7.0.0')))).toBe('admin');
  });
});

describe('waiting for another server', () => {
  const decided = (secs: number, words: RequestWords, minSecs = 0): Decision =>
    decide(situationOf({ ...request(words), secs }, knowledgeOf([networkWith({ min_secs: 4 })], { minSecs })));

  it('netboot rule 7: leaves what begins an exchange to another server until `secs` is reached', () => {
    expect([0, 3, 4, 9].map((secs) => decided(secs, { type: 1 }).kind)).toEqual(['ignore', 'ignore', 'offer', 'offer']);
    expect(decided(0, { mac: RESERVED })).toEqual({ kind: 'ignore', reason: 'too-early' });
  });

  it('netboot rule 7: answers a REQUEST at once, whatever the clock of the client says', () => {
    expect(decided(0, { type: 3, mac: RESERVED, options: { 50: '@10.7.0.7', 54: '@10.7.0.2' } }).kind).toBe('acknowledge');
  });

  it('netboot rule 7: takes the larger of the network’s and the server’s threshold', () => {
    expect(decided(5, { type: 1 }, 6)).toEqual({ kind: 'ignore', reason: 'too-early' });
  });

  it('reads `secs` in the wrong byte order, as some firmware sends it', () => {
    expect(decided(0x0500, { type: 1 }).kind).toBe('offer');
    expect(decided(0x0300, { type: 1 }).kind).toBe('ignore');
  });
});
