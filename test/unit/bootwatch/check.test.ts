import { describe, expect, it } from '@jest/globals';
import { judgeCheck as judgeAll, type CheckFindings } from '../../../src/bootwatch/check.js';

const RIVAL = { serverId: '10.0.0.9', mac: '52:54:00:00:00:09', offered: '10.0.0.50', bootFile: null };
const findings = (more: Partial<CheckFindings>): CheckFindings => ({ ports: [], ownPids: new Set(), interfaces: [], networks: [], ...more });
const on = (mode: string | null, rivals: CheckFindings['interfaces'][number]['rivals']) =>
  judgeCheck(findings({ interfaces: [{ name: 'eth1', address: '10.0.0.1', network: mode === null ? null : { name: 'rack', mode }, rivals }] }));

/** Without the line that says that the networks are in order. */
const judgeCheck = (given: CheckFindings) => {
  const { ok, items } = judgeAll(given);
  return { ok, items: items.filter((item) => item.subject !== 'networks' || item.level !== 'good') };
};

describe('whether a segment may be served', () => {
  it('attack 11: a rival is bad, unless the network is there to be beside it', () => {
    expect(on('authoritative', [RIVAL])).toMatchObject({
      ok: false,
      items: [{ level: 'bad', text: expect.stringContaining('10.0.0.9 (52:54:00:00:00:09) offers 10.0.0.50') }],
    });
    expect(on(null, [RIVAL]).ok).toBe(false);
    expect(on('proxy', [RIVAL])).toMatchObject({ ok: true, items: [{ level: 'good' }] });
    expect(on('proxy', [{ ...RIVAL, bootFile: 'pxelinux.0' }])).toMatchObject({ ok: true, items: [{ level: 'odd' }] });
    expect(on('proxy', [])).toMatchObject({ ok: true, items: [{ level: 'odd' }] });
    expect(on('authoritative', [])).toMatchObject({ ok: true, items: [{ level: 'good' }] });
  });

  it('says that nobody could listen, and goes on', () => {
    expect(on('authoritative', 'cannot listen on UDP port 68 (EACCES)')).toMatchObject({ ok: true, items: [{ level: 'odd' }] });
  });

  it('netboot rule 2: another owner of a port is bad and named, Prybar itself is not', () => {
    const port = { port: 67, service: 'DHCP', owners: [{ pid: 812, name: 'dnsmasq' }] };
    expect(judgeCheck(findings({ ports: [port] }))).toMatchObject({ ok: false, items: [{ text: expect.stringContaining('dnsmasq (pid 812)') }] });
    expect(judgeCheck(findings({ ports: [port], ownPids: new Set([812]) })).ok).toBe(true);
  });

  it('puts what is bad first', () => {
    const checked = judgeCheck(
      findings({ networks: ['network rack has no DNS server'], ports: [{ port: 69, service: 'TFTP', owners: [{ pid: 1, name: 'in.tftpd' }] }] }),
    );
    expect(checked.items.map((item) => item.level)).toEqual(['bad', 'odd']);
  });
});
