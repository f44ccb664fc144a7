import { readFileSync } from 'node:fs';
import { describe, it, expect } from '@jest/globals';
import { machineIdentity } from '../../../../src/simulator/identity.js';
import { addressOption, decodeDhcp, encodeDhcp, messageType, setAddress, textOption, type DhcpMessage } from '../../../../src/simulator/wire/dhcp-packet.js';
import { discoverMessage, relayInformation, renewMessage, requestMessage } from '../../../../src/simulator/wire/dhcp-requests.js';

const BIOS = machineIdentity(1);
const UEFI = machineIdentity(3);

/** A capture without its comment lines. */
function capture(name: string): Buffer {
  const text = readFileSync(new URL(`../../../fixtures/packets/${name}.hex`, import.meta.url), 'utf8');
  return Buffer.from(text.replaceAll(/^#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
}

function decoded(bytes: Buffer): DhcpMessage {
  const result = decodeDhcp(bytes);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

/** The options of a message, without the ones that name the machine. */
function firmwareOptions(message: DhcpMessage): [number, string][] {
  return [...message.options].filter(([code]) => ![61, 82, 97].includes(code)).map(([code, value]) => [code, value.toString('hex')]);
}

describe('the DHCP client codec', () => {
  it('writes a DISCOVER byte for byte', () => {
    const bytes = encodeDhcp(discoverMessage({ identity: UEFI, stage: 'firmware', transactionId: 0x01020304, secs: 4 }));
    expect(bytes.toString('hex', 0, 34)).toBe('01010601' + '01020304' + '0004' + '8000' + '00000000'.repeat(3) + '7f4d8003' + '525477000003');
    expect(bytes.toString('hex', 236, 243)).toBe('63825363' + '350101');
    expect(bytes.subarray(-2 - relayInformation(UEFI.circuitId).length - 1).toString('hex')).toBe(
      '520f' + '010b' + Buffer.from('rack1/port3').toString('hex') + '1300' + 'ff',
    );
  });

  it('never writes less than 300 bytes', () => {
    const bare = { ...discoverMessage({ identity: BIOS, stage: 'system', transactionId: 1, secs: 0 }), options: new Map([[53, Buffer.from([1])]]) };
    expect(encodeDhcp(bare)).toHaveLength(300);
  });

  it.each([
    ['ovmf-pxe-discover', UEFI, 'firmware' as const],
    ['ipxe-rom-discover', BIOS, 'ipxe' as const],
  ])('asks as %s does, option for option', (name, identity, stage) => {
    const real = decoded(capture(name));
    const ours = discoverMessage({ identity, stage, transactionId: 1, secs: 0 });
    expect(firmwareOptions(ours)).toEqual(firmwareOptions(real));
    expect([...ours.options.keys()].filter((code) => code !== 82)).toEqual([...real.options.keys()]);
    expect(ours.flags).toBe(real.flags);
  });

  it('puts the relay agent option last and asks for replies to the port it sent from', () => {
    for (const stage of ['firmware', 'ipxe', 'system'] as const) {
      const message = discoverMessage({ identity: BIOS, stage, transactionId: 1, secs: 0 });
      expect([...message.options.keys()].at(-1)).toBe(82);
      expect(message.options.get(82)?.subarray(-2).toString('hex')).toBe('1300');
      expect([message.hops, message.relayAddress]).toEqual([1, '127.77.128.1']);
    }
  });

  it('sends the UUID as SMBIOS stores it from firmware and in network order from iPXE', () => {
    const uuid = '01234567-89ab-5def-8123-456789abcdef';
    const identity = { ...BIOS, uuid };
    const ask = (stage: 'firmware' | 'ipxe') => discoverMessage({ identity, stage, transactionId: 1, secs: 0 }).options.get(97)?.toString('hex');
    expect(ask('firmware')).toBe('00' + '67452301' + 'ab89' + 'ef5d' + '8123456789abcdef');
    expect(ask('ipxe')).toBe('00' + '0123456789ab5def8123456789abcdef');
  });

  it('names the server and the address in a REQUEST and neither in a renewal', () => {
    const question = { identity: BIOS, stage: 'system' as const, transactionId: 1, secs: 0 };
    const request = requestMessage(question, Buffer.from([127, 77, 0, 10]), Buffer.from([127, 0, 0, 1]));
    expect([addressOption(request, 50), addressOption(request, 54), setAddress(request.clientAddress)]).toEqual(['127.77.0.10', '127.0.0.1', undefined]);
    const renewal = renewMessage(question, '127.77.0.10');
    expect([addressOption(renewal, 50), addressOption(renewal, 54), renewal.clientAddress]).toEqual([undefined, undefined, '127.77.0.10']);
  });

  it('reads back what it writes, long options joined', () => {
    const message = { ...discoverMessage({ identity: BIOS, stage: 'ipxe', transactionId: 7, secs: 0 }), file: 'undionly.kpxe', nextServer: '127.0.0.1' };
    const long: DhcpMessage = { ...message, options: new Map([...message.options, [224, Buffer.alloc(600, 7)]]) };
    expect(decoded(encodeDhcp(long))).toEqual(long);
  });

  it('reads options from overloaded file and sname fields', () => {
    const bytes = encodeDhcp({
      ...discoverMessage({ identity: BIOS, stage: 'system', transactionId: 1, secs: 0 }),
      options: new Map([
        [52, Buffer.from([3])],
        [53, Buffer.from([2])],
      ]),
    });
    Buffer.from([54, 4, 127, 0, 0, 1, 255]).copy(bytes, 108);
    Buffer.from([66, 2, 0x61, 0x62, 255]).copy(bytes, 44);
    const message = decoded(bytes);
    expect([addressOption(message, 54), textOption(message, 66), message.file, message.serverName, messageType(message)]).toEqual([
      '127.0.0.1',
      'ab',
      '',
      '',
      2,
    ]);
  });

  it('returns an error, and never throws, for a message cut at any length', () => {
    const bytes = encodeDhcp(discoverMessage({ identity: UEFI, stage: 'firmware', transactionId: 1, secs: 0 }));
    for (let length = 0; length < bytes.length; length += 1) expect(decodeDhcp(bytes.subarray(0, length)).ok).toBe(false);
    expect(decodeDhcp(bytes).ok).toBe(true);
  });
});
