import { describe, it, expect } from '@jest/globals';
import { chooseAddress } from '../../../src/dhcp/lease.js';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import type { Network } from '../../../src/dhcp/network.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { ip } from '../../support/dhcp-request.js';
import { testNetwork } from './network-fixture.js';

const RESERVED_MAC = '52:54:00:77:00:07';
const mac = (last: number): string => `52:54:00:99:00:${last.toString(16).padStart(2, '0')}`;

function choose(network: Network, book: LeaseBook, who: string, words: { requested?: string; nowMs?: number; taken?: string[] } = {}) {
  const requested = words.requested === undefined ? undefined : ip(words.requested);
  const question = {
    network,
    identity: { mac: who, clientKey: null },
    reserved: network.reservationByMac.get(who),
    hasPool: network.mode === 'authoritative',
    requested,
    taken: (words.taken ?? []).map(ip),
  };
  const choice = chooseAddress(question, book, words.nowMs ?? 0);
  return choice.kind === 'none' ? choice.reason : `${formatIpv4(choice.address)} ${choice.source}`;
}

function lease(book: LeaseBook, who: string, address: string, state: 'active' | 'declined' = 'active', expiresAtMs = 1000): void {
  book.put({ address: ip(address), networkId: 1, mac: who, clientKey: null, state, expiresAtMs });
}

describe('chooseAddress', () => {
  it('netboot rule 5: gives a reservation by hardware address before anything else', () => {
    const book = new LeaseBook();
    lease(book, RESERVED_MAC, '10.7.0.100');
    expect(choose(testNetwork(), book, RESERVED_MAC, { requested: '10.7.0.101' })).toBe('10.7.0.7 reserved');
  });

  it('serves from the pool while another machine still holds the reserved address', () => {
    const book = new LeaseBook();
    lease(book, mac(1), '10.7.0.7');
    expect(choose(testNetwork(), book, RESERVED_MAC)).toMatch(/^10\.7\.0\.10\d free$/);
    expect(choose(testNetwork(), book, RESERVED_MAC, { nowMs: 1001 })).toBe('10.7.0.7 reserved');
  });

  it('attack 10: keeps a reservation through a DECLINE', () => {
    const book = new LeaseBook();
    lease(book, RESERVED_MAC, '10.7.0.7', 'declined');
    expect(choose(testNetwork(), book, RESERVED_MAC)).toBe('10.7.0.7 reserved');
  });

  it('gives a machine its own lease again, even ended, while nobody has taken it', () => {
    const book = new LeaseBook();
    lease(book, mac(1), '10.7.0.102');
    expect(choose(testNetwork(), book, mac(1), { nowMs: 5000 })).toBe('10.7.0.102 leased');
  });

  it('gives up a lease outside the pool or on an address reserved meanwhile', () => {
    const book = new LeaseBook();
    lease(book, mac(1), '10.7.0.7');
    expect(choose(testNetwork(), book, mac(1))).toMatch(/free$/);
  });

  it('honours the requested address only when it is a free pool address', () => {
    const book = new LeaseBook();
    lease(book, mac(2), '10.7.0.101');
    expect(choose(testNetwork(), book, mac(1), { requested: '10.7.0.103' })).toBe('10.7.0.103 requested');
    for (const requested of ['10.7.0.101', '10.7.0.7', '10.7.0.200', '10.9.0.1']) {
      expect(choose(testNetwork(), book, mac(1), { requested })).toMatch(/free$/);
    }
  });

  it('repeats the promised address, and gives it to nobody else until the promise ends', () => {
    const book = new LeaseBook();
    const network = testNetwork('authoritative', ['10.7.0.100', '10.7.0.100']);
    book.holdOffer({ address: ip('10.7.0.100'), networkId: 1, mac: mac(1), clientKey: null, expiresAtMs: 30 });
    expect(choose(network, book, mac(1))).toBe('10.7.0.100 offered');
    expect(choose(network, book, mac(2))).toBe('pool-exhausted');
    expect(choose(network, book, mac(2), { nowMs: 31 })).toBe('10.7.0.100 free');
  });

  it('keeps a declined address from everyone until its quarantine ends', () => {
    const book = new LeaseBook();
    const network = testNetwork('authoritative', ['10.7.0.100', '10.7.0.100']);
    lease(book, mac(1), '10.7.0.100', 'declined');
    expect([choose(network, book, mac(1)), choose(network, book, mac(2))]).toEqual(['pool-exhausted', 'pool-exhausted']);
    expect(choose(network, book, mac(2), { nowMs: 1001 })).toBe('10.7.0.100 free');
  });

  it('hands out every pool address once and then says it is exhausted', () => {
    const book = new LeaseBook();
    const given = new Set<string>();
    for (let n = 1; n <= 4; n += 1) {
      const choice = choose(testNetwork(), book, mac(n));
      given.add(choice);
      lease(book, mac(n), choice.split(' ')[0] ?? '');
    }
    expect(given.size).toBe(4);
    expect(choose(testNetwork(), book, mac(5))).toBe('pool-exhausted');
  });

  it('never gives the address of the server or the relay', () => {
    const network = testNetwork('authoritative', ['10.7.0.100', '10.7.0.101']);
    expect(choose(network, new LeaseBook(), mac(1), { taken: ['10.7.0.100'] })).toBe('10.7.0.101 free');
  });

  it('gives strangers nothing in mode reservations', () => {
    expect(choose(testNetwork('reservations'), new LeaseBook(), mac(1))).toBe('no-reservation');
    expect(choose(testNetwork('reservations'), new LeaseBook(), RESERVED_MAC)).toBe('10.7.0.7 reserved');
  });
});

describe('LeaseBook', () => {
  it('knows one active lease for a machine and one machine for an address', () => {
    const book = new LeaseBook();
    lease(book, mac(1), '10.7.0.100');
    lease(book, mac(1), '10.7.0.101');
    lease(book, mac(2), '10.7.0.101');
    expect(book.leaseOf(1, mac(1))).toBeUndefined();
    expect(book.holderOf(ip('10.7.0.100'), 0)).toBeUndefined();
    expect(book.holderOf(ip('10.7.0.101'), 0)?.mac).toBe(mac(2));
  });

  it('sweeps ended promises and quarantines and keeps ended leases', () => {
    const book = new LeaseBook();
    lease(book, mac(1), '10.7.0.100');
    lease(book, mac(2), '10.7.0.101', 'declined');
    book.holdOffer({ address: ip('10.7.0.102'), networkId: 1, mac: mac(3), clientKey: null, expiresAtMs: 10 });
    book.sweep(2000);
    expect(book.size()).toEqual({ leases: 1, offers: 0 });
  });
});
