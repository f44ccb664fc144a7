import { describe, it, expect } from '@jest/globals';
import { chooseDestination, LIMITED_BROADCAST } from '../../../src/dhcp/destination.js';
import { readRelay } from '../../../src/dhcp/relay.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';

const SOURCE_PORT_ASKED = { 82: Buffer.from([19, 0, 1, 2, 65, 66]) };

function destination(words: RequestWords, type: 2 | 5 | 6, localPort = 67) {
  const packet = request(words);
  return chooseDestination(packet, readRelay(packet), type, { sourcePort: 40_123, localPort });
}

describe('chooseDestination (RFC 2131 section 4.1)', () => {
  it.each<[string, RequestWords, 2 | 5 | 6, { address: number; port: number }]>([
    ['to the relay on port 67', { giaddr: '10.7.0.1' }, 2, { address: ip('10.7.0.1'), port: 67 }],
    ['to the relay for a client with an address too', { giaddr: '10.7.0.1', ciaddr: '10.7.0.9' }, 5, { address: ip('10.7.0.1'), port: 67 }],
    [
      'rule 10: to the relay source port when sub-option 19 asks',
      { giaddr: '10.7.0.1', options: SOURCE_PORT_ASKED },
      2,
      { address: ip('10.7.0.1'), port: 40_123 },
    ],
    ['to a client that has an address', { ciaddr: '10.7.0.9' }, 5, { address: ip('10.7.0.9'), port: 68 }],
    ['by broadcast to a client without one, flag or not', {}, 2, { address: LIMITED_BROADCAST, port: 68 }],
    ['by broadcast with the flag', { flags: 0x8000 }, 5, { address: LIMITED_BROADCAST, port: 68 }],
    ['by broadcast for a NAK, whatever ciaddr says', { ciaddr: '10.7.0.9' }, 6, { address: LIMITED_BROADCAST, port: 68 }],
  ])('sends %s', (_, words, type, expected) => {
    expect(destination(words, type)).toEqual(expected);
  });

  it('ignores sub-option 19 without a relay, and answers the source port off port 67', () => {
    expect(destination({ options: SOURCE_PORT_ASKED }, 2)).toEqual({ address: LIMITED_BROADCAST, port: 68 });
    expect(destination({ ciaddr: '127.0.0.9' }, 5, 6767)).toEqual({ address: ip('127.0.0.9'), port: 40_123 });
  });
});

describe('readRelay', () => {
  it('reads link selection, server override and the older subnet selection', () => {
    const relay = readRelay(request({ options: { 82: Buffer.from([5, 4, 10, 8, 0, 0, 11, 4, 10, 8, 0, 1]) } }));
    expect(relay).toMatchObject({ linkSelection: ip('10.8.0.0'), serverIdentifierOverride: ip('10.8.0.1'), wantsSourcePort: false });
    expect(readRelay(request({ options: { 118: '@10.9.0.0' } })).linkSelection).toBe(ip('10.9.0.0'));
  });

  it('asks for nothing when option 82 is malformed, and keeps it to echo', () => {
    const information = Buffer.from([5, 200, 1]);
    expect(readRelay(request({ options: { 82: information } }))).toEqual({
      information,
      linkSelection: undefined,
      serverIdentifierOverride: undefined,
      wantsSourcePort: false,
    });
  });
});
