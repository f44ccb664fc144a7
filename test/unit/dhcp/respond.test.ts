import { describe, it, expect } from '@jest/globals';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import type { Decision } from '../../../src/dhcp/decision.js';
import { decide } from '../../../src/dhcp/respond.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { knowledgeOf, situationOf } from '../../support/dhcp-situation.js';
import { testNetwork } from './network-fixture.js';

const RESERVED = '52:54:00:77:00:07';
const LEASED = '52:54:00:99:00:01';
const OFFERED = '52:54:00:99:00:02';
const STRANGER = '52:54:00:99:00:03';

/** LEASED holds .100, OFFERED was promised .101. */
function book(): LeaseBook {
  const leases = new LeaseBook();
  leases.put({ address: ip('10.7.0.100'), networkId: 1, mac: LEASED, clientKey: null, state: 'active', expiresAtMs: 1000 });
  leases.holdOffer({ address: ip('10.7.0.101'), networkId: 1, mac: OFFERED, clientKey: null, expiresAtMs: 1000 });
  return leases;
}

function decided(words: RequestWords, mode = 'authoritative'): Decision {
  const mac = words.mac ?? STRANGER;
  return decide(situationOf(request({ ...words, mac }), knowledgeOf([testNetwork(mode)], { book: book() })));
}

function brief(decision: Decision): string {
  const address = 'address' in decision ? ` ${formatIpv4(decision.address)}` : '';
  const reason = 'reason' in decision ? `: ${decision.reason}` : '';
  return decision.kind + address + reason;
}

const OURS = '@10.7.0.2';
const OTHERS = '@10.7.0.3';

describe('decide', () => {
  it.each<[string, RequestWords, string]>([
    ['DISCOVER of a reserved machine', { type: 1, mac: RESERVED }, 'offer 10.7.0.7'],
    ['DISCOVER of a leased machine', { type: 1, mac: LEASED }, 'offer 10.7.0.100'],
    ['DISCOVER with a wish', { type: 1, options: { 50: '@10.7.0.103' } }, 'offer 10.7.0.103'],
    ['selecting our offer', { type: 3, mac: OFFERED, options: { 54: OURS, 50: '@10.7.0.101' } }, 'acknowledge 10.7.0.101'],
    ['selecting another server', { type: 3, mac: OFFERED, options: { 54: OTHERS, 50: '@10.7.0.101' } }, 'ignore: other-server'],
    [
      'netboot rule 6: selecting an offer that is no longer right',
      { type: 3, mac: RESERVED, options: { 54: OURS, 50: '@10.7.0.101' } },
      'refuse: address is not assigned to this client',
    ],
    ['selecting an address that is held', { type: 3, options: { 54: OURS, 50: '@10.7.0.100' } }, 'refuse: address is not assigned to this client'],
    ['init-reboot with its own lease', { type: 3, mac: LEASED, options: { 50: '@10.7.0.100' } }, 'acknowledge 10.7.0.100'],
    ['init-reboot with another address', { type: 3, mac: LEASED, options: { 50: '@10.7.0.102' } }, 'refuse: address is not assigned to this client'],
    ['init-reboot from another network', { type: 3, mac: LEASED, options: { 50: '@192.168.1.5' } }, 'refuse: address is not on this network'],
    ['init-reboot of a stranger', { type: 3, options: { 50: '@10.7.0.102' } }, 'refuse: no lease known'],
    ['renewing', { type: 3, mac: LEASED, ciaddr: '10.7.0.100' }, 'acknowledge 10.7.0.100'],
    ['renewing with option 54, as some clients do', { type: 3, mac: LEASED, ciaddr: '10.7.0.100', options: { 54: OURS } }, 'acknowledge 10.7.0.100'],
    ['rebinding through a relay', { type: 3, mac: LEASED, ciaddr: '10.7.0.100', giaddr: '10.7.0.1' }, 'acknowledge 10.7.0.100'],
    ['renewing what is now reserved otherwise', { type: 3, mac: RESERVED, ciaddr: '10.7.0.103' }, 'refuse: address is not assigned to this client'],
    ['a REQUEST for nothing', { type: 3 }, 'ignore: no-address'],
    ['RELEASE of the own lease', { type: 7, mac: LEASED, ciaddr: '10.7.0.100' }, 'release 10.7.0.100'],
    ["attack 10: RELEASE of another machine's lease", { type: 7, ciaddr: '10.7.0.100' }, 'ignore: not-our-client'],
    ['RELEASE to another server', { type: 7, mac: LEASED, ciaddr: '10.7.0.100', options: { 54: OTHERS } }, 'ignore: other-server'],
    ['DECLINE of the own offer', { type: 4, mac: OFFERED, options: { 50: '@10.7.0.101', 54: OURS } }, 'decline 10.7.0.101'],
    ["attack 10: DECLINE of another machine's address", { type: 4, options: { 50: '@10.7.0.100', 54: OURS } }, 'ignore: not-our-client'],
    ['INFORM', { type: 8, ciaddr: '10.7.0.50' }, 'inform 10.7.0.50'],
    ['INFORM without an address', { type: 8 }, 'ignore: no-address'],
    ['netboot rule 8: BOOTP of a reserved machine', { mac: RESERVED }, 'bootp 10.7.0.7'],
    ['BOOTP of a stranger', {}, 'ignore: no-reservation'],
    ["a server's message", { type: 2 }, 'ignore: unknown-message-type'],
    ['a message type nobody assigned', { type: 99 }, 'ignore: unknown-message-type'],
    ['a malformed message type', { options: { 53: Buffer.from([1, 1]) } }, 'ignore: malformed-option'],
    ['a malformed requested address', { type: 1, options: { 50: Buffer.from([1]) } }, 'ignore: malformed-option'],
  ])('answers %s', (_, words, expected) => {
    expect(brief(decided(words))).toBe(expected);
  });

  it.each([
    ['selecting', { type: 3, mac: OFFERED, options: { 54: OURS, 50: '@10.7.0.101' } }],
    ['init-reboot', { type: 3, mac: LEASED, options: { 50: '@10.7.0.100' } }],
    ['renewing', { type: 3, mac: LEASED, ciaddr: '10.7.0.100' }],
    ['rebinding', { type: 3, mac: LEASED, ciaddr: '10.7.0.100', giaddr: '10.7.0.1' }],
  ])('tells the state %s (RFC 2131 table 4)', (state, words) => {
    expect(decided(words)).toMatchObject({ state });
  });

  it('is silent to strangers in mode reservations: another server may answer them', () => {
    const silent = [
      decided({ type: 1 }, 'reservations'),
      decided({ type: 3, options: { 50: '@10.7.0.102' } }, 'reservations'),
      decided({ type: 3, options: { 50: '@192.168.1.5' } }, 'reservations'),
    ];
    expect(silent.map((decision) => decision.kind)).toEqual(['ignore', 'ignore', 'ignore']);
    expect(brief(decided({ type: 1, mac: RESERVED }, 'reservations'))).toBe('offer 10.7.0.7');
  });

  it.each<[string, RequestWords, string]>([
    ['an address of another network', { type: 3, mac: RESERVED, options: { 50: '@192.168.1.5' } }, 'refuse: address is not on this network'],
    ['another address', { type: 3, mac: RESERVED, options: { 50: '@10.7.0.102' } }, 'refuse: address is not assigned to this client'],
    ['parameters alone', { type: 8, mac: RESERVED, ciaddr: '10.7.0.50' }, 'inform 10.7.0.50'],
    ['parameters alone, as a stranger', { type: 8, ciaddr: '10.7.0.50' }, 'ignore: no-reservation'],
  ])('answers a reserved machine in mode reservations that asks for %s', (_, words, expected) => {
    expect(brief(decided(words, 'reservations'))).toBe(expected);
  });

  it.each(['off', 'proxy'])('gives no address in mode %s', (mode) => {
    expect(decided({ type: 1, mac: RESERVED }, mode).kind).toBe('ignore');
  });

  it('marks the DECLINE of a reserved address, which does not take it away', () => {
    expect(decided({ type: 4, mac: RESERVED, options: { 50: '@10.7.0.7' } })).toMatchObject({ kind: 'decline', isReserved: true });
  });

  it('netboot rule 5: gives four client identifiers of one machine one address', () => {
    const ids = ['\x01\x52\x54\x00\x99\x00\x01', '\x00uuid-of-firmware', '\xffduid-of-the-os', ''];
    const answers = ids.map((id) => brief(decided({ type: 1, mac: LEASED, options: { 61: Buffer.from(id, 'latin1') } })));
    expect(new Set(answers)).toEqual(new Set(['offer 10.7.0.100']));
  });
});
