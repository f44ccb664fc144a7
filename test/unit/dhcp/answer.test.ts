import { describe, it, expect } from '@jest/globals';
import { composeAnswer, type Answer, type ServerSettings, type Statement } from '../../../src/dhcp/answer.js';
import type { Network } from '../../../src/dhcp/network.js';
import { networkWarnings } from '../../../src/dhcp/name-servers.js';
import { parsePacket } from '../../../src/dhcp/packet.js';
import { decide } from '../../../src/dhcp/respond.js';
import type { DhcpEntry } from '../../../src/dhcp/situation.js';
import type { Trace } from '../../../src/dhcp/trace.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { fixture, ip, request, type RequestWords } from '../../support/dhcp-request.js';
import { entry, knowledgeOf, SETTINGS, situationOf } from '../../support/dhcp-situation.js';
import { networkWith, testNetwork } from './network-fixture.js';

const MAC = '52:54:00:77:00:01';
const RESERVED = '52:54:00:77:00:07';
const ACK: Statement = { type: 5, address: ip('10.7.0.100'), leaseSeconds: 3600, isBootOnly: false };
const BIOS = { 60: 'PXEClient:Arch:00000:UNDI:002001', 93: Buffer.from([0, 0]) };
const IPXE = { ...BIOS, 77: 'iPXE' };
const HTTP = { 60: 'HTTPClient:Arch:00016:UNDI:003001', 93: Buffer.from([0, 16]) };

type Site = { network?: Network; entries?: readonly DhcpEntry[]; server?: Partial<ServerSettings>; statement?: Statement };

function answerTo(words: RequestWords, site: Site = {}): Answer {
  const knowledge = knowledgeOf([site.network ?? testNetwork()], { entries: site.entries ?? [] });
  const { statement = ACK } = site;
  const situation = situationOf(request({ ...(statement.type === undefined ? {} : { type: 3 }), ...words }), knowledge);
  const answer = composeAnswer(situation, statement, { ...SETTINGS, ...site.server }, true);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value;
}

function textOf(answer: Answer, code: number): string | undefined {
  return answer.packet.options.get(code)?.toString();
}

describe('custom options', () => {
  const network = networkWith({
    options: { 'ntp-servers': '10.0.0.1', 'root-path': '/net', 'domain-name-servers': '10.0.0.53' },
    vendor_options: { PXEClient: { 'root-path': '/pxe' }, 'PXEClient:Arch:00000': { 'root-path': '/bios' }, udhcp: { 'interface-mtu': 9000 } },
  });
  const nodes = [entry(MAC, { options: new Map([[17, Buffer.from('/node')]]) })];

  it('lets the longer vendor class win over the shorter, the node over both, and all over what the server says', () => {
    expect(textOf(answerTo({}, { network }), 17)).toBe('/net');
    expect(textOf(answerTo({ options: BIOS }, { network }), 17)).toBe('/bios');
    expect(textOf(answerTo({ options: BIOS }, { network, entries: nodes }), 17)).toBe('/node');
    expect(answerTo({}, { network }).packet.options.get(6)).toEqual(Buffer.from([10, 0, 0, 53]));
    expect(answerTo({ options: { 60: 'udhcp 1.35.0' } }, { network }).packet.options.get(26)).toEqual(Buffer.from([0x23, 0x28]));
  });

  it('uses options 66 and 67 of the vendor class in the fields as well, and an address in 66 as siaddr', () => {
    const own = networkWith({ vendor_options: { PXEClient: { 'bootfile-name': 'own.0', 'tftp-server-name': '10.9.9.9' } } });
    const { packet } = answerTo({ options: BIOS }, { network: own });
    expect([packet.bootFile.toString(), packet.serverName.toString(), formatIpv4(packet.nextServerIpAddress)]).toEqual(['own.0\0', '10.9.9.9\0', '10.9.9.9']);
    expect([packet.options.get(60)?.toString(), packet.options.get(43)?.toString('hex')]).toEqual(['PXEClient', '060108ff']);
  });

  it('never lets a boot file or a vendor option of the operator send iPXE back to the loader', () => {
    const own = networkWith({ options: { 'bootfile-name': 'own.0', 43: '0102' }, vendor_options: { PXEClient: { 'bootfile-name': 'own.1' } } });
    const answer = answerTo({ options: IPXE }, { network: own });
    expect([textOf(answer, 67), answer.packet.options.has(43), answer.packet.options.has(60)]).toEqual([
      'http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-01',
      false,
      false,
    ]);
  });

  it('netboot rule 4: keeps the pair of 60 and 43 for firmware when the network has an option 43 for other devices', () => {
    const own = networkWith({ options: { 43: 'f104c0a80001' } });
    expect(answerTo({ options: BIOS }, { network: own }).packet.options.get(43)?.toString('hex')).toBe('060108ff');
    expect(
      answerTo({ options: { 60: 'ArubaAP' } }, { network: own })
        .packet.options.get(43)
        ?.toString('hex'),
    ).toBe('f104c0a80001');
    const forHttp = networkWith({ vendor_options: { HTTPClient: { 43: '0102' } } });
    expect(answerTo({ options: HTTP }, { network: forHttp }).packet.options.has(43)).toBe(false);
  });

  it('attack 14: gives firmware without a loader no file that was meant for everybody, but one meant for it', () => {
    const itanium = { 60: 'PXEClient:Arch:00002:UNDI:002001', 93: Buffer.from([0, 2]) };
    expect(textOf(answerTo({ options: itanium }, { network: networkWith({ options: { 'bootfile-name': 'x86.0' } }) }), 67)).toBeUndefined();
    const own = networkWith({ vendor_options: { 'PXEClient:Arch:00002': { 'bootfile-name': 'elilo.efi' } } });
    expect(textOf(answerTo({ options: itanium }, { network: own }), 67)).toBe('elilo.efi');
  });
});

describe('BOOTP', () => {
  const statement: Statement = { type: undefined, address: ip('10.7.0.7'), leaseSeconds: undefined, isBootOnly: false };

  it('netboot rule 8: answers 300 bytes without a DHCP option, with file and server from options 67 and 66', () => {
    const network = networkWith({ options: { 'bootfile-name': 'boot.bin', 'tftp-server-name': '10.9.9.9' } });
    const { packet, bytes } = answerTo({ mac: RESERVED }, { network, statement });
    expect([bytes.length, packet.bootFile.toString(), formatIpv4(packet.nextServerIpAddress)]).toEqual([300, 'boot.bin\0', '10.9.9.9']);
    expect([...packet.options.keys()].filter((code) => code >= 50 && code <= 61)).toEqual([]);
  });

  it('netboot rule 8: leaves out what does not fit, and never overloads', () => {
    const options = Object.fromEntries([224, 225, 226].map((code) => [code, 'ab'.repeat(40)]));
    const { bytes, leftOut } = answerTo({ mac: RESERVED }, { network: networkWith({ options }), statement });
    const parsed = parsePacket(bytes);
    expect([bytes.length, leftOut.length > 0, parsed.ok && parsed.value.options.has(1)]).toEqual([300, true, true]);
    expect(bytes.subarray(240).includes(Buffer.from([52, 1]))).toBe(false);
  });

  it('netboot rule 8: serves a BMC by its reservation and name, and an unmanaged address to nobody', () => {
    const bmc = { ...testNetwork(), hostNameByMac: new Map([[RESERVED, 'n7-bmc.rack.example']]) };
    expect(textOf(answerTo({ mac: RESERVED }, { network: bmc }), 12)).toBe('n7-bmc');
  });
});

describe('name servers', () => {
  const without = networkWith({ dns: [] });
  const alone = networkWith({ dns: [], router: null });
  const given = (network: Network, servesDns: boolean): string =>
    formatIpv4(answerTo({}, { network, server: { servesDns } }).packet.options.get(6)?.readUInt32BE(0) ?? 0);

  it('are always named: the network’s, ours when we serve DNS, else the router, else ours', () => {
    expect([given(testNetwork(), true), given(without, true), given(without, false), given(alone, false)]).toEqual([
      '10.7.0.2',
      '10.7.0.2',
      '10.7.0.1',
      '10.7.0.2',
    ]);
  });

  it('says so when a network has none', () => {
    expect(networkWarnings(testNetwork(), false)).toEqual([]);
    expect(networkWarnings(without, true)).toEqual([]);
    expect(networkWarnings(without, false)[0]).toMatch(/admin has no DNS server: machines are told its router 10.7.0.1/);
    expect(networkWarnings(alone, false)[0]).toMatch(/this server, which does not serve DNS/);
    expect(networkWarnings(networkWith({ options: { 'classless-routes': '10.8.0.0/16 via 10.7.0.1' } }), true)[0]).toMatch(/no default route/);
    expect(networkWarnings(networkWith({ options: { 'classless-routes': ['10.8.0.0/16 via 10.7.0.1', 'default via 10.7.0.1'] } }), true)).toEqual([]);
  });
});

describe('the server’s identity', () => {
  it('netboot rule 7: is the address that heard the client, the network’s, or the relay’s override (RFC 5107), in that order', () => {
    const idOf = (words: RequestWords, network = testNetwork()): string =>
      formatIpv4(answerTo(words, { network }).packet.options.get(54)?.readUInt32BE(0) ?? 0);
    const override = { giaddr: '10.7.0.1', options: { 82: Buffer.from([11, 4, 10, 7, 0, 1]) } };
    expect([idOf({}), idOf({}, networkWith({ server_identifier: '10.0.0.67' })), idOf(override, networkWith({ server_identifier: '10.0.0.67' }))]).toEqual([
      '10.7.0.2',
      '10.0.0.67',
      '10.7.0.1',
    ]);
  });

  it('netboot rule 7: hears itself by each of them in a REQUEST', () => {
    const network = networkWith({ server_identifier: '10.0.0.67' });
    const decided = (server: string): string =>
      decide(situationOf(request({ type: 3, mac: RESERVED, options: { 50: '@10.7.0.7', 54: server } }), knowledgeOf([network]))).kind;
    expect([decided('@10.0.0.67'), decided('@10.7.0.2'), decided('@10.0.0.68')]).toEqual(['acknowledge', 'acknowledge', 'ignore']);
  });

  it('tells machines of a network its own boot host', () => {
    const { packet } = answerTo({ options: BIOS }, { network: networkWith({ boot_host: '10.7.0.9' }), server: { bootHost: ip('10.7.0.3') } });
    expect([formatIpv4(packet.nextServerIpAddress), packet.options.get(66)?.toString()]).toEqual(['10.7.0.9', '10.7.0.9']);
  });
});

describe('a client that takes little', () => {
  it('keeps the mask and the router before the boot file and what the operator wrote', () => {
    const options = Object.fromEntries([224, 225, 226, 227].map((code) => [code, 'ab'.repeat(120)]));
    const { packet, leftOut } = answerTo({ options: IPXE }, { network: networkWith({ options }) });
    const order = [...packet.options.keys()];
    expect([order.indexOf(1) < order.indexOf(3), order.indexOf(3) < order.indexOf(67)]).toEqual([true, true]);
    expect(leftOut.length).toBeGreaterThan(0);
    expect(leftOut.every((code) => code >= 224)).toBe(true);
  });
});

describe('options on request', () => {
  it('sends option 150 to who asks for it (RFC 5859)', () => {
    expect(answerTo({ options: { ...BIOS, 55: Buffer.from([1, 150]) } }).packet.options.get(150)).toEqual(Buffer.from([10, 7, 0, 2]));
    expect(answerTo({ options: { ...BIOS, 55: Buffer.from([1, 3]) } }).packet.options.has(150)).toBe(false);
  });

  it('netboot rule 10: returns the empty sub-option 19 within option 82, and uses the relay’s port', () => {
    const information = Buffer.from([1, 1, 65, 19, 0]);
    const answer = answerTo({ giaddr: '10.7.0.1', options: { 82: information } });
    expect(answer.packet.options.get(82)).toEqual(information);
    expect(answer.destination.port).toBe(68);
    const end = answer.bytes.lastIndexOf(Buffer.concat([Buffer.from([82, 5]), information, Buffer.from([255])]));
    expect(end).toBeGreaterThan(240);
  });
});

describe('the trace', () => {
  it('tells every rule that decided, with its source, and changes no answer', () => {
    const trace: Trace = [];
    const parsed = parsePacket(fixture('rpi4-discover'));
    if (!parsed.ok) throw new Error(parsed.error);
    const knowledge = knowledgeOf([networkWith({ options: { 'ntp-servers': '10.0.0.1' }, unknown_quota: 5, min_secs: 0 })]);
    const situation = situationOf(parsed.value, knowledge, {}, trace);
    const decision = decide(situation, trace);
    expect(decision).toEqual(decide(situation));
    const statement: Statement = { type: 2, address: 'address' in decision ? decision.address : 0, leaseSeconds: 60, isBootOnly: false };
    const answer = composeAnswer(situation, statement, SETTINGS, true, trace);
    expect(answer).toEqual(composeAnswer(situation, statement, SETTINGS, true));
    expect(trace.map((step) => step.rule)).toEqual([
      'asker',
      'network',
      'mode',
      'identity',
      'message',
      'address',
      'quota',
      'decision',
      'option',
      'quirk',
      'boot-file',
      'name-server',
      'size',
      'destination',
    ]);
    for (const step of trace) expect([step.source.length > 3, step.value.length > 0]).toEqual([true, true]);
  });

  it('tells why there is no answer', () => {
    const trace: Trace = [];
    decide(situationOf(request({ type: 3, mac: RESERVED, options: { 50: '@10.7.0.7', 54: '@10.9.9.9' } }), knowledgeOf([testNetwork()]), {}, trace), trace);
    expect(trace.at(-1)).toEqual({ rule: 'decision', source: 'RFC 2131 section 4.3', value: 'ignore: other-server' });
  });
});
