/** What the zones are made of, read in one snapshot. The rules are names.ts. */
import type { Pool } from '../db/client.js';
import type { Allocation, NetworkNaming, ZoneRow } from './names.js';

export type WrittenRow = { id: number; name: string; type: string; value: string };

export type ZoneRows = { revision: number; networks: NetworkNaming[]; zones: ZoneRow[]; written: WrittenRow[]; allocations: Allocation[] };

/** What has happened since a revision. `isWhole`: everything is to be read again. */
export type ZoneChanges = { revision: number; isWhole: boolean; allocationIds: number[]; allocations: Allocation[] };

/** More than these are read as a whole: one pass over the table costs less than as many look-ups. */
const MAX_SINGLE = 2_000;

/** An address that is recorded only has no name, nor has a node that is on its way out (engine-rules 25). */
const ALLOCATIONS = `SELECT r.id, r.network_id, r.address, r.hostname, n.name AS node, d.name AS deployment,
         CASE WHEN $2 THEN ARRAY(SELECT o.name FROM node_roles nr JOIN roles o ON o.id = nr.role_id WHERE nr.node_id = r.node_id) ELSE '{}' END AS roles
    FROM reservations r LEFT JOIN nodes n ON n.id = r.node_id LEFT JOIN deployments d ON d.id = n.deployment_id
   WHERE NOT r.unmanaged AND n.deleting IS NOT TRUE AND ($1::int[] IS NULL OR r.id = ANY($1))`;

export async function readRevision(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ revision: number }>('SELECT revision FROM dns_table WHERE id = 1');
  return Number(rows[0]?.revision ?? 0);
}

/** Everything, as of one moment. */
export async function readZones(pool: Pool): Promise<ZoneRows> {
  return inSnapshot(pool, async (query) => {
    const revision = await query<{ revision: number }>('SELECT revision FROM dns_table WHERE id = 1');
    const networks = await query<NetworkNaming>('SELECT id, name, category, subnet, domain, suffix FROM networks ORDER BY id');
    const zones = await query<ZoneRow>('SELECT id, name, filter, template, ttl, nameservers, contact, secondaries FROM dns_zones ORDER BY id');
    const written = await query<WrittenRow>('SELECT id, name, type, value FROM dns_records ORDER BY id');
    const allocations = await query<Allocation>(`${ALLOCATIONS} ORDER BY r.id`, [null, asksForRoles(zones)]);
    return { revision: Number(revision[0]?.revision ?? 0), networks, zones, written, allocations };
  });
}

/** What changed after `since`. `withRoles`: some zone asks for them. */
export async function readChanges(pool: Pool, since: number, withRoles: boolean): Promise<ZoneChanges> {
  return inSnapshot(pool, async (query) => {
    const [table] = await query<{ revision: number; oldest: number | null }>(
      'SELECT revision, (SELECT min(revision) FROM dns_changes) AS oldest FROM dns_table WHERE id = 1',
    );
    const revision = Number(table?.revision ?? 0);
    const changes = await query<{ allocation_id: number | null }>('SELECT DISTINCT allocation_id FROM dns_changes WHERE revision > $1 LIMIT $2', [
      since,
      MAX_SINGLE + 1,
    ]);
    // Forgotten changes, an older database put in place, or more than are worth single look-ups.
    const isLost = revision < since || (revision > since && Number(table?.oldest ?? Number.MAX_SAFE_INTEGER) > since + 1);
    const ids = changes.map((change) => change.allocation_id).filter((id) => id !== null);
    if (isLost || changes.length > MAX_SINGLE || ids.length < changes.length) return { revision, isWhole: true, allocationIds: [], allocations: [] };
    const allocations = ids.length === 0 ? [] : await query<Allocation>(ALLOCATIONS, [ids, withRoles]);
    return { revision, isWhole: false, allocationIds: ids, allocations };
  });
}

/** Whether a zone filters by role: then a bind changes names, which no trigger tells (it would be paid by each bind). */
export function asksForRoles(zones: readonly ZoneRow[]): boolean {
  return zones.some((zone) => (zone.filter?.roles ?? []).length > 0);
}

/** Raises the revision when the noderoles of the roles that zones ask for have come or gone. Safe in any number of servers. */
export async function markRoles(pool: Pool, zones: readonly ZoneRow[]): Promise<void> {
  await pool.query(
    `WITH now AS (SELECT md5(coalesce(string_agg(nr.role_id || ':' || nr.node_id, ',' ORDER BY nr.role_id, nr.node_id), '')) AS mark
                    FROM node_roles nr JOIN roles r ON r.id = nr.role_id WHERE r.name = ANY($1)),
          raised AS (UPDATE dns_table t SET revision = t.revision + 1, roles_mark = now.mark FROM now WHERE t.id = 1 AND t.roles_mark <> now.mark RETURNING t.revision)
     INSERT INTO dns_changes (revision, allocation_id) SELECT revision, NULL FROM raised`,
    [zones.flatMap((zone) => [...(zone.filter?.roles ?? [])])],
  );
}

type Query = <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>;

async function inSnapshot<T>(pool: Pool, read: (query: Query) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const result = await read(async <Row extends object>(text: string, values?: unknown[]) => (await client.query<Row>(text, values)).rows);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
