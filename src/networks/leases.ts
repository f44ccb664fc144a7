/** Leases as operators see them. Giving them out is src/dhcp. */
import type { Db, Queryable } from '../db/client.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

export type Lease = {
  address: string;
  /** The address as a number: the cursor of lists. */
  number: number;
  network_id: number;
  network: string;
  mac: string;
  hostname: string | null;
  client_id: string | null;
  /** active | declined | released | expired, as of now: the row says active until somebody looks. */
  state: string;
  expires_at: Date;
  updated_at: Date;
  node_id: number | null;
  node: string | null;
};

const STATE = `CASE WHEN l.state = 'active' AND l.expires_at <= clock_timestamp() THEN 'expired' ELSE l.state END`;
const FROM = 'FROM leases l JOIN networks n ON n.id = l.network_id LEFT JOIN nics c ON c.mac = l.mac LEFT JOIN nodes o ON o.id = c.node_id';
const SELECT = `SELECT l.address, l.address::inet - '0.0.0.0'::inet AS number, l.network_id, n.name AS network, l.mac, l.hostname, l.client_id, ${STATE} AS state,
  l.expires_at, l.updated_at, o.id AS node_id, o.name AS node ${FROM}`;

export type LeaseFilter = { networkId?: number | undefined; state?: string | undefined; q?: string | undefined };

/** In the order of addresses; `afterId` is the number of the last address seen. */
export async function listLeases(db: Queryable, filter: LeaseFilter, window: { afterId: number; take: number }): Promise<{ rows: Lease[]; total: number }> {
  const where = `($1::int IS NULL OR l.network_id = $1) AND ($2::text IS NULL OR ${STATE} = $2)
    AND ($3::text IS NULL OR position($3 in l.address) > 0 OR position($3 in l.mac) > 0 OR position($3 in coalesce(l.hostname, '')) > 0 OR position($3 in coalesce(o.name, '')) > 0)`;
  const values = [filter.networkId ?? null, filter.state ?? null, filter.q ?? null];
  const { rows } = await db.query<Lease>(`${SELECT} WHERE l.address::inet - '0.0.0.0'::inet > $4 AND ${where} ORDER BY l.address::inet LIMIT $5`, [
    ...values,
    window.afterId,
    window.take,
  ]);
  const counted = await db.query<{ count: number }>(`SELECT count(*)::int AS count ${FROM} WHERE ${where}`, values);
  return { rows, total: counted.rows[0]?.count ?? 0 };
}

/**
 * Ends a lease: the address may be given to another at once. A machine that still uses it learns that when it renews.
 * Throws NotFoundError, ConflictError `lease-over`.
 */
export async function releaseLease(db: Db, address: string): Promise<void> {
  const { rows } = await db.pool.query<{ was: string }>(
    `UPDATE leases l SET state = 'released', expires_at = clock_timestamp(), updated_at = clock_timestamp()
       FROM (SELECT address, ${STATE.replaceAll('l.', 'o.')} AS was FROM leases o WHERE address = $1 FOR UPDATE) b
      WHERE l.address = b.address AND b.was IN ('active', 'declined') RETURNING b.was`,
    [address],
  );
  if (rows.length > 0) return;
  const { rowCount } = await db.pool.query('SELECT 1 FROM leases WHERE address = $1', [address]);
  if (rowCount === 0) throw new NotFoundError('lease', address);
  throw new ConflictError(`the lease of ${address} is over already`, { code: 'lease-over' });
}
