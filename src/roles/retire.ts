/** What becomes of roles that no barclamp defines any more. */
import type { Tx } from '../db/client.js';

/** Names: `removed` are gone; `retired` stay as long as noderoles of them exist, and nothing new is bound to them. */
export type Gone = { removed: string[]; retired: string[] };

/** The names of roles in `retired` are those retired now, not those that were before. */
export async function retireOrRemove(tx: Tx, names: string[]): Promise<Gone> {
  if (names.length === 0) return { removed: [], retired: [] };
  // Locked in a statement of its own: a bind under way is waited for, and what it bound is then seen.
  await tx.query('SELECT 1 FROM roles WHERE name = ANY($1) ORDER BY id FOR UPDATE', [names]);
  await tx.query(
    `DELETE FROM deployment_roles dr USING roles ro WHERE ro.id = dr.role_id AND ro.name = ANY($1) AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.role_id = ro.id)`,
    [names],
  );
  const removed = await tx.query<{ name: string }>(
    'DELETE FROM roles ro WHERE ro.name = ANY($1) AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.role_id = ro.id) RETURNING name',
    [names],
  );
  const retired = await tx.query<{ name: string }>(
    'UPDATE roles SET retired_at = clock_timestamp() WHERE name = ANY($1) AND retired_at IS NULL RETURNING name',
    [names],
  );
  const sorted = (rows: { name: string }[]) => rows.map((row) => row.name).sort();
  return { removed: sorted(removed.rows), retired: sorted(retired.rows) };
}
