import { describe, it, expect } from '@jest/globals';
import { arpProbe, parseFrame, replyFrame, requestFrame, routerAdvertisement } from '../../../src/dhcp/frames.js';
import { ip } from '../../support/dhcp-request.js';

const OURS = Buffer.from('525400c90101', 'hex');
const CLIENT = Buffer.from('525400c90105', 'hex');

/** The one's complement sum of what a checksum covers, itself included, is all ones. RFC 1071. */
function isSumRight(...parts: Buffer[]): boolean {
  let total = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 2) total += (part[at] << 8) | (part[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total === 0xffff;
}

describe('frames of the packet descriptor', () => {
  it('netboot rule 1: a reply goes to the client by its MAC and its future address, with right checksums', () => {
    const message = Buffer.from('an odd number of bytes!');
    const frame = replyFrame({ mac: OURS, address: ip('10.0.0.1') }, { mac: CLIENT, address: ip('10.0.0.9') }, message);
    expect(frame.subarray(0, 14).toString('hex')).toBe('525400c90105525400c901010800');
    expect(isSumRight(frame.subarray(14, 34))).toBe(true);
    const pseudo = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 17, 0, 8 + message.length])]);
    expect(isSumRight(pseudo, frame.subarray(34))).toBe(true);
    expect(parseFrame(frame)).toEqual({ kind: 'dhcp', sourceMac: OURS, sourceAddress: ip('10.0.0.1'), message });
  });

  it('does not read a request of a client, a fragment, or what is cut anywhere', () => {
    const frame = replyFrame({ mac: OURS, address: 1 }, { mac: CLIENT, address: 2 }, Buffer.alloc(300));
    expect(parseFrame(requestFrame(CLIENT, Buffer.alloc(300)))).toBeUndefined();
    const fragment = Buffer.from(frame);
    fragment.writeUInt16BE(0x2000, 20);
    expect(parseFrame(fragment)).toBeUndefined();
    for (let length = 0; length < frame.length; length += 1) expect(() => parseFrame(frame.subarray(0, length))).not.toThrow();
    for (let length = 0; length < 42; length += 1) expect(parseFrame(arpProbe(OURS, 5).subarray(0, length))).toBeUndefined();
  });

  it('probes an address without telling one of its own', () => {
    const frame = arpProbe(OURS, ip('10.0.0.9'));
    expect(frame.toString('hex')).toBe('ffffffffffff525400c901010806' + '0001080006040001' + '525400c9010100000000' + '0000000000000a000009');
    expect(parseFrame(frame)).toEqual({ kind: 'arp', senderMac: OURS, senderAddress: 0, targetAddress: ip('10.0.0.9') });
  });

  it('netboot rule 9: the router advertised has lifetime 0, no prefix, neither M nor O, and a right checksum', () => {
    const frame = routerAdvertisement(OURS);
    const icmp = frame.subarray(54);
    expect(frame.subarray(0, 14).toString('hex')).toBe('333300000001525400c9010186dd');
    expect(frame.subarray(22, 38).toString('hex')).toBe('fe80000000000000505400fffec90101');
    expect([icmp[0], icmp[5], icmp.readUInt16BE(6)]).toEqual([134, 0, 0]);
    expect(icmp.subarray(16).toString('hex')).toBe('0101525400c90101');
    expect(isSumRight(frame.subarray(22, 54), Buffer.from([0, 0, 0, icmp.length, 0, 0, 0, 58]), icmp)).toBe(true);
  });
});
