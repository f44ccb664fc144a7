import { describe, expect, it } from '@jest/globals';
import { describeClient } from '../../../src/dhcp/client.js';
import { dhcpEvent, type DhcpEventAbout, type DhcpEventKind } from '../../../src/dhcp/events.js';
import { request, type RequestWords } from '../../support/dhcp-request.js';

const at = new Date('2026-11-21T10:00:00Z');
function event(kind: DhcpEventKind, words: RequestWords, about: DhcpEventAbout = {}) {
  const packet = request(words);
  return dhcpEvent(kind, at, packet, describeClient(packet), about);
}

describe('what a DHCP step says for the doctor', () => {
  it('says who asks for what: stage, transaction, server chosen, machine, options wanted', () => {
    const options = {
      54: '@127.9.9.9',
      55: Buffer.from([1, 3, 67]),
      60: 'PXEClient:Arch:00000',
      97: Buffer.concat([Buffer.from([0]), Buffer.alloc(16, 0xab)]),
    };
    const { facts } = event('dhcp-request', { type: 3, xid: 0xbeef, options }, { network: 'rack' });
    expect(facts).toEqual({ stage: 'pxe', xid: '0000beef', secs: 0, network: 'rack', server_id: '127.9.9.9', uuid: 'ab'.repeat(16), wants: '010343' });
  });

  it('says why there was no answer, and the boot file or why there is none', () => {
    expect(event('dhcp-ignored', { type: 1 }, { detail: 'pool-exhausted' }).facts.reason).toBe('pool-exhausted');
    expect(event('dhcp-ack', { type: 3 }, { detail: 'x', bootFile: 'snponly.efi', leftOut: [43] }).facts).toMatchObject({
      boot_file: 'snponly.efi',
      left_out: [43],
    });
    expect(event('dhcp-ack', { type: 3 }, { detail: 'no loader for this architecture' }).facts.reason).toBe('no loader for this architecture');
    expect(event('dhcp-discover', { type: 1 }, { detail: 'pxe' }).facts.reason).toBeUndefined();
  });

  it('attack 7: what a client says is printable and bounded, and nothing malformed throws', () => {
    const evil = Buffer.from('\u001b[31m\n</script>$(reboot)', 'latin1');
    const { facts } = event('dhcp-decline', { type: 4, options: { 54: Buffer.from([1]), 55: Buffer.alloc(255, 1), 56: evil, 97: Buffer.alloc(0) } });
    expect(facts.said).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(facts.wants).toHaveLength(128);
    expect(facts).not.toHaveProperty('server_id');
  });
});
