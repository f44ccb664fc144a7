/** Networks with what stands on them, for lists and for the rules that a change must meet. */
import type { Queryable, Tx } from '../db/client.js';
import { NotFoundError } from '../shared/errors.js';
import type { InUse, OtherNetwork } from './rules.js';

/** The columns an operator sets, by their names in the database and in the API. */
export const NETWORK_FIELDS = [
  'name',
  'category',
  'description',
  'subnet',
  'dns',
  'domain',
  'dhcp_mode',
  'lease_seconds',
  'identify_by',
  'min_secs',
  'server_identifier',
  'boot_host',
  'unknown_quota',
  'quiet_ra',
  'legacy_boot_default',
  'relays',
  'relay_modes',
  'options',
  'vendor_options',
  'port_reservations',
  'deployment_id',
  'group_name',
  'vlan',
  'conduit',
  'team_mode',
  'bridge',
  'suffix',
  'name_template',
  'configure',
] as const;
export type NetworkField = (typeof NETWORK_FIELDS)[number];

export type Router = { address: string; pref: number };
export type RangeRow = { name: string; first: string; last: string; conduit: string | null; vlan: number | null };
/** How full: addresses in it, those that are a machine's own, and those leased besides. */
export type RangeUse = { size: number; allocated: number; leased: number };

export type NetworkRow = Record<Exclude<NetworkField, 'name' | 'subnet' | 'domain' | 'conduit' | 'team_mode' | 'name_template' | 'dns'>, unknown> & {
  id: number;
  name: string;
  subnet: string;
  domain: string;
  dns: string[];
  conduit: string | null;
  team_mode: number | null;
  name_template: string | null;
  version: number;
  deployment: string | null;
  routers: Router[];
  ranges: (RangeRow & RangeUse)[];
  allocations: number;
  leases: number;
};

const NUMBER = (column: string) => `(${column}::inet - '0.0.0.0'::inet)`;

/** Counted by one pass over the allocations and leases of the networks asked for. */
const SELECT = `SELECT n.id, n.version, ${NETWORK_FIELDS.map((field) => `n.${field}`).join(', ')}, d.name AS deployment,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('address', r.address, 'pref', r.pref) ORDER BY r.pref, r.address::inet), '[]') FROM network_routers r WHERE r.network_id = n.id) AS routers,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('name', g.name, 'first', g.first_address, 'last', g.last_address, 'conduit', g.conduit, 'vlan', g.vlan,
              'size', ${NUMBER('g.last_address')} - ${NUMBER('g.first_address')} + 1,
              'allocated', (SELECT count(*) FROM reservations r WHERE r.network_id = n.id AND r.address::inet BETWEEN g.first_address::inet AND g.last_address::inet),
              'leased', (SELECT count(*) FROM leases l WHERE l.network_id = n.id AND l.state = 'active' AND l.expires_at > clock_timestamp()
                           AND l.address::inet BETWEEN g.first_address::inet AND g.last_address::inet
                           AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.address = l.address))) ORDER BY g.id), '[]')
       FROM network_ranges g WHERE g.network_id = n.id) AS ranges,
    (SELECT count(*)::int FROM reservations r WHERE r.network_id = n.id) AS allocations,
    (SELECT count(*)::int FROM leases l WHERE l.network_id = n.id AND l.state = 'active' AND l.expires_at > clock_timestamp()) AS leases
  FROM networks n LEFT JOIN deployments d ON d.id = n.deployment_id`;

export type NetworkFilter = { category?: string | undefined; q?: string | undefined };

/** `take` networks after the id, and how many the filter has. */
export async function listNetworks(
  db: Queryable,
  filter: NetworkFilter,
  window: { afterId: number; take: number },
): Promise<{ rows: NetworkRow[]; total: number }> {
  const where = `($1::text IS NULL OR n.category = $1) AND ($2::text IS NULL OR position($2 in n.name) > 0 OR position($2 in n.subnet) > 0 OR position($2 in n.description) > 0)`;
  const values = [filter.category ?? null, filter.q ?? null];
  const rows = await db.query<NetworkRow>(`${SELECT} WHERE n.id > $3 AND ${where} ORDER BY n.id LIMIT $4`, [...values, window.afterId, window.take]);
  const total = await db.query<{ count: number }>(`SELECT count(*)::int AS count FROM networks n WHERE ${where}`, values);
  return { rows: rows.rows, total: total.rows[0]?.count ?? 0 };
}

export async function readNetwork(db: Queryable, id: number): Promise<NetworkRow> {
  const { rows } = await db.query<NetworkRow>(`${SELECT} WHERE n.id = $1`, [id]);
  if (rows[0] === undefined) throw new NotFoundError('network', id);
  return rows[0];
}

/** Id of a network by id or name. Throws NotFoundError. */
export async function networkId(db: Queryable, key: string): Promise<number> {
  const isId = /^\d{1,9}$/.test(key);
  const { rows } = await db.query<{ id: number }>(isId ? 'SELECT id FROM networks WHERE id = $1::int' : 'SELECT id FROM networks WHERE name = $1', [key]);
  if (rows[0] === undefined) throw new NotFoundError('network', key);
  return rows[0].id;
}

/** The networks besides one, for overlaps of blocks and conduits. */
export async function readOthers(tx: Tx, id: number | null): Promise<OtherNetwork[]> {
  const { rows } = await tx.query<OtherNetwork>(
    `SELECT n.name, n.subnet, array_remove(ARRAY[n.conduit] || ARRAY(SELECT r.conduit FROM network_ranges r WHERE r.network_id = n.id), NULL) AS conduits
       FROM networks n WHERE n.id IS DISTINCT FROM $1 ORDER BY n.id`,
    [id],
  );
  return rows;
}

/** What is allocated and leased on a network now. */
export async function readInUse(tx: Tx, id: number): Promise<InUse> {
  const allocations = await tx.query<InUse['allocations'][number]>(
    `SELECT r.address, coalesce(r.hostname, n.name, r.mac, 'recorded') AS of FROM reservations r LEFT JOIN nodes n ON n.id = r.node_id WHERE r.network_id = $1 ORDER BY r.address::inet`,
    [id],
  );
  const leases = await tx.query<InUse['leases'][number]>(
    `SELECT address, mac AS of FROM leases WHERE network_id = $1 AND state = 'active' AND expires_at > clock_timestamp() ORDER BY address::inet`,
    [id],
  );
  return { allocations: allocations.rows, leases: leases.rows };
}
