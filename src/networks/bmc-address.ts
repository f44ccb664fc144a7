/** The address of a node's BMC: on the network of category `bmc` of its group (engine.md 1.6), reserved and named (netboot-rules 8). */
import { withTransaction, type Db, type Queryable, type Tx } from '../db/client.js';
import { allocationChanged, type AllocationRow } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { lockTable, raiseTable } from './change.js';
import { planAddresses, type Wanting } from './plan.js';

type BmcNetwork = { id: number; name: string; subnet: string; first: string | null; last: string | null };

/**
 * The address that the node's BMC has, or gets now: what was reserved for its MAC, its hint, the host part the node has on the
 * admin network of the group, the first free one. `mac`: the BMC's; absent, the address is recorded and named, and set there by hand.
 * Safe to repeat. Throws NotFoundError, ValidationError without such a network, ConflictError `range-full` and `mac-taken`.
 */
export async function giveBmcAddress(db: Db, nodeId: number, mac: string | undefined): Promise<string> {
  const address = await withTransaction(db.pool, async (tx) => {
    const { rowCount } = await tx.query('SELECT 1 FROM nodes WHERE id = $1 AND NOT deleting FOR KEY SHARE', [nodeId]);
    if (rowCount === 0) throw new NotFoundError('node', nodeId);
    await lockTable(tx);
    const network = await networkFor(tx, nodeId);
    return (await kept(tx, { nodeId, mac, network })) ?? (await given(tx, { nodeId, mac, network }));
  });
  notify(db.pool);
  return address;
}

/** Of the group in which the node has an address on an admin network, else the first; a deployment's network is for its nodes alone. */
async function networkFor(db: Queryable, nodeId: number): Promise<BmcNetwork> {
  const { rows } = await db.query<BmcNetwork>(
    `WITH RECURSIVE up AS (SELECT d.id, d.parent_id FROM deployments d JOIN nodes n ON n.deployment_id = d.id WHERE n.id = $1
                           UNION SELECT d.id, d.parent_id FROM deployments d JOIN up ON d.id = up.parent_id)
     SELECT n.id, n.name, n.subnet, g.first_address AS first, g.last_address AS last
       FROM networks n LEFT JOIN LATERAL (SELECT * FROM network_ranges x WHERE x.network_id = n.id AND x.name IN ('bmc', 'host') ORDER BY x.name LIMIT 1) g ON true
      WHERE n.category = 'bmc' AND (n.deployment_id IS NULL OR n.deployment_id IN (SELECT id FROM up))
      ORDER BY EXISTS (SELECT 1 FROM reservations r JOIN networks a ON a.id = r.network_id
                        WHERE r.node_id = $1 AND a.category = 'admin' AND a.group_name = n.group_name) DESC, n.id LIMIT 1`,
    [nodeId],
  );
  const network = rows[0];
  const make = 'prybar networks create oob SUBNET --category bmc --range bmc=FIRST-LAST --dhcp-mode reservations';
  if (network === undefined) throw missing(`give the BMC's own, or make a network for BMCs: ${make}`);
  if (network.first === null) throw missing(`give the BMC's own, or give network ${network.name} a range bmc`);
  return network;
}

const missing = (message: string): ValidationError => new ValidationError(`address: ${message}`, [{ field: 'address', message }]);

type Ask = { nodeId: number; mac: string | undefined; network: BmcNetwork };

/** What is the BMC's already: the node's address there, or one that an operator reserved for its MAC beforehand. */
async function kept(tx: Tx, { nodeId, mac, network }: Ask): Promise<string | null> {
  const { rows } = await tx.query<AllocationRow>(
    'SELECT id, network_id, address, mac, node_id FROM reservations WHERE network_id = $1 AND (node_id = $2 OR mac = $3) ORDER BY node_id = $2 DESC NULLS LAST',
    [network.id, nodeId, mac ?? null],
  );
  const [own, other] = rows;
  if (own === undefined) return null;
  const strange = [own, other].find((row) => row !== undefined && row.node_id !== nodeId && row.node_id !== null);
  if (strange !== undefined || (other !== undefined && own.mac !== mac))
    throw new ConflictError(`${mac} has ${(strange ?? other)?.address} on network ${network.name} already; delete that allocation first`, {
      code: 'mac-taken',
    });
  // A board that was replaced has another MAC and keeps the address.
  if (own.node_id === nodeId && (mac === undefined || own.mac === mac)) return own.address;
  await tx.query('UPDATE reservations SET node_id = $2, mac = coalesce($3, mac) WHERE id = $1', [own.id, nodeId, mac ?? null]);
  await tell(tx, { ...own, node_id: nodeId, mac: mac ?? own.mac });
  return own.address;
}

async function given(tx: Tx, { nodeId, mac, network }: Ask): Promise<string> {
  const planned = planAddresses(
    { subnet: network.subnet, first: network.first ?? '', last: network.last ?? '' },
    [await wishOf(tx, nodeId, network)],
    await takenOn(tx, network.id),
  );
  const address = planned.get(nodeId) ?? null;
  if (address === null)
    throw new ConflictError(`network ${network.name} has no free address for a BMC (${network.first} to ${network.last}); enlarge its range`, {
      code: 'range-full',
    });
  const { rows } = await tx.query<AllocationRow>(
    'INSERT INTO reservations (network_id, address, mac, node_id) VALUES ($1, $2, $3, $4) RETURNING id, network_id, address, mac, node_id',
    [network.id, address, mac ?? null, nodeId],
  );
  for (const row of rows) await tell(tx, row);
  return address;
}

async function wishOf(db: Queryable, nodeId: number, network: BmcNetwork): Promise<Wanting> {
  const { rows } = await db.query<{ hint: string | null; address: string | null; subnet: string | null }>(
    `SELECT n.hint -> 'addresses' ->> $2 AS hint, a.address, a.subnet
       FROM nodes n LEFT JOIN LATERAL (
         SELECT r.address, w.subnet FROM reservations r JOIN networks w ON w.id = r.network_id JOIN networks b ON b.id = $3
          WHERE r.node_id = n.id AND w.category = 'admin' AND w.group_name = b.group_name ORDER BY w.id, r.id LIMIT 1) a ON true
      WHERE n.id = $1`,
    [nodeId, network.name, network.id],
  );
  const { hint = null, address = null, subnet = null } = rows[0] ?? {};
  return { nodeId, hint, admin: address === null || subnet === null ? null : { address, subnet } };
}

async function takenOn(db: Queryable, networkId: number): Promise<string[]> {
  const { rows } = await db.query<{ address: string }>(
    `SELECT address FROM reservations WHERE network_id = $1
     UNION SELECT address FROM leases WHERE network_id = $1 AND state IN ('active', 'declined') AND expires_at > clock_timestamp()
     UNION SELECT address FROM network_routers WHERE network_id = $1`,
    [networkId],
  );
  return rows.map((row) => row.address);
}

async function tell(tx: Tx, row: AllocationRow): Promise<void> {
  await raiseTable(tx);
  await writeEvents(tx, [allocationChanged('created', row)]);
}
