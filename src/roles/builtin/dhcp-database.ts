/**
 * The role that keeps the DHCP table: the only writer of `dhcp_entries`. When a node comes, changes what it shall boot, its
 * NICs or its name, or goes, its entries are brought to what is true now and the table's revision rises; the boot servers
 * follow the revision and report what they serve (engine-rules 6).
 */
import type { Tx } from '../../db/client.js';
import { allOk, type HookAnswer, type HookContext, type HookItem, type RoleHooks } from '../../hooks/hooks.js';
import { planEntries, type NodeNic, type StoredEntry } from './dhcp-entries.js';

/** Parts of a node that the table shows. */
const SHOWN = new Set(['bootenv', 'nics', 'name', 'deleting', 'dhcp_options']);

export const dhcpDatabaseHooks: RoleHooks = {
  onNodeCreate: refresh,
  onNodeDelete: refresh,
  async onNodeChange(items, ctx) {
    const concerned = items.filter((item) => item.changed.some((field) => SHOWN.has(field)));
    await refresh(concerned, ctx);
    return allOk(items);
  },
};

async function refresh(items: HookItem[], ctx: HookContext): Promise<HookAnswer[]> {
  if (items.length > 0)
    await ctx.transaction((tx) =>
      rewriteEntries(
        tx,
        items.map((item) => item.subjectId),
      ),
    );
  return allOk(items);
}

/**
 * Brings the entries of the nodes to what is true now, as one revision; returns it, or null when nothing changed. Holds the
 * table's row from before it reads, so a later writer never sees less than an earlier one and revisions commit in order.
 * Also called by what changes a node's boot, in its transaction (`src/nodes/boot-table.ts`): the hook then finds nothing to do.
 */
export async function rewriteEntries(tx: Tx, nodeIds: readonly number[]): Promise<number | null> {
  await tx.query('SELECT 1 FROM dhcp_table WHERE id = 1 FOR UPDATE');
  const { nics, stored } = await readTable(tx, nodeIds);
  const plan = planEntries(nics, stored);
  if (plan.write.length === 0 && plan.withdraw.length === 0) return null;
  const raised = await tx.query<{ revision: number }>(
    `WITH raised AS (UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1 RETURNING revision),
          withdrawn AS (UPDATE dhcp_entries e SET deleted = true, revision = raised.revision FROM raised WHERE e.mac = ANY($8)),
          written AS (
     INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, boot_local, applied_gen, options, revision, deleted)
     SELECT e.mac, e.node_id, e.hostname, e.bootenv, e.boot_local, e.applied_gen, e.options::jsonb, raised.revision, false
       FROM raised, unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::boolean[], $6::int[], $7::text[])
         AS e(mac, node_id, hostname, bootenv, boot_local, applied_gen, options)
     ON CONFLICT (mac) DO UPDATE SET node_id = EXCLUDED.node_id, hostname = EXCLUDED.hostname, bootenv = EXCLUDED.bootenv,
       boot_local = EXCLUDED.boot_local, applied_gen = EXCLUDED.applied_gen, options = EXCLUDED.options, revision = EXCLUDED.revision, deleted = false)
     SELECT revision FROM raised`,
    [
      plan.write.map((entry) => entry.mac),
      plan.write.map((entry) => entry.nodeId),
      plan.write.map((entry) => entry.hostname),
      plan.write.map((entry) => entry.bootenv),
      plan.write.map((entry) => entry.bootLocal),
      plan.write.map((entry) => entry.appliedGen),
      plan.write.map((entry) => entry.options),
      plan.withdraw,
    ],
  );
  return raised.rows[0]?.revision ?? null;
}

type NicRow = { node_id: number; name: string; bootenv: string; desired_gen: number; mac: string; options: string };
type EntryRow = {
  mac: string;
  node_id: number;
  hostname: string;
  bootenv: string;
  boot_local: boolean;
  applied_gen: number;
  options: string;
  deleted: boolean;
};

/** The NICs of the nodes and every row of theirs and of their MACs, in one statement. Uses `nics_node_id_idx`, the primary key and `dhcp_entries_node_id_idx`. */
const READ = `WITH nic AS (
       SELECT n.id AS node_id, n.name, n.bootenv, n.desired_gen, c.mac, n.dhcp_options::text AS options
         FROM nodes n JOIN nics c ON c.node_id = n.id WHERE n.id = ANY($1) AND NOT n.deleting
     ), entry AS (
       SELECT e.* FROM dhcp_entries e WHERE e.node_id = ANY($1)
        UNION SELECT e.* FROM nic JOIN dhcp_entries e ON e.mac = nic.mac
     )
     SELECT to_json(nic) AS nic,
            CASE WHEN e.mac IS NOT NULL THEN json_build_object('mac', e.mac, 'node_id', e.node_id, 'hostname', e.hostname, 'bootenv', e.bootenv,
              'boot_local', e.boot_local, 'applied_gen', e.applied_gen, 'options', e.options::text, 'deleted', e.deleted) END AS entry
       FROM nic FULL JOIN entry e ON e.mac = nic.mac ORDER BY coalesce(nic.mac, e.mac)`;

async function readTable(tx: Tx, nodeIds: readonly number[]): Promise<{ nics: NodeNic[]; stored: StoredEntry[] }> {
  const { rows } = await tx.query<{ nic: NicRow | null; entry: EntryRow | null }>({ name: 'dhcp-entries-of', text: READ, values: [nodeIds] });
  return {
    nics: rows.flatMap(({ nic }) =>
      nic === null ? [] : [{ nodeId: nic.node_id, name: nic.name, bootenv: nic.bootenv, desiredGen: nic.desired_gen, mac: nic.mac, options: nic.options }],
    ),
    stored: rows.flatMap(({ entry }) =>
      entry === null
        ? []
        : [
            {
              mac: entry.mac,
              nodeId: entry.node_id,
              hostname: entry.hostname,
              bootenv: entry.bootenv,
              bootLocal: entry.boot_local,
              appliedGen: entry.applied_gen,
              options: entry.options,
              deleted: entry.deleted,
            },
          ],
    ),
  };
}
