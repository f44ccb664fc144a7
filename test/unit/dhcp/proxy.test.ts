import { describe, it, expect } from '@jest/globals';
import { composeAnswer, type Answer, type Statement } from '../../../src/dhcp/answer.js';
import { decide } from '../../../src/dhcp/respond.js';
import { parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { PxeSubOption } from '../../../src/dhcp/pxe-options.js';
import { malformed, readSubOptions } from '../../../src/dhcp/options.js';
import type { Arrival } from '../../../src/dhcp/destination.js';
import type { DhcpEntry } from '../../../src/dhcp/situation.js';
import { fixture, ip, request } from '../../support/dhcp-request.js';
import { entry, knowledgeOf, SETTINGS, situationOf } from '../../support/dhcp-situation.js';
import { networkWith } from './network-fixture.js';

const AT_4011: Partial<Arrival> = { localPort: 4011, isBootServer: true, sourceAddress: ip('10.7.0.50'), sourcePort: 68 };
const EVERY_MODE = ['authoritative', 'reservations', 'proxy', 'off'];

function asked(name: string): DhcpPacket {
  const packet = parsePacket(fixture(name));
  if (!packet.ok) throw new Error(packet.error);
  return packet.value;
}

/** What is answered, or why nothing is. */
function answerTo(packet: DhcpPacket, mode: string, arrival: Partial<Arrival> = {}): Answer | string {
  const situation = situationOf(packet, knowledgeOf([networkWith({ dhcp_mode: mode })]), arrival);
  const decision = decide(situation);
  if (decision.kind === 'ignore') return decision.reason;
  if (decision.kind !== 'boot') return decision.kind;
  const statement: Statement = { type: decision.type, address: 0, leaseSeconds: undefined, isBootOnly: true };
  const answer = composeAnswer(situation, statement, SETTINGS, true);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value;
}

function booted(packet: DhcpPacket, mode: string, arrival: Partial<Arrival> = {}): Answer {
  const answer = answerTo(packet, mode, arrival);
  if (typeof answer === 'string') throw new Error(answer);
  return answer;
}

function menuOf(answer: Answer): number[] {
  const subOptions = readSubOptions(answer.packet.options.get(43) ?? Buffer.alloc(0), true);
  if (subOptions === malformed) throw new Error('option 43 cannot be read');
  return [...subOptions.keys()];
}

/** A REQUEST to the boot server for one item of a menu. PXE 2.1 section 2.2.5. */
function bootServerRequest(item?: string): DhcpPacket {
  const options = { 60: 'PXEClient:Arch:00000:UNDI:002001', 93: Buffer.from([0, 0]), 97: Buffer.alloc(17, 7) };
  return request({ type: 3, ciaddr: '10.7.0.50', options: item === undefined ? options : { ...options, 43: Buffer.from(item, 'hex') } });
}

describe('mode proxy', () => {
  it('netboot rule 4: offers a boot file and no address, no lease and nothing of the network', () => {
    const { packet, bytes } = booted(asked('ovmf-pxe-discover'), 'proxy');
    expect([packet.yourIpAddress, packet.nextServerIpAddress, packet.bootFile.toString()]).toEqual([0, ip('10.7.0.2'), 'snponly.efi\0']);
    expect([...packet.options.keys()].sort((a, b) => a - b)).toEqual([43, 53, 54, 60, 66, 67, 97]);
    expect(packet.options.get(60)?.toString()).toBe('PXEClient');
    expect(bytes.length).toBeGreaterThanOrEqual(300);
  });

  it('netboot rule 4: sends sub-options 8, 9 and 10 in mode proxy and in no other', () => {
    const { discoveryControl, bootServers, bootMenu, menuPrompt } = PxeSubOption;
    expect(menuOf(booted(asked('ovmf-pxe-discover'), 'proxy'))).toEqual([discoveryControl, bootServers, bootMenu, menuPrompt]);
    for (const mode of EVERY_MODE) expect(menuOf(booted(bootServerRequest(), mode, AT_4011))).toEqual([discoveryControl]);
  });

  it('leaves everything but the DISCOVER of a booting machine to the other server', () => {
    expect(answerTo(asked('udhcpc-discover'), 'proxy')).toBe('not-a-boot-client');
    expect(answerTo(asked('udhcpc-request'), 'proxy')).toBe('proxy-mode');
    expect(answerTo(request({ type: 7, ciaddr: '10.7.0.50', options: { 60: 'PXEClient' } }), 'proxy')).toBe('proxy-mode');
  });

  it('remembers which address the other server gave a machine that boots or is known, and says nothing', () => {
    const decided = (packet: DhcpPacket, entries: DhcpEntry[] = []) =>
      decide(situationOf(packet, knowledgeOf([networkWith({ dhcp_mode: 'proxy' })], { entries })));
    expect(decided(asked('ovmf-pxe-request'))).toMatchObject({ kind: 'observe' });
    expect(decided(asked('udhcpc-request'), [entry('52:54:00:77:00:04')])).toEqual({ kind: 'observe', address: ip('10.7.0.103') });
    expect(decided(request({ type: 3, options: { 60: 'PXEClient', 50: '@192.0.2.7' } }))).toEqual({ kind: 'ignore', reason: 'proxy-mode' });
  });

  it('answers OVMF on 4011, as it asks after an offer without option 43', () => {
    const { packet, destination } = booted(asked('ovmf-boot-server-request'), 'proxy', { ...AT_4011, sourcePort: 4011 });
    expect([packet.options.get(67)?.toString(), destination.port]).toEqual(['snponly.efi', 4011]);
  });

  it('names itself PXEClient to iPXE, which hears no proxy otherwise, and does not forbid proxies', () => {
    const { packet } = booted(asked('ipxe-rom-discover'), 'proxy');
    expect([packet.options.get(60)?.toString(), packet.options.has(175)]).toEqual(['PXEClient', false]);
    expect(packet.options.get(67)?.toString()).toBe('http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-03');
  });

  it('netboot rule 12: offers HTTP Boot its URL without option 43', () => {
    const { packet } = booted(asked('ovmf-http-discover'), 'proxy');
    expect([packet.options.get(60)?.toString(), packet.options.has(43)]).toEqual(['HTTPClient', false]);
    expect(packet.options.get(67)?.toString()).toBe('http://10.7.0.2:8080/boot/loaders/snponly.efi');
  });
});

describe('the boot server on port 4011', () => {
  it.each(EVERY_MODE)('netboot rule 4: answers in mode %s with the file, by unicast to where it was asked from', (mode) => {
    const { packet, destination } = booted(bootServerRequest(), mode, AT_4011);
    expect([packet.options.get(53), packet.yourIpAddress, packet.options.get(67)?.toString()]).toEqual([Buffer.from([5]), 0, 'undionly.kpxe']);
    expect(packet.options.get(97)).toEqual(Buffer.alloc(17, 7));
    expect(destination).toEqual({ address: ip('10.7.0.50'), port: 68 });
  });

  it('returns the menu item that was asked for (PXE 2.1 sub-option 71)', () => {
    const { packet } = booted(bootServerRequest('470480010000ff'), 'proxy', AT_4011);
    expect(packet.options.get(43)?.toString('hex')).toBe('060108470480010000ff');
    expect(booted(bootServerRequest('4709'), 'proxy', AT_4011).packet.options.get(43)?.toString('hex')).toBe('060108ff');
  });

  it('answers nobody who does not boot, and no DISCOVER', () => {
    expect(answerTo(request({ type: 3, ciaddr: '10.7.0.50' }), 'authoritative', AT_4011)).toBe('not-a-boot-client');
    expect(answerTo(asked('ovmf-pxe-discover'), 'authoritative', AT_4011)).toBe('unknown-message-type');
  });
});

describe('a mode for one relay', () => {
  const modes = { dhcp_mode: 'authoritative', relay_modes: { '10.7.0.0/28': 'off', '10.7.0.5': 'proxy' } };
  it.each([
    ['10.7.0.5', 'proxy'],
    ['10.7.0.6', 'off'],
    ['10.7.0.200', 'authoritative'],
  ])('behind %s is %s: the longest match counts', (giaddr, mode) => {
    const packet = request({ type: 1, giaddr, options: { 60: 'PXEClient', 93: Buffer.from([0, 7]) } });
    expect(situationOf(packet, knowledgeOf([networkWith(modes)])).mode).toBe(mode);
  });

  it('leaves our own link in the network’s mode', () => {
    expect(situationOf(request({ type: 1 }), knowledgeOf([networkWith(modes)])).mode).toBe('authoritative');
  });
});
