import { describe, expect, it } from '@jest/globals';
import { decideServed, type BootServerReport, type NicEntry, type ServedInput } from '../../../src/nodes/served-rule.js';

const entry = (appliedGen: number, revision: number, deleted = false) => ({ appliedGen, bootenv: 'debian-12', revision, deleted });
const nic = (mac: string, boot: boolean, of: NicEntry['entry']): NicEntry => ({ mac, boot, entry: of });
const server = (servedRevision: number, more: Partial<BootServerReport> = {}): BootServerReport => ({
  kind: 'dhcp',
  host: 'boot1',
  status: 'serving',
  networks: [],
  servedRevision,
  ...more,
});
const input = (more: Partial<ServedInput> = {}): ServedInput => ({
  desiredGen: 3,
  nics: [nic('52:54:00:00:00:01', true, entry(3, 10))],
  networkId: 1,
  dnsRevision: 0,
  servers: [server(10)],
  ...more,
});

describe('decideServed (engine-rules 6)', () => {
  it.each<[string, ServedInput, boolean, string | null]>([
    ['entry and server are there', input(), true, null],
    ['the entry is ahead of the desired generation', input({ desiredGen: 2 }), true, null],
    ['the server is ahead of the entry', input({ servers: [server(99)] }), true, null],
    ['the server is draining but has it', input({ servers: [server(10, { status: 'draining' })] }), true, null],
    ['the server serves another network only, and one serves ours', input({ servers: [server(10), server(1, { networks: [2] })] }), true, null],
    ['a joining server has not confirmed', input({ servers: [server(10), server(0, { status: 'joining' })] }), true, null],
    [
      'an older NIC entry is not of the boot NIC',
      input({ nics: [nic('52:54:00:00:00:01', true, entry(3, 10)), nic('52:54:00:00:00:02', false, entry(1, 4))] }),
      true,
      null,
    ],
    ['the set is empty', input({ servers: [] }), false, 'no DHCP server'],
    ['only servers of other networks are there', input({ servers: [server(10, { networks: [2] })] }), false, 'no DHCP server'],
    ['only HTTP servers are there', input({ servers: [server(10, { kind: 'http' })] }), false, 'no DHCP server'],
    ['the only server is joining', input({ servers: [server(10, { status: 'joining' })] }), false, 'no DHCP server'],
    ['one of two servers is behind', input({ servers: [server(10), server(9, { host: 'boot2' })] }), false, 'boot2 serves revision 9 of 10'],
    ['a registered HTTP server is behind', input({ servers: [server(10), server(9, { kind: 'http' })] }), false, 'the http server'],
    ['a draining server is behind', input({ servers: [server(10), server(9, { status: 'draining' })] }), false, 'revision 9 of 10'],
    ['the entry carries an older generation', input({ nics: [nic('52:54:00:00:00:01', true, entry(2, 10))] }), false, 'generation 2 of 3'],
    ['there is no entry', input({ nics: [nic('52:54:00:00:00:01', true, null)] }), false, 'no entry for 52:54:00:00:00:01'],
    ['the entry was withdrawn', input({ nics: [nic('52:54:00:00:00:01', true, entry(3, 10, true))] }), false, 'no entry'],
    [
      'no boot NIC is marked and one of them is behind',
      input({ nics: [nic('52:54:00:00:00:01', false, entry(3, 10)), nic('52:54:00:00:00:02', false, entry(2, 4))] }),
      false,
      'generation 2',
    ],
    ['no NIC is known', input({ nics: [] }), false, 'no NIC'],
    ['a DNS server counts its own revisions', input({ dnsRevision: 3, servers: [server(10), server(3, { kind: 'dns' })] }), true, null],
    ['a DNS server does not have its names yet', input({ dnsRevision: 4, servers: [server(10), server(3, { kind: 'dns' })] }), false, 'revision 3 of 4'],
    ...(['dnsmasq', 'isc-dhcpd', 'isc-omapi'] as const).map((kind): [string, ServedInput, boolean, null] => [
      `a ${kind} of the site has it`,
      input({ servers: [server(10, { kind })] }),
      true,
      null,
    ]),
    ['only links for pxelinux are there', input({ servers: [server(10, { kind: 'pxelinux' })] }), false, 'no DHCP server'],
    ['links for pxelinux are behind', input({ servers: [server(10), server(9, { kind: 'pxelinux' })] }), false, 'pxelinux'],
    [
      'a server of the site is behind, and says why',
      input({ servers: [server(9, { kind: 'dnsmasq', problem: 'not running' })] }),
      false,
      '9 of 10: not running',
    ],
    [
      'a server of the site has it, but went down',
      input({ servers: [server(10, { kind: 'dnsmasq', problem: 'not running', failing: true })] }),
      false,
      'relied on: not running',
    ],
    ['a server of the site has it, and nobody drives it now', input({ servers: [server(10, { kind: 'dnsmasq', problem: 'nobody drives it' })] }), true, null],
    ['the network is not known, so every server counts', input({ networkId: null, servers: [server(10), server(9, { networks: [2] })] }), false, 'revision 9'],
  ])('when %s', (_case, given, served, missing) => {
    const answer = decideServed(given);
    expect(answer.served).toBe(served);
    if (missing === null) expect(answer.waitingFor).toEqual([]);
    else expect(answer.waitingFor.join('; ')).toContain(missing);
  });

  it('gives the generation that the entries carry', () => {
    expect(decideServed(input()).generation).toBe(3);
    expect(decideServed(input({ nics: [nic('52:54:00:00:00:01', true, entry(2, 10))] })).generation).toBe(2);
    expect(decideServed(input({ nics: [] })).generation).toBe(0);
  });
});
