/**
 * Making, changing and deleting networks. The DHCP table's row is the lock of everything that boot servers follow, so two
 * operators never make two networks of one block; each change raises its revision and writes its event in the same transaction.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { allocationChanged, type AllocationRow, type NetworkChanged } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, ValidationError, type FieldProblem } from '../shared/errors.js';
import { NETWORK_FIELDS, readInUse, readNetwork, readOthers, type NetworkField, type NetworkRow, type RangeRow, type Router } from './read.js';
import { wishProblems, type NetworkWish } from './rules.js';

export type NetworkPatch = Partial<Record<NetworkField, unknown>> & {
  routers?: Router[] | undefined;
  ranges?: { name: string; first: string; last: string; conduit?: string | null | undefined; vlan?: number | null | undefined }[] | undefined;
};

/** Problems of the DHCP settings, which another domain knows: given by whoever asks (the API). */
export type SettingsCheck = (row: NetworkRow) => FieldProblem[];

const JSON_FIELDS: ReadonlySet<string> = new Set(['relay_modes', 'options', 'vendor_options', 'port_reservations']);

/** Makes a network. Throws ValidationError with every wrong field, ConflictError `name-taken`. */
export async function createNetwork(db: Db, patch: NetworkPatch & { name: string; subnet: string }, check: SettingsCheck): Promise<number> {
  const id = await withTransaction(db.pool, async (tx) => {
    await lockTable(tx);
    await refuseName(tx, patch.name);
    const { rows } = await tx.query<{ id: number }>('INSERT INTO networks (name, subnet) VALUES ($1, $2) RETURNING id', [patch.name, patch.subnet]);
    const made = rows[0]?.id ?? 0;
    await write(tx, made, patch, check);
    await finish(tx, made, 'created', patch.name);
    return made;
  });
  notify(db.pool);
  return id;
}

/** Changes what is given; `version`, when given, must be the present one. Throws as createNetwork, and ConflictError `stale`. */
export async function updateNetwork(db: Db, id: number, patch: NetworkPatch & { version?: number | undefined }, check: SettingsCheck): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    await lockTable(tx);
    const before = await readNetwork(tx, id);
    if (patch.version !== undefined && patch.version !== before.version)
      throw new ConflictError(`the network was changed meanwhile: it has version ${before.version}, not ${patch.version}; read it again`, { code: 'stale' });
    if (typeof patch.name === 'string' && patch.name !== before.name) await refuseName(tx, patch.name);
    await write(tx, id, patch, check);
    await tx.query('UPDATE networks SET version = version + 1 WHERE id = $1', [id]);
    await finish(tx, id, 'changed', before.name);
  });
  notify(db.pool);
}

/**
 * Deletes a network that nothing stands on, or with `force` whatever stands there: its allocations and leases go with it.
 * Throws NotFoundError, ConflictError `network-in-use`.
 */
export async function deleteNetwork(db: Db, id: number, options: { force: boolean }): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    await lockTable(tx);
    const network = await readNetwork(tx, id);
    if (!options.force && (network.allocations > 0 || network.leases > 0))
      throw new ConflictError(
        `network ${network.name} has ${network.allocations} allocations and ${network.leases} leases; delete them first, or force it, which takes the addresses away`,
        { code: 'network-in-use', details: { allocations: network.allocations, leases: network.leases } },
      );
    const given = await tx.query<AllocationRow>('DELETE FROM reservations WHERE network_id = $1 RETURNING id, network_id, address, mac, node_id', [id]);
    await tx.query('DELETE FROM networks WHERE id = $1', [id]);
    await writeEvents(
      tx,
      given.rows.map((row) => allocationChanged('deleted', row)),
    );
    await finish(tx, id, 'deleted', network.name);
  });
  notify(db.pool);
}

async function refuseName(tx: Tx, name: string): Promise<void> {
  const { rowCount } = await tx.query('SELECT 1 FROM networks WHERE name = $1', [name]);
  if (rowCount !== 0) throw new ConflictError(`a network named ${name} exists already`, { code: 'name-taken' });
}

/** Taken first by everybody who changes networks or gives addresses. */
export async function lockTable(tx: Tx): Promise<void> {
  await tx.query('SELECT 1 FROM dhcp_table WHERE id = 1 FOR UPDATE');
}

export async function raiseTable(tx: Tx): Promise<void> {
  await tx.query('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1');
}

async function finish(tx: Tx, id: number, change: NetworkChanged['data']['change'], name: string): Promise<void> {
  await raiseTable(tx);
  await writeEvents(tx, [{ kind: 'network-changed', subjectType: 'network', subjectId: id, version: 0, data: { change, name } }]);
}

/** Writes, reads back, and only then looks whether the whole is sound: what the operator did not say is judged too. */
async function write(tx: Tx, id: number, patch: NetworkPatch, check: SettingsCheck): Promise<void> {
  const fields = NETWORK_FIELDS.filter((field) => patch[field] !== undefined);
  if (fields.length > 0) {
    const values = fields.map((field) => (JSON_FIELDS.has(field) ? JSON.stringify(patch[field]) : patch[field]));
    await tx.query(`UPDATE networks SET ${fields.map((field, index) => `${field} = $${index + 2}`).join(', ')} WHERE id = $1`, [id, ...values]);
  }
  if (patch.ranges !== undefined) await writeRanges(tx, id, patch.ranges);
  if (patch.routers !== undefined) await writeRouters(tx, id, patch.routers);
  const now = await readNetwork(tx, id);
  const problems = [...wishProblems(wishOf(now), await readOthers(tx, id), await readInUse(tx, id)), ...check(now)];
  const first = problems[0];
  if (first !== undefined) throw new ValidationError(`${first.field}: ${first.message}`, problems);
}

function wishOf(row: NetworkRow): NetworkWish {
  return {
    name: row.name,
    subnet: row.subnet,
    routers: row.routers,
    ranges: row.ranges,
    dns: row.dns,
    domain: row.domain,
    conduit: row.conduit,
    team_mode: row.team_mode,
    name_template: row.name_template,
  };
}

async function writeRanges(tx: Tx, id: number, ranges: NonNullable<NetworkPatch['ranges']>): Promise<void> {
  const twice = ranges.find((range, index) => ranges.findIndex((each) => each.name === range.name) !== index);
  if (twice !== undefined)
    throw new ValidationError(`ranges: there are two named ${twice.name}`, [{ field: 'ranges', message: `two are named ${twice.name}` }]);
  const rows: RangeRow[] = ranges.map((range) => ({ ...range, conduit: range.conduit ?? null, vlan: range.vlan ?? null }));
  await tx.query('DELETE FROM network_ranges WHERE network_id = $1', [id]);
  await tx.query(
    `INSERT INTO network_ranges (network_id, name, first_address, last_address, conduit, vlan)
     SELECT $1, r.name, r.first, r.last, r.conduit, r.vlan FROM jsonb_to_recordset($2) AS r(name text, first text, last text, conduit text, vlan int)`,
    [id, JSON.stringify(rows)],
  );
}

/** The first by preference is the one that DHCP gives. */
async function writeRouters(tx: Tx, id: number, routers: readonly Router[]): Promise<void> {
  await tx.query('DELETE FROM network_routers WHERE network_id = $1', [id]);
  await tx.query(
    `INSERT INTO network_routers (network_id, address, pref) SELECT $1, r.address, r.pref FROM jsonb_to_recordset($2) AS r(address text, pref int) ON CONFLICT DO NOTHING`,
    [id, JSON.stringify(routers)],
  );
  await tx.query('UPDATE networks SET router = (SELECT address FROM network_routers WHERE network_id = $1 ORDER BY pref, address LIMIT 1) WHERE id = $1', [id]);
}
