/**
 * The role that keeps the DHCP table `dhcp_entries`. When a node comes, changes what it shall boot, its
 * NICs or its name, or goes, its entries are brought to what is true now and the table's revision rises; the boot servers
 * follow the revision and report what they serve (engine-rules 6). prisma/functions/84_dhcp_entries.sql writes; it is called as well
 * by the functions that change what a node boots, in their transactions.
 */
import type { Tx } from '../../db/client.js';
import { allOk, type HookAnswer, type HookContext, type HookItem, type RoleHooks } from '../../hooks/hooks.js';

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
 * Brings the entries of the nodes to what is true now, as one revision; returns it, or null when nothing changed. Whatever
 * changes a node's boot has done so with its own commit: then there is nothing to do here.
 */
export async function rewriteEntries(tx: Tx, nodeIds: readonly number[]): Promise<number | null> {
  // Nodes before the table, as everybody: an entry refers to its node, and whoever deletes that has it and waits for the table.
  await tx.query('SELECT 1 FROM nodes WHERE id = ANY($1::int[]) ORDER BY id FOR KEY SHARE', [nodeIds]);
  const { rows } = await tx.query<{ revision: number | null }>('SELECT rewrite_dhcp_entries($1) AS revision', [nodeIds]);
  return rows[0]?.revision ?? null;
}
