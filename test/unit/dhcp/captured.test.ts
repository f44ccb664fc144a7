import { describe, it, expect } from '@jest/globals';
import { composeAnswer, type Statement } from '../../../src/dhcp/answer.js';
import { describeDecision, type Decision } from '../../../src/dhcp/decision.js';
import { parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { decide } from '../../../src/dhcp/respond.js';
import { quirksOf } from '../../../src/dhcp/quirks.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { fixture } from '../../support/dhcp-request.js';
import { knowledgeOf, SETTINGS, situationOf } from '../../support/dhcp-situation.js';
import { testNetwork } from './network-fixture.js';

/** The network the packets were captured on; dnsmasq gave addresses above .99 there, as this pool does. */
const NETWORK = testNetwork('authoritative', ['10.7.0.100', '10.7.0.150']);

function asked(name: string): DhcpPacket {
  const packet = parsePacket(fixture(name));
  if (!packet.ok) throw new Error(packet.error);
  return packet.value;
}

function statementOf(decision: Decision): Statement | undefined {
  if (decision.kind === 'offer') return { type: 2, address: decision.address, leaseSeconds: 3600, isBootOnly: false };
  if (decision.kind === 'acknowledge') return { type: 5, address: decision.address, leaseSeconds: 3600, isBootOnly: false };
  return undefined;
}

describe('what real clients sent, in its place', () => {
  it.each([
    ['udhcpc-discover', /^offer 10\.7\.0\.1\d\d$/, undefined],
    ['udhcpc-request', /^acknowledge 10\.7\.0\.103$/, undefined],
    ['dhclient-discover', /^offer /, undefined],
    ['dhclient-request', /^acknowledge /, undefined],
    ['dhclient-release', /^ignore: not-our-client$/, undefined],
    ['dhcpcd-discover', /^offer /, undefined],
    ['dhcpcd-request', /^acknowledge /, undefined],
    ['dhcpcd-init-reboot', /^refuse: address is not on this network$/, undefined],
    ['dhcpcd-inform', /^inform 10\.7\.0\.60$/, undefined],
    ['ipxe-rom-discover', /^offer /, 'http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-03'],
    ['ipxe-rom-request', /^acknowledge /, 'http://10.7.0.2:8080/boot/ipxe/52-54-00-77-00-03'],
    ['ovmf-pxe-discover', /^offer /, 'snponly.efi'],
    ['ovmf-pxe-request', /^acknowledge /, 'snponly.efi'],
    ['ovmf-http-discover', /^offer /, 'http://10.7.0.2:8080/boot/loaders/snponly.efi'],
    ['ovmf-http-request', /^acknowledge /, 'http://10.7.0.2:8080/boot/loaders/snponly.efi'],
  ])('%s is answered %p', (name, decided, bootFile) => {
    const packet = asked(name);
    const situation = situationOf(packet, knowledgeOf([NETWORK]));
    const decision = decide(situation);
    expect(describeDecision(decision)).toMatch(decided);
    const statement = statementOf(decision);
    if (statement === undefined) return;
    const answer = composeAnswer(situation, statement, SETTINGS, true);
    if (!answer.ok) throw new Error(answer.error);
    expect([answer.value.packet.options.get(67)?.toString(), answer.value.leftOut]).toEqual([bootFile, []]);
    expect(answer.value.packet.options.get(61)).toEqual(packet.options.get(61));
  });

  it('needs no quirk for OVMF, iPXE and Linux’s clients', () => {
    const names = ['ovmf-pxe-discover', 'ovmf-http-discover', 'ipxe-rom-discover', 'udhcpc-discover', 'dhcpcd-discover', 'dhclient-discover'];
    expect(names.flatMap((name) => quirksOf(describeClient(asked(name))))).toEqual([]);
  });

  it('netboot rule 5: takes udhcpc, iPXE and a client without option 61 for one machine where leases go by client identifier', () => {
    const network = { ...NETWORK, identifyBy: 'client-id' as const };
    const keyOf = (name: string) => situationOf(asked(name), knowledgeOf([network])).identity?.clientKey;
    expect(['udhcpc-discover', 'ipxe-rom-discover', 'dhclient-discover'].map(keyOf)).toEqual([null, null, null]);
    expect(keyOf('dhcpcd-discover')).toMatch(/^ff/);
  });
});
