import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import { composeAnswer, type Statement } from '../../../src/dhcp/answer.js';
import { encodePacket } from '../../../src/dhcp/encode.js';
import type { Network } from '../../../src/dhcp/network.js';
import { parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { ReplyTemplates, type Reply } from '../../../src/dhcp/reply-templates.js';
import type { Situation } from '../../../src/dhcp/situation.js';
import { ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { entry, knowledgeOf, SETTINGS, situationOf } from '../../support/dhcp-situation.js';
import { networkWith, testNetwork } from './network-fixture.js';

const UEFI = { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: Buffer.from([0, 7]), 55: Buffer.from([1, 3, 43, 60, 66, 67, 150]) };
const IPXE = { ...UEFI, 77: 'iPXE', 175: Buffer.from([1, 2, 3]) };
const BIOS = { 60: 'PXEClient:Arch:00000:UNDI:002001', 93: Buffer.from([0, 0]) };
const HTTP = { 60: 'HTTPClient:Arch:00016:UNDI:003001', 93: Buffer.from([0, 16]), 57: Buffer.from([2, 64]) };
const SYSTEM = { 55: Buffer.from([1, 3, 6]) };

/** As a datagram brings it: only then is there a program to key a template by. */
function received(words: RequestWords): DhcpPacket {
  const encoded = encodePacket(request(words), 1472);
  const parsed = encoded.ok ? parsePacket(encoded.value.bytes) : encoded;
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function built(situation: Situation, statement: Statement, mayBoot: boolean): Reply {
  const answer = composeAnswer(situation, statement, SETTINGS, mayBoot);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value;
}

const offer = (address: number): Statement => ({ type: 2, address, leaseSeconds: 3600, isBootOnly: false });

describe('ReplyTemplates', () => {
  const mac = fc.constantFrom('52:54:00:77:00:07', '52:54:00:77:00:08', '52:54:00:77:00:09', '52:54:00:78:00:01', 'b8:27:eb:00:00:01');
  const program = fc.constantFrom<Record<number, Buffer | string>[]>(UEFI, IPXE, BIOS, HTTP, SYSTEM);
  const machine = fc.record({
    mac,
    uuid: fc.constantFrom(undefined, ...[1, 2, 3, 4, 5].map((byte) => Buffer.alloc(17, byte)), Buffer.from('\0RPi4567890123456'), Buffer.alloc(3)),
    clientId: fc.constantFrom(undefined, [1], [1, 0x52, 0x54, 0, 0x77, 0, 7], Array<number>(19).fill(255), Array<number>(255).fill(7)),
    /** A circuit id, and sometimes the address that the client must see as the server's. RFC 5107. */
    relayed: fc.option(
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constantFrom([], [11, 4, 10, 7, 0, 3]))
        .map(([id, override]) => [1, id.length, ...id, ...override]),
      { nil: undefined },
    ),
    name: fc.constantFrom('', 'n1', 'n1.rack.example', 'a-longer-name.of.another.rack.example', 'größe.example', 'x'.repeat(300), undefined),
    ownOptions: fc.constantFrom(false, false, false, true),
    isLocal: fc.boolean(),
    mayBoot: fc.constantFrom(true, true, true, false),
    xid: fc.nat(),
    flags: fc.constantFrom(0, 0x8000),
    ciaddr: fc.constantFrom(undefined, '10.7.0.100'),
    type: fc.constantFrom<(2 | 5)[]>(2, 5),
    leaseSeconds: fc.integer({ min: 1, max: 0xffffffff }),
  });
  const networks: Network[] = [
    testNetwork(),
    networkWith({ domain: null, router: null }),
    networkWith({ options: { 'ntp-servers': '10.0.0.1', 'root-path': '/net' }, vendor_options: { PXEClient: { 'bootfile-name': 'own.efi' } } }),
    networkWith({ options: { 'domain-name': 'other.example', routers: '10.7.0.3' } }),
    networkWith({ options: { 'root-path': `/${'long'.repeat(60)}`, 224: '00'.repeat(200) } }),
  ];

  it('gives every machine of a run the very bytes that are built for it alone', () => {
    let filledIn = 0;
    fc.assert(
      fc.property(fc.constantFrom(...networks), program, fc.array(machine, { minLength: 8, maxLength: 20 }), (network, words, machines) => {
        const templates = new ReplyTemplates(SETTINGS);
        for (const { uuid, clientId, relayed, name, ownOptions, isLocal, mayBoot, type, leaseSeconds, ciaddr, ...fields } of machines) {
          const options = {
            ...words,
            ...(uuid === undefined ? {} : { 97: uuid }),
            ...(clientId === undefined ? {} : { 61: Buffer.from(clientId) }),
            ...(relayed === undefined ? {} : { 82: Buffer.from(relayed) }),
          };
          const packet = { ...received({ type: type === 2 ? 1 : 3, mac: fields.mac, options }), transactionId: fields.xid, flags: fields.flags };
          if (ciaddr !== undefined) packet.clientIpAddress = ip(ciaddr);
          if (relayed !== undefined) packet.relayIpAddress = ip('10.7.0.1');
          const own = new Map(ownOptions ? [[17, Buffer.from('/node')]] : []);
          const entries = name === undefined ? [] : [entry(fields.mac, { hostName: name, bootLocal: isLocal, options: own })];
          const situation = situationOf(packet, knowledgeOf([network], { entries }));
          const statement: Statement = { type, address: ip('10.7.0.9'), leaseSeconds, isBootOnly: false };
          const reply = templates.reply(situation, statement, mayBoot);
          if (!reply.ok) throw new Error(reply.error);
          filledIn += 'packet' in reply.value ? 0 : 1;
          const alone = built(situation, statement, mayBoot);
          expect(reply.value.bytes.toString('hex')).toBe(alone.bytes.toString('hex'));
          expect([reply.value.leftOut, reply.value.boot, reply.value.customCodes, reply.value.destination]).toEqual([
            alone.leftOut,
            alone.boot,
            alone.customCodes,
            alone.destination,
          ]);
        }
      }),
      { numRuns: 40 },
    );
    expect(filledIn).toBeGreaterThan(20);
  });

  it('tells a machine without option 97 from one whose option 97 is empty', () => {
    const templates = new ReplyTemplates(SETTINGS);
    for (const options of [UEFI, { ...UEFI, 97: Buffer.alloc(0) }, UEFI]) {
      const situation = situationOf(received({ type: 1, options }), knowledgeOf([testNetwork()]));
      const reply = templates.reply({ ...situation, network: networks[0] ?? situation.network }, offer(ip('10.7.0.9')), true);
      expect(reply.ok && reply.value.bytes.toString('hex')).toBe(built(situation, offer(ip('10.7.0.9')), true).bytes.toString('hex'));
    }
  });

  it('builds one reply for a rack and fills in the others, in both stages', () => {
    const templates = new ReplyTemplates(SETTINGS);
    for (const [index, options] of [UEFI, IPXE].entries()) {
      const replies = [1, 2, 3].map((n) => {
        const name = `52:54:00:77:01:0${n}`;
        const knowledge = knowledgeOf([networks[0] ?? testNetwork()], { entries: [entry(name, { hostName: `node-${10 ** n}.rack.example` })] });
        const reply = templates.reply(situationOf(received({ type: 1, mac: name, options }), knowledge), offer(ip(`10.7.0.${n}`)), true);
        if (!reply.ok) throw new Error(reply.error);
        return reply.value;
      });
      expect(replies.map((reply) => 'packet' in reply)).toEqual([true, false, false]);
      const file = parsePacket(replies[2]?.bytes ?? Buffer.alloc(0));
      expect(file.ok && file.value.options.get(67)?.toString()).toBe(['snponly.efi', 'http://10.7.0.2:8080/boot/ipxe/52-54-00-77-01-03'][index]);
    }
  });

  it('returns the subnet that a relay selected to that relay alone', () => {
    const templates = new ReplyTemplates(SETTINGS);
    const network = networks[0] ?? testNetwork();
    for (const selected of [undefined, undefined, [10, 7, 0, 0], undefined, [10, 7, 0, 9]]) {
      const options = { ...UEFI, 82: Buffer.from([1, 1, 7]), ...(selected === undefined ? {} : { 118: Buffer.from(selected) }) };
      const packet = { ...received({ type: 1, mac: '52:54:00:77:01:01', options }), relayIpAddress: ip('10.7.0.1') };
      const situation = situationOf(packet, knowledgeOf([network]));
      const reply = templates.reply(situation, offer(ip('10.7.0.9')), true);
      if (!reply.ok) throw new Error(reply.error);
      expect(reply.value.bytes.toString('hex')).toBe(built(situation, offer(ip('10.7.0.9')), true).bytes.toString('hex'));
    }
  });
});
