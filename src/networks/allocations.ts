/** Addresses that an operator gives by hand: to a node, to a host that is none (a BMC, a switch), or only recorded (netboot rule 8). */
import { withTransaction, type Db, type Queryable, type Tx } from '../db/client.js';
import { allocationChanged, type AllocationRow } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { formatIpv4, parseIpv4, parseSubnet } from '../shared/ipv4.js';
import { isHostAddress } from './address.js';
import { lockTable, raiseTable } from './change.js';
import { readNetwork } from './read.js';

export type Allocation = {
  id: number;
  address: string;
  mac: string | null;
  hostname: string | null;
  unmanaged: boolean;
  network_id: number;
  network: string;
  node_id: number | null;
  node: string | null;
};

export type AllocationAsk = {
  networkId: number;
  /** Absent: the first free one of `range`. */
  address?: string | undefined;
  range?: string | undefined;
  nodeId?: number | undefined;
  mac?: string | undefined;
  hostname?: string | undefined;
  unmanaged?: boolean | undefined;
};

const SELECT = `SELECT r.id, r.address, r.mac, r.hostname, r.unmanaged, r.network_id, n.name AS network, r.node_id, o.name AS node
  FROM reservations r JOIN networks n ON n.id = r.network_id LEFT JOIN nodes o ON o.id = r.node_id`;

export type AllocationFilter = { networkId?: number | undefined; nodeId?: number | undefined; unmanaged?: boolean | undefined; q?: string | undefined };

/** `take` allocations after the id, and how many the filter has. `q`: part of an address, MAC or name. */
export async function listAllocations(
  db: Queryable,
  filter: AllocationFilter,
  window: { afterId: number; take: number },
): Promise<{ rows: Allocation[]; total: number }> {
  const where = `($1::int IS NULL OR r.network_id = $1) AND ($2::int IS NULL OR r.node_id = $2) AND ($3::boolean IS NULL OR r.unmanaged = $3)
    AND ($4::text IS NULL OR position($4 in r.address) > 0 OR position($4 in coalesce(r.mac, '')) > 0 OR position($4 in coalesce(r.hostname, '')) > 0 OR position($4 in coalesce(o.name, '')) > 0)`;
  const values = [filter.networkId ?? null, filter.nodeId ?? null, filter.unmanaged ?? null, filter.q ?? null];
  const { rows } = await db.query<Allocation>(`${SELECT} WHERE r.id > $5 AND ${where} ORDER BY r.id LIMIT $6`, [...values, window.afterId, window.take]);
  const counted = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM reservations r LEFT JOIN nodes o ON o.id = r.node_id WHERE ${where}`,
    values,
  );
  return { rows, total: counted.rows[0]?.count ?? 0 };
}

export async function readAllocation(db: Queryable, id: number): Promise<Allocation> {
  const { rows } = await db.query<Allocation>(`${SELECT} WHERE r.id = $1`, [id]);
  if (rows[0] === undefined) throw new NotFoundError('allocation', id);
  return rows[0];
}

/**
 * Gives or records the address. Throws ValidationError naming field and fix, ConflictError `address-taken`, `mac-taken` or
 * `range-full`. The unique index decides between two at once, the lock only makes that rare.
 */
export async function createAllocation(db: Db, ask: AllocationAsk): Promise<number> {
  if (ask.mac === undefined && ask.nodeId === undefined && ask.unmanaged !== true)
    throw new ValidationError('mac: whose address is it?', [
      { field: 'mac', message: 'give a MAC or a node, or unmanaged: true to record an address that is never served' },
    ]);
  const id = await withTransaction(db.pool, async (tx) => {
    await lockTable(tx);
    const mac = ask.mac ?? (await bootMac(tx, ask.nodeId));
    await refuseMac(tx, ask.networkId, mac);
    const address = ask.address === undefined ? await firstFree(tx, ask.networkId, ask.range ?? 'host') : await soundAddress(tx, ask, ask.address, mac);
    const made = await tx.query<AllocationRow>(
      `INSERT INTO reservations (network_id, address, mac, node_id, hostname, unmanaged) VALUES ($1, $2, $3, $4, $5, $6)
       RETURNING id, network_id, address, mac, node_id`,
      [ask.networkId, address, mac, ask.nodeId ?? null, ask.hostname ?? null, ask.unmanaged ?? false],
    );
    await raiseTable(tx);
    await writeEvents(
      tx,
      made.rows.map((row) => allocationChanged('created', row)),
    );
    return made.rows[0]?.id ?? 0;
  });
  notify(db.pool);
  return id;
}

/** Takes the address back. A machine that holds it by lease keeps it until it renews. Throws NotFoundError. */
export async function deleteAllocation(db: Db, id: number): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    await lockTable(tx);
    const { rows } = await tx.query<AllocationRow>('DELETE FROM reservations WHERE id = $1 RETURNING id, network_id, address, mac, node_id', [id]);
    if (rows.length === 0) throw new NotFoundError('allocation', id);
    await raiseTable(tx);
    await writeEvents(
      tx,
      rows.map((row) => allocationChanged('deleted', row)),
    );
  });
  notify(db.pool);
}

/** The NIC the node booted from; null when none is known: the address is recorded and named, DHCP has nobody to give it to. */
async function bootMac(tx: Tx, nodeId: number | undefined): Promise<string | null> {
  if (nodeId === undefined) return null;
  const { rows } = await tx.query<{ mac: string }>('SELECT mac FROM nics WHERE node_id = $1 ORDER BY boot DESC, id LIMIT 1', [nodeId]);
  return rows[0]?.mac ?? null;
}

async function refuseMac(tx: Tx, networkId: number, mac: string | null): Promise<void> {
  if (mac === null) return;
  const { rows } = await tx.query<{ address: string }>('SELECT address FROM reservations WHERE network_id = $1 AND mac = $2', [networkId, mac]);
  if (rows[0] !== undefined)
    throw new ConflictError(`${mac} has ${rows[0].address} on this network already; delete that allocation first`, { code: 'mac-taken' });
}

async function soundAddress(tx: Tx, ask: AllocationAsk, address: string, mac: string | null): Promise<string> {
  const network = await readNetwork(tx, ask.networkId);
  const subnet = parseSubnet(network.subnet);
  const parsed = parseIpv4(address);
  if (subnet === undefined || parsed === undefined || !isHostAddress(subnet, parsed))
    throw new ValidationError(`address: must be a host address in ${network.subnet}`, [
      { field: 'address', message: `must be a host address in ${network.subnet}` },
    ]);
  if (network.routers.some((router) => router.address === address))
    throw new ValidationError(`address: ${address} is a router of the network`, [{ field: 'address', message: 'is a router of the network; choose another' }]);
  const { rows } = await tx.query<{ of: string }>(
    `SELECT coalesce(r.hostname, n.name, r.mac, 'a record') AS of FROM reservations r LEFT JOIN nodes n ON n.id = r.node_id WHERE r.address = $1
     UNION ALL SELECT 'the lease of ' || mac FROM leases WHERE address = $1 AND state = 'active' AND expires_at > clock_timestamp() AND mac IS DISTINCT FROM $2`,
    [address, mac],
  );
  if (rows[0] !== undefined)
    throw new ConflictError(`${address} belongs to ${rows[0].of}; delete that allocation, or release that lease, first`, { code: 'address-taken' });
  return address;
}

async function firstFree(tx: Tx, networkId: number, range: string): Promise<string> {
  const known = await tx.query<{ first_address: string; last_address: string }>(
    'SELECT first_address, last_address FROM network_ranges WHERE network_id = $1 AND name = $2',
    [networkId, range],
  );
  const block = known.rows[0];
  if (block === undefined)
    throw new ValidationError(`range: the network has no range ${range}`, [{ field: 'range', message: `no range ${range}; name another, or give an address` }]);
  const { rows } = await tx.query<{ free: number }>('SELECT free_addresses($1, $2, $3, 1) AS free', [networkId, block.first_address, block.last_address]);
  if (rows[0] === undefined)
    throw new ConflictError(`range ${range} has no free address (${block.first_address} to ${block.last_address}); enlarge it, or delete allocations`, {
      code: 'range-full',
    });
  return formatIpv4(rows[0].free);
}
