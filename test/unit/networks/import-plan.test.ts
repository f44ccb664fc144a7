import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { planImport, type ImportHost, type ImportState, type ImportWish } from '../../../src/networks/import-plan.js';

const A = '52:54:00:00:00:0a';
const B = '52:54:00:00:00:0b';
const C = '52:54:00:00:00:0c';
const NOW = 1_000_000;

const STATE: ImportState = {
  networks: [
    { id: 1, name: 'admin', subnet: '10.0.0.0/24', routers: ['10.0.0.1'] },
    { id: 2, name: 'data', subnet: '10.0.1.0/24', routers: [] },
  ],
  reservations: [{ network_id: 1, address: '10.0.0.5', mac: A, whose: 'node-a' }],
  leases: [{ network_id: 1, address: '10.0.0.100', mac: B }],
  nodes: [{ mac: C, node_id: 7, name: 'node-c' }],
};
const host = (address: string, mac: string, more: Partial<ImportHost> = {}): ImportHost => ({
  line: 1,
  kind: 'reservation',
  mac,
  address,
  hostname: null,
  expiresAt: null,
  ...more,
});
const lease = (address: string, mac: string, expiresAt: number | null = NOW + 60) => host(address, mac, { kind: 'lease', expiresAt });
const plan = (hosts: ImportHost[], wish: Partial<ImportWish> = {}) =>
  planImport(hosts, STATE, { nowSeconds: NOW, networkId: null, withLeases: true, subnets: [], ...wish });
const verdict = (one: ImportHost, wish: Partial<ImportWish> = {}) => {
  const { steps, problems } = plan([one], wish);
  return steps[0]?.action ?? problems[0]?.message;
};

describe('what an import would do', () => {
  it.each<[string, ImportHost, string]>([
    ['a free address', host('10.0.0.9', C), 'create'],
    ['a reservation that is here', host('10.0.0.5', A), 'exists'],
    ['another address of a reserved MAC', host('10.0.0.6', A), `${A} has 10.0.0.5 here already`],
    ['the same MAC on another network', host('10.0.1.5', A), 'create'],
    ['an address of another machine', host('10.0.0.5', B), '10.0.0.5 belongs to node-a here'],
    ['an address that another machine holds', host('10.0.0.100', C), `10.0.0.100 belongs to the lease of ${B} here`],
    ['the address that the machine itself holds', host('10.0.0.100', B), 'create'],
    ['a router', host('10.0.0.1', C), '10.0.0.1 is a router of network admin'],
    ['a broadcast address', host('10.0.0.255', C), '10.0.0.255 is no host address of 10.0.0.0/24'],
    ['a lease that goes on', lease('10.0.0.101', C), 'create'],
    ['a lease that never ends', lease('10.0.0.101', C, null), 'create'],
    ['a lease that is over', lease('10.0.0.101', C, NOW), 'ended'],
    ['a lease that is here', lease('10.0.0.100', B), 'exists'],
    ['a lease of what is reserved for the machine', lease('10.0.0.5', A), 'exists'],
    ['a lease of a machine that has its own address', lease('10.0.0.102', A), 'skipped'],
    ['a second lease of a machine', lease('10.0.0.102', B), `${B} holds 10.0.0.100 by lease here`],
  ])('%s', (_, one, expected) => expect(verdict(one)).toBe(expected));

  it('leaves out other networks than the one asked for, and leases that nobody asked for', () => {
    expect([verdict(host('10.0.1.9', C), { networkId: 1 }), verdict(lease('10.0.0.101', C), { withLeases: false })]).toEqual(['skipped', 'skipped']);
  });

  it('says which network is missing, by the block that the file itself declares', () => {
    expect(plan([host('10.9.3.5', C)], { subnets: ['10.9.0.0/16'] }).problems).toEqual([
      { line: 1, message: '10.9.3.5 is in no network of Prybar', fix: 'prybar networks create NAME 10.9.0.0/16', blocking: true },
    ]);
    expect(plan([host('10.9.3.5', C)]).problems[0]?.fix).toBe('prybar networks create NAME 10.9.3.0/24');
  });

  it('names the line of the file that was first', () => {
    const { steps, problems } = plan([host('10.0.0.9', B), host('10.0.0.9', C, { line: 4 }), host('10.0.0.8', B, { line: 5 })]);
    expect(steps.map(({ action }) => action)).toEqual(['create']);
    expect(problems.map(({ line, message }) => [line, message])).toEqual([
      [4, `10.0.0.9 belongs to ${B} by line 1`],
      [5, `${B} has 10.0.0.9 by line 1 already`],
    ]);
  });

  it('knows the node of a MAC', () => {
    expect(plan([host('10.0.0.9', C)]).steps[0]).toMatchObject({ network: 'admin', node: 'node-c', nodeId: 7 });
  });

  it('whatever the file says: no address twice, and in a network no MAC twice', () => {
    const any = fc.record({
      last: fc.integer({ min: 1, max: 12 }),
      mac: fc.constantFrom(A, B, C),
      kind: fc.constantFrom('lease' as const, 'reservation' as const),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), (all) => {
        const created = plan(
          all.map(({ last, mac, kind }, line) => host(`10.0.1.${last}`, mac, { kind, line, expiresAt: kind === 'lease' ? NOW + 1 : null })),
        ).steps.filter(({ action }) => action === 'create');
        for (const kind of ['lease', 'reservation']) {
          const of = created.filter((step) => step.kind === kind);
          expect(new Set(of.map(({ address }) => address)).size).toBe(of.length);
          expect(new Set(of.map(({ mac }) => mac)).size).toBe(of.length);
        }
        const owner = new Map(created.map(({ address, mac }) => [address, mac]));
        for (const { address, mac } of created) expect(owner.get(address)).toBe(mac);
      }),
    );
  });
});
