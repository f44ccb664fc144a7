import { describe, it, expect } from '@jest/globals';
import { parsePacket } from '../../../src/dhcp/packet.js';
import { isRivalProbe, readRival, rivalProbe } from '../../../src/dhcp/rivals.js';
import { bytesOf, ip, request } from '../../support/dhcp-request.js';

const FROM = { address: ip('10.0.0.66'), mac: Buffer.from('525400c90177', 'hex') };

function offer(options: Record<number, string | Buffer> = {}): Buffer {
  return bytesOf({ ...request({ type: 2, op: 2, options: { 54: '@10.0.0.66', ...options } }), yourIpAddress: ip('10.0.0.9') });
}

describe('attack 11: what another server says', () => {
  it('names the server, its MAC, its offer and its file', () => {
    expect(readRival(offer({ 67: 'rogue.efi' }), [], FROM)).toEqual({
      serverId: '10.0.0.66',
      mac: '52:54:00:c9:01:77',
      offered: '10.0.0.9',
      bootFile: 'rogue.efi',
    });
  });

  it('our own words, a request and what is cut or no DHCP are no rival, and nothing throws', () => {
    expect(readRival(offer(), [ip('10.0.0.66')], FROM)).toBeUndefined();
    expect(readRival(offer({ 54: '@10.0.0.1' }), [ip('10.0.0.66')], FROM)).toBeUndefined();
    expect(readRival(bytesOf(request({ type: 1 })), [], FROM)).toBeUndefined();
    const bytes = offer();
    for (let length = 0; length < 241; length += 1) expect(() => readRival(bytes.subarray(0, length), [], FROM)).not.toThrow();
  });

  it('attack 7: text of a rival is cut at what cannot be shown', () => {
    expect(readRival(offer({ 67: 'boot\u001b[31m</script>' }), [], FROM)?.bootFile).toBe('boot');
  });

  it('our probe is known as such, and no machine is taken for one', () => {
    const probe = parsePacket(rivalProbe().message);
    const machine = parsePacket(bytesOf(request({ type: 1 })));
    expect([probe.ok && isRivalProbe(probe.value), machine.ok && isRivalProbe(machine.value)]).toEqual([true, false]);
    expect(probe.ok && probe.value.flags).toBe(0x8000);
  });
});
