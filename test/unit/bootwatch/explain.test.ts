import { describe, expect, it } from '@jest/globals';
import { explainCapture, type Captured } from '../../../src/bootwatch/explain.js';
import { complaintsAbout, offsetOfOption } from '../../../src/bootwatch/demands.js';
import { DEFAULT_LOADERS } from '../../../src/dhcp/bootfile.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { LeaseBook } from '../../../src/dhcp/lease-book.js';
import { buildNetworks } from '../../../src/dhcp/network-rows.js';
import { UnknownQuota } from '../../../src/dhcp/quota.js';
import type { Knowledge } from '../../../src/dhcp/situation.js';
import type { DhcpPacket } from '../../../src/dhcp/packet.js';
import { bytesOf, ip, request } from '../../support/dhcp-request.js';

const ROW = {
  id: 1,
  name: 'rack',
  subnet: '10.0.0.0/24',
  router: '10.0.0.1',
  dns: ['10.0.0.2'],
  domain: null,
  dhcp_mode: 'authoritative',
  lease_seconds: 3600,
};
const { networks } = buildNetworks([ROW], [{ network_id: 1, name: 'dhcp', first_address: '10.0.0.100', last_address: '10.0.0.199' }], []);
const KNOWLEDGE: Knowledge = {
  networks,
  entryOf: () => undefined,
  book: new LeaseBook(),
  quota: new UnknownQuota(),
  serverIds: [ip('10.0.0.5')],
  minSecs: 0,
  nowMs: 0,
};
const SERVER = { bootHost: ip('10.0.0.5'), bootHttpPort: 8191, loaders: DEFAULT_LOADERS, servesDns: false };

const PXE = { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: Buffer.from([0, 7]) };
const question = (type: number, options: Record<number, string | Buffer> = {}) => request({ type, xid: 7, options: { ...PXE, ...options } });
const answer = (type: number, options: Record<number, string | Buffer>, more: Partial<DhcpPacket> = {}): DhcpPacket => ({
  ...request({ type, xid: 7, op: 2, options }),
  yourIpAddress: ip('10.0.0.100'),
  nextServerIpAddress: ip('10.0.0.5'),
  ...more,
});
const GOOD = { 54: '@10.0.0.5', 51: Buffer.from([0, 0, 14, 16]), 60: 'PXEClient', 43: Buffer.from([6, 1, 8, 255]), 67: 'snponly.efi' };
const padded = (packet: DhcpPacket) => Buffer.concat([bytesOf(packet), Buffer.alloc(300)], Math.max(300, bytesOf(packet).length));
const sent = (bytes: Buffer, fromServer = false): Captured => ({
  atMs: 0,
  source: fromServer ? ip('10.0.0.9') : 0,
  sourcePort: fromServer ? 67 : 68,
  destination: 0xffffffff,
  destinationPort: fromServer ? 68 : 67,
  bytes,
});
const explain = (...packets: Captured[]) => explainCapture(packets, KNOWLEDGE, SERVER);

describe('netboot rule 23: a capture explained', () => {
  it('says what we would answer to each request, rule by rule', () => {
    const { packets } = explain(sent(bytesOf(question(1))));
    expect(packets[0]?.ours).toMatchObject({ network: 'rack', reply: { words: { type: 'OFFER', siaddr: '10.0.0.5' } } });
    expect(packets[0]?.ours?.decision).toMatch(/^offer 10\.0\.0\.1\d\d/);
    expect(packets[0]?.ours?.rules.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(['asker', 'network', 'mode', 'decision', 'boot-file', 'destination']),
    );
  });

  it('finds nothing wrong with a good exchange', () => {
    const { packets, verdicts } = explain(
      sent(bytesOf(question(1))),
      sent(padded(answer(2, GOOD)), true),
      sent(bytesOf(question(3, { 54: '@10.0.0.5' }))),
      sent(padded(answer(5, GOOD)), true),
    );
    expect(packets.flatMap((packet) => packet.complaints)).toEqual([]);
    expect(verdicts).toEqual([
      { mac: '52:54:00:77:00:01', text: 'it has its lease (packet 4), and nothing is wrong with the answer', packet: 4, offset: null },
    ]);
  });

  it('names the byte that made the client give up: the vendor class', () => {
    const offer = padded(answer(2, { ...GOOD, 60: 'MSFT 5.0' }));
    const { verdicts } = explain(sent(bytesOf(question(1))), sent(offer, true));
    const { offset } = offsetOfOption(offer, 60);
    expect(offer[offset]).toBe(60);
    expect(verdicts[0]).toMatchObject({ packet: 2, offset });
    expect(verdicts[0]?.text).toContain(`gave up on the offer in packet 2, at byte ${offset}: vendor class (60) is "MSFT 5.0"`);
  });

  it.each<[string, Partial<Record<number, string | Buffer | undefined>>, Partial<DhcpPacket>, number | undefined, RegExp]>([
    ['no option 43', { 43: undefined }, {}, undefined, /PXE-E16/],
    ['no boot file', { 67: undefined }, {}, 108, /PXE-E53/],
    ['no boot server', {}, { nextServerIpAddress: 0 }, 20, /siaddr/],
    ['a loader for BIOS', { 67: 'undionly.kpxe' }, {}, undefined, /not for uefi-x64/],
    ['no server identifier', { 54: undefined }, {}, undefined, /server identifier/],
    ['another relay', {}, { relayIpAddress: ip('10.0.0.1') }, 24, /giaddr/],
    ['another xid', {}, { transactionId: 8 }, 4, /xid/],
  ])('complains of %s', (_what, change, fields, offset, text) => {
    const asked = question(1);
    const options = Object.fromEntries(Object.entries({ ...GOOD, ...change }).filter(([, value]) => value !== undefined)) as Record<number, string | Buffer>;
    const found = complaintsAbout(padded(answer(2, options, fields)), describeClient(asked), asked);
    expect(found).toHaveLength(1);
    expect(found[0]?.what).toMatch(text);
    if (offset !== undefined) expect(found[0]?.offset).toBe(offset);
  });

  it('says where bytes stop being a message, whatever they are', () => {
    const whole = bytesOf(question(1));
    for (let length = 0; length < whole.length; length += 1) {
      const { packets } = explain(sent(whole.subarray(0, length)));
      if (packets[0]?.error !== null) expect(packets[0]?.complaints[0]?.offset).toBeLessThanOrEqual(length);
    }
    expect(explain(sent(Buffer.alloc(400, 0xff)), sent(Buffer.alloc(0))).packets.map((packet) => packet.error)).toEqual(['bad-hardware-length', 'too-short']);
  });

  it('attack 7: text of a client comes out printable', () => {
    const { packets } = explain(sent(bytesOf(question(1, { 12: Buffer.from('\u001b[31m</script>\n', 'latin1') }))));
    expect(JSON.stringify(packets)).not.toMatch(/\\u001b|\\n/);
  });
});
