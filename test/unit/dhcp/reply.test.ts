import { describe, it, expect } from '@jest/globals';
import { chooseBootfile, DEFAULT_LOADERS } from '../../../src/dhcp/bootfile.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { buildReply, replyLimitBytes, type ReplyContent } from '../../../src/dhcp/reply.js';
import { bytesOf, fixture, ip, request } from '../../support/dhcp-request.js';
import { testNetwork } from './network-fixture.js';

const CONTENT: ReplyContent = {
  type: 2,
  serverId: ip('10.7.0.2'),
  address: ip('10.7.0.9'),
  leaseSeconds: 3600,
  network: testNetwork(),
  nameServers: [ip('10.7.0.2')],
  hostName: 'n9.rack.example',
  boot: undefined,
  extraOptions: new Map(),
  message: undefined,
};

function asked(name: string): DhcpPacket {
  const packet = parsePacket(fixture(name));
  if (!packet.ok) throw new Error(packet.error);
  return packet.value;
}

function replyTo(packet: DhcpPacket, content: Partial<ReplyContent> = {}): DhcpPacket {
  return buildReply(packet, describeClient(packet), { ...CONTENT, ...content });
}

function bootOf(packet: DhcpPacket) {
  const settings = { bootHost: ip('10.7.0.2'), bootHttpPort: 8080, loaders: DEFAULT_LOADERS, isProxy: false };
  const boot = chooseBootfile(describeClient(packet), { bootenv: 'discovery', bootLocal: false }, true, settings);
  return typeof boot === 'string' ? undefined : boot;
}

describe('buildReply', () => {
  it('netboot rule 4: fills siaddr, sname and file as well as 66 and 67 for OVMF, and echoes 97', () => {
    const packet = asked('ovmf-pxe-discover');
    const reply = replyTo(packet, { boot: bootOf(packet) });
    expect(reply.nextServerIpAddress).toBe(ip('10.7.0.2'));
    expect(reply.serverName.toString()).toBe('10.7.0.2\0');
    expect(reply.bootFile.toString()).toBe('snponly.efi\0');
    expect(reply.options.get(66)?.toString()).toBe('10.7.0.2');
    expect(reply.options.get(67)?.toString()).toBe('snponly.efi');
    expect(reply.options.get(60)?.toString()).toBe('PXEClient');
    expect(reply.options.get(43)).toEqual(Buffer.from('060108ff', 'hex'));
    expect(reply.options.get(97)).toEqual(packet.options.get(97));
    expect(reply.flags).toBe(0x8000);
    expect(reply.transactionId).toBe(packet.transactionId);
  });

  it('sends iPXE the bytes af 03 b0 01 01: no wait for proxy offers', () => {
    const packet = asked('ipxe-rom-discover');
    const bytes = bytesOf(replyTo(packet, { boot: bootOf(packet) }));
    expect(bytes.includes(Buffer.from('af03b00101', 'hex'))).toBe(true);
  });

  it('gives lease times, mask, router, DNS, broadcast, name and domain', () => {
    const options = replyTo(asked('udhcpc-discover')).options;
    const numbers = [51, 58, 59, 1, 3, 6, 28].map((code) => options.get(code)?.readUInt32BE(0));
    expect(numbers).toEqual([3600, 1800, 3150, ip('255.255.255.0'), ip('10.7.0.1'), ip('10.7.0.2'), ip('10.7.0.255')]);
    expect([options.get(12)?.toString(), options.get(15)?.toString()]).toEqual(['n9', 'rack.example']);
  });

  it("lets a node's own options win", () => {
    const options = replyTo(asked('udhcpc-discover'), { extraOptions: new Map([[6, Buffer.from([9, 9, 9, 9])]]) }).options;
    expect(options.get(6)).toEqual(Buffer.from([9, 9, 9, 9]));
  });

  it('returns the subnet that was selected, behind a relay alone (RFC 3011)', () => {
    const selecting = (giaddr: string) => request({ type: 1, giaddr, options: { 118: '@10.7.0.0' } });
    const echoed = (packet: DhcpPacket) => replyTo(packet).options.get(118);
    expect([echoed(selecting('10.7.0.1')), echoed(selecting('0.0.0.0'))]).toEqual([Buffer.from([10, 7, 0, 0]), undefined]);
  });

  it('echoes options 61 (RFC 6842) and 82 (RFC 3046) in every answer, a NAK too', () => {
    const packet = request({ type: 3, giaddr: '10.7.0.1', options: { 61: 'id', 82: Buffer.from([1, 1, 65]) } });
    for (const type of [2, 5, 6] as const) {
      const reply = replyTo(packet, { type });
      expect([reply.options.get(61), reply.options.get(82)]).toEqual([packet.options.get(61), packet.options.get(82)]);
    }
  });

  it('says nothing in a NAK but why, and has the relay broadcast it', () => {
    const packet = request({ type: 3, giaddr: '10.7.0.1', ciaddr: '10.7.0.9' });
    const nak = replyTo(packet, { type: 6, message: 'no lease known', boot: bootOf(asked('ovmf-pxe-discover')) });
    expect([...nak.options.keys()]).toEqual([53, 54, 56]);
    expect([nak.yourIpAddress, nak.clientIpAddress, nak.nextServerIpAddress, nak.flags]).toEqual([0, 0, 0, 0x8000]);
  });

  it('puts a long URL into option 67 alone', () => {
    const packet = asked('ipxe-rom-discover');
    const boot = bootOf(packet);
    if (boot === undefined) throw new Error('no boot answer');
    const bootFile = `http://10.7.0.2/${'x'.repeat(200)}`;
    const reply = replyTo(packet, { boot: { ...boot, bootFile } });
    expect([reply.bootFile.length, reply.options.get(67)?.toString()]).toEqual([0, bootFile]);
  });
});

describe('replyLimitBytes', () => {
  it.each([
    [undefined, 548],
    [576, 548],
    [300, 548],
    [1260, 1232],
    [1472, 1444],
    [65_535, 1472],
  ])('respects option 57 = %p', (said, limit) => {
    const value = Buffer.alloc(2);
    value.writeUInt16BE(said ?? 0);
    expect(replyLimitBytes(request({ type: 1, options: said === undefined ? {} : { 57: value } }))).toBe(limit);
  });
});
