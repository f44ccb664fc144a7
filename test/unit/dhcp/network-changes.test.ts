import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changeReservations } from '../../../src/dhcp/network-changes.js';
import { buildNetworks, type NetworkRow, type ReservationRow } from '../../../src/dhcp/network-rows.js';

const ROW = { router: null, dns: null, domain: null, dhcp_mode: 'authoritative', lease_seconds: 60 };
const NETWORKS: NetworkRow[] = [
  // An address of a relay's port that is a machine's too.
  { ...ROW, id: 1, name: 'wide', subnet: '10.0.0.0/8', port_reservations: [{ circuitId: '00040001', address: '10.7.0.3' }] },
  { ...ROW, id: 2, name: 'narrow', subnet: '10.7.0.0/24' },
];
const build = (rows: Iterable<ReservationRow>) => buildNetworks(NETWORKS, [], [...rows]).networks;

const reservation = fc.record({
  network_id: fc.constantFrom(1, 2, 3),
  address: fc.constantFrom('10.7.0.1', '10.7.0.2', '10.7.0.3', '10.7.0.4', '10.8.0.1', 'nonsense'),
  mac: fc.constantFrom('52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03', null),
  unmanaged: fc.boolean(),
  hostname: fc.constantFrom('bmc', null),
});
const step = fc.oneof({ weight: 3, arbitrary: fc.record({ set: reservation }) }, { weight: 1, arbitrary: fc.record({ drop: reservation }) });

/** What the table may hold: an address once, a MAC once in a network. Answers the addresses that changed. */
function apply(table: Map<string, ReservationRow>, steps: readonly ({ set: ReservationRow } | { drop: ReservationRow })[]): Set<string> {
  const changed = new Set<string>();
  for (const one of steps) {
    const row = 'set' in one ? one.set : one.drop;
    changed.add(row.address);
    if ('drop' in one) {
      table.delete(row.address);
      continue;
    }
    for (const other of [...table.values()]) {
      if (other.mac === null || other.mac !== row.mac || other.network_id !== row.network_id) continue;
      table.delete(other.address);
      changed.add(other.address);
    }
    table.set(row.address, row);
  }
  return changed;
}

it('is what building everything anew would be, after any changes', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 6 }), (rounds) => {
      const table = new Map<string, ReservationRow>();
      let networks = build([]);
      for (const steps of rounds) {
        const changed = apply(table, steps);
        networks = [
          ...changeReservations(
            networks,
            [...changed].map((address) => ({ address, row: table.get(address) ?? null })),
          ).networks,
        ];
        expect(networks).toEqual(build(table.values()));
      }
    }),
    { numRuns: 300 },
  );
});

it('leaves networks alone that it does not concern, and names a row that makes no sense', () => {
  const before = build([]);
  const row = { network_id: 2, address: '10.9.0.1', mac: '52:54:00:00:00:01' };
  const { networks, problems } = changeReservations(before, [
    { address: row.address, row },
    { address: '10.8.0.1', row: { ...row, network_id: 1, address: '10.8.0.1' } },
  ]);
  expect([networks[0] === before[0], networks[1] === before[1], problems]).toEqual([
    false,
    true,
    ['network narrow: reserved address 10.9.0.1 is not in 10.7.0.0/24'],
  ]);
});
