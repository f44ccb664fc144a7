import { describe, it, expect } from '@jest/globals';
import { machineIdentity } from '../../../../src/simulator/identity.js';
import type { DhcpMessage } from '../../../../src/simulator/wire/dhcp-packet.js';
import { complaints, isAnswerTo, readLease } from '../../../../src/simulator/wire/dhcp-reply.js';
import { discoverMessage } from '../../../../src/simulator/wire/dhcp-requests.js';

const question = discoverMessage({ identity: machineIdentity(3), stage: 'firmware', transactionId: 99, secs: 0 });

/** An OFFER that firmware boots from, with changes. */
function offer(changes: Partial<DhcpMessage> = {}, options: [number, Buffer | undefined][] = []): DhcpMessage {
  const all = new Map<number, Buffer>([
    [53, Buffer.from([2])],
    [54, Buffer.from([127, 0, 0, 1])],
    [51, Buffer.from([0, 0, 14, 16])],
    [1, Buffer.from([255, 255, 0, 0])],
    [60, Buffer.from('PXEClient')],
    [43, Buffer.from('060108ff', 'hex')],
    [97, question.options.get(97) ?? Buffer.alloc(0)],
    [82, question.options.get(82) ?? Buffer.alloc(0)],
  ]);
  for (const [code, value] of options) {
    if (value === undefined) all.delete(code);
    else all.set(code, value);
  }
  return { ...question, op: 2, hops: 0, yourAddress: '127.77.0.10', nextServer: '127.0.0.1', file: 'snponly.efi', options: all, ...changes };
}

describe('a reply to firmware', () => {
  it('is taken without a complaint when it is right', () => {
    expect(complaints(question, offer(), 'firmware')).toEqual([]);
  });

  it.each([
    ['no option 60', [60, undefined], /option 60/],
    ['another option 60', [60, Buffer.from('HTTPClient')], /option 60/],
    ['no option 43', [43, undefined], /4011/],
    ['option 97 changed', [97, Buffer.alloc(17)], /option 97/],
    ['no option 82', [82, undefined], /option 82/],
    ['no subnet mask', [1, undefined], /subnet mask/],
    ['another client identifier', [61, Buffer.from([1, 2, 3])], /option 61/],
  ] as [string, [number, Buffer | undefined], RegExp][])('is complained of with %s', (_, option, text) => {
    expect(complaints(question, offer({}, [option]), 'firmware')).toEqual([expect.stringMatching(text)]);
  });

  it.each([
    ['no siaddr', { nextServer: '0.0.0.0' }, /siaddr/],
    ['another giaddr', { relayAddress: '127.77.128.9' }, /giaddr/],
    ['hops', { hops: 1 }, /hops/],
  ] as [string, Partial<DhcpMessage>, RegExp][])('is complained of with %s', (_, change, text) => {
    expect(complaints(question, offer(change), 'firmware')).toEqual([expect.stringMatching(text)]);
  });

  it.each([
    ['another transaction', { transactionId: 98 }],
    ['another machine', { mac: '52:54:77:00:00:09' }],
    ['a request', { op: 1 }],
  ] as [string, Partial<DhcpMessage>][])('is not ours when it is of %s', (_, change) => {
    expect(isAnswerTo(question, offer(change))).toBe(false);
  });
});

describe('a lease', () => {
  it('takes server and file from the fields, else from options 66 and 67', () => {
    expect(readLease(offer())).toEqual({
      address: '127.77.0.10',
      dns: [],
      leaseSeconds: 3600,
      renewSeconds: 1800,
      serverId: '127.0.0.1',
      nextServer: '127.0.0.1',
      bootFile: 'snponly.efi',
    });
    const byOptions = offer({ nextServer: '0.0.0.0', file: '' }, [
      [66, Buffer.from('127.0.0.2')],
      [67, Buffer.from('http://127.0.0.1/boot\0')],
      [58, Buffer.from([0, 0, 0, 60])],
    ]);
    expect(readLease(byOptions)).toMatchObject({ nextServer: '127.0.0.2', bootFile: 'http://127.0.0.1/boot', renewSeconds: 60 });
  });

  it.each([
    ['yiaddr', offer({ yourAddress: '0.0.0.0' })],
    ['server identifier', offer({}, [[54, undefined]])],
    ['lease time', offer({}, [[51, undefined]])],
  ])('is refused without %s', (what, reply) => {
    expect(readLease(reply)).toEqual(expect.stringContaining(what));
  });
});
