import { describe, it, expect } from '@jest/globals';
import { chooseDestination, LIMITED_BROADCAST } from '../../../src/dhcp/destination.js';
import { readRelay } from '../../../src/dhcp/relay.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';

const SOURCE_PORT_ASKED = { 82: Buffer.from([19, 0, 1, 2, 65, 66]) };

function destination(words: RequestWords, type: 2 | 5 | 6, localPort = 67) {
  const packet = request(words);
  const arrival = { localAddress: ip('10.7.0.2'), localPort, isBootServer: false, sourceAddress: ip('10.7.0.50'), sourcePort: 40_123 };
  return chooseDestination(packet, readRelay(packet), { type, address: type === 6 ? 0 : ip('10.7.0.9') }, arrival);
}

describe('chooseDestination (RFC 2131 section 4.1)', () => {
  it.each<[string, RequestWords, 2 | 5 | 6, { address: number; port: number }]>([
    ['to the relay on port 67', { giaddr: '10.7.0.1' }, 2, { address: ip('10.7.0.1'), port: 67 }],
    ['to the relay for a client with an address too', { giaddr: '10.7.0.1', ciaddr: '10.7.0.9' }, 5, { address: ip('10.7.0.1'), port: 67 }],
    [
      'netboot rule 10: to the relay source port when sub-option 19 asks',
      { giaddr: '10.7.0.1', options: SOURCE_PORT_ASKED },
      2,
      { address: ip('10.7.0.1'), port: 40_123 },
    ],
    ['to a client that has an address', { ciaddr: '10.7.0.9' }, 5, { address: ip('10.7.0.9'), port: 68 }],
    ['by broadcast with the flag', { flags: 0x8000 }, 5, { address: LIMITED_BROADCAST, port: 68 }],
    ['by broadcast for a NAK, whatever ciaddr says', { ciaddr: '10.7.0.9' }, 6, { address: LIMITED_BROADCAST, port: 68 }],
  ])('sends %s', (_, words, type, expected) => {
    expect(destination(words, type)).toEqual(expected);
  });

  it('netboot rule 1: tells a sender of frames where a client without the flag hears unicast', () => {
    const hardwareAddress = Buffer.from('525400770001', 'hex');
    expect(destination({}, 2)).toEqual({ address: LIMITED_BROADCAST, port: 68, direct: { address: ip('10.7.0.9'), hardwareAddress } });
    expect(destination({}, 6)).toEqual({ address: LIMITED_BROADCAST, port: 68 });
  });

  it('netboot rule 4: answers on 4011 where it was asked from', () => {
    const packet = request({});
    const arrival = { localAddress: ip('10.7.0.2'), localPort: 4011, isBootServer: true, sourceAddress: ip('10.7.0.50'), sourcePort: 4011 };
    expect(chooseDestination(packet, readRelay(packet), { type: 5, address: 0 }, arrival)).toEqual({ address: ip('10.7.0.50'), port: 4011 });
  });

  it('ignores sub-option 19 without a relay, and answers the source port off port 67', () => {
    expect(destination({ options: SOURCE_PORT_ASKED, flags: 0x8000 }, 2)).toEqual({ address: LIMITED_BROADCAST, port: 68 });
    expect(destination({ ciaddr: '127.0.0.9' }, 5, 6767)).toEqual({ address: ip('127.0.0.9'), port: 40_123 });
  });
});

describe('readRelay', () => {
  it('reads link selection, server override and the older subnet selection', () => {
    const relay = readRelay(request({ giaddr: '10.7.0.1', options: { 82: Buffer.from([5, 4, 10, 8, 0, 0, 11, 4, 10, 8, 0, 1]) } }));
    expect(relay).toMatchObject({ linkSelection: ip('10.8.0.0'), serverIdentifierOverride: ip('10.8.0.1'), wantsSourcePort: false });
    expect(readRelay(request({ options: { 118: '@10.9.0.0' } })).linkSelection).toBe(ip('10.9.0.0'));
  });

  it('asks for nothing when option 82 is malformed, and keeps it to echo', () => {
    const information = Buffer.from([5, 200, 1]);
    expect(readRelay(request({ options: { 82: information } }))).toEqual({
      information,
      circuitId: undefined,
      remoteId: undefined,
      linkSelection: undefined,
      serverIdentifierOverride: undefined,
      wantsSourcePort: false,
    });
  });
});
