/** Networks and their ranges, and addresses reserved on them by the operator. The rules are `address.ts`. */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { allocationChanged, type AllocationRow, type NetworkChanged } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import { describeRange, networkProblems, nextFreeAddress, subnetsOverlap, type RangeText } from './address.js';

export type NetworkSpec = {
  name: string;
  category?: string;
  subnet: string;
  router?: string | null;
  dns?: string[];
  domain?: string;
  dhcpMode?: 'authoritative' | 'reservations' | 'proxy' | 'off';
  leaseSeconds?: number;
  /** A range named `dhcp` is where machines without a reservation get their address. */
  ranges: RangeText[];
};

/** The network of the simulated rack on loopback: machines get the pool, relay agents sit above it. */
export const RACK_NETWORK: NetworkSpec = {
  name: 'rack',
  subnet: '127.77.0.0/16',
  ranges: [
    { name: 'dhcp', first: '127.77.0.10', last: '127.77.63.254' },
    { name: 'router', first: '127.77.128.0', last: '127.77.255.254' },
  ],
};

/**
 * Makes the network unless one of its name exists; returns its id. An existing one stays as the operator made it.
 * Raises the DHCP table's revision, so that servers learn of it. Throws ValidationError naming what is wrong.
 */
export async function ensureNetwork(db: Db, spec: NetworkSpec): Promise<{ networkId: number; isNew: boolean }> {
  const problems = networkProblems(spec);
  if (problems.length > 0) throw new ValidationError(`network ${spec.name} is not sound`, problems);
  const made = await withTransaction(db.pool, (tx) => insertNetwork(tx, spec));
  if (made.isNew) notify(db.pool);
  return made;
}

async function insertNetwork(tx: Tx, spec: NetworkSpec): Promise<{ networkId: number; isNew: boolean }> {
  // The table's row is the lock of everything that boot servers follow: no two overlapping networks at once.
  await tx.query('SELECT 1 FROM dhcp_table WHERE id = 1 FOR UPDATE');
  const { rows: existing } = await tx.query<{ id: number; name: string; subnet: string }>('SELECT id, name, subnet FROM networks ORDER BY id');
  const same = existing.find((network) => network.name === spec.name);
  if (same !== undefined) return { networkId: same.id, isNew: false };
  const overlapping = existing.find((network) => subnetsOverlap(network.subnet, spec.subnet));
  if (overlapping !== undefined)
    throw new ConflictError(`${spec.subnet} overlaps network ${overlapping.name} (${overlapping.subnet})`, { code: 'network-overlap' });
  const { rows } = await tx.query<{ id: number }>(
    `INSERT INTO networks (name, category, subnet, router, dns, domain, dhcp_mode, lease_seconds)
     VALUES ($1, coalesce($2, 'admin'), $3, $4, $5, coalesce($6, 'prybar.internal'), coalesce($7, 'authoritative'), coalesce($8, 3600)) RETURNING id`,
    [spec.name, spec.category ?? null, spec.subnet, spec.router ?? null, spec.dns ?? [], spec.domain ?? null, spec.dhcpMode ?? null, spec.leaseSeconds ?? null],
  );
  const networkId = rows[0]?.id ?? 0;
  await tx.query(
    `INSERT INTO network_ranges (network_id, name, first_address, last_address)
     SELECT $1, r.name, r.first, r.last FROM unnest($2::text[], $3::text[], $4::text[]) AS r(name, first, last)`,
    [networkId, spec.ranges.map((range) => range.name), spec.ranges.map((range) => range.first), spec.ranges.map((range) => range.last)],
  );
  if (spec.router !== null && spec.router !== undefined)
    await tx.query('INSERT INTO network_routers (network_id, address) VALUES ($1, $2)', [networkId, spec.router]);
  await tx.query('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1');
  await writeEvents(tx, [networkEvent(networkId, 'created', spec.name)]);
  return { networkId, isNew: true };
}

function networkEvent(networkId: number, change: 'created' | 'changed' | 'deleted', name: string): NetworkChanged {
  return { kind: 'network-changed', subjectType: 'network', subjectId: networkId, version: 0, data: { change, name } };
}

/**
 * Reserves the next free address of a range for a MAC and returns it; the one it has, when it has one. Safe to repeat.
 * Throws ConflictError `range-full`.
 */
export async function reserveAddress(db: Db, ask: { networkId: number; range: string; mac: string; nodeId: number | null }): Promise<string> {
  const address = await withTransaction(db.pool, async (tx) => {
    await tx.query('SELECT 1 FROM dhcp_table WHERE id = 1 FOR UPDATE');
    const held = await tx.query<{ address: string }>('SELECT address FROM reservations WHERE network_id = $1 AND mac = $2', [ask.networkId, ask.mac]);
    if (held.rows[0] !== undefined) return held.rows[0].address;
    const range = await readRange(tx, ask.networkId, ask.range);
    const { rows } = await tx.query<{ address: string }>(
      `SELECT address FROM reservations WHERE network_id = $1
       UNION SELECT address FROM leases WHERE network_id = $1 AND state IN ('active', 'declined') AND expires_at > clock_timestamp() AND mac <> $2
       UNION SELECT router FROM networks WHERE id = $1 AND router IS NOT NULL`,
      [ask.networkId, ask.mac],
    );
    const free = nextFreeAddress(range, new Set(rows.map((row) => parseIpv4(row.address) ?? -1)));
    if (free === undefined) throw new ConflictError(`range ${ask.range} has no free address: ${describeRange(range)}`, { code: 'range-full' });
    const text = formatIpv4(free);
    const made = await tx.query<AllocationRow>(
      'INSERT INTO reservations (network_id, address, mac, node_id) VALUES ($1, $2, $3, $4) RETURNING id, network_id, address, mac, node_id',
      [ask.networkId, text, ask.mac, ask.nodeId],
    );
    await tx.query('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1');
    await writeEvents(
      tx,
      made.rows.map((row) => allocationChanged('created', row)),
    );
    return text;
  });
  notify(db.pool);
  return address;
}

async function readRange(tx: Tx, networkId: number, name: string): Promise<{ first: number; last: number }> {
  const { rows } = await tx.query<{ first_address: string; last_address: string }>(
    'SELECT first_address, last_address FROM network_ranges WHERE network_id = $1 AND name = $2',
    [networkId, name],
  );
  const first = parseIpv4(rows[0]?.first_address ?? '');
  const last = parseIpv4(rows[0]?.last_address ?? '');
  if (first === undefined || last === undefined) throw new NotFoundError('range', name);
  return { first, last };
}
