/** Roles flagged `discovery` go onto every discovered machine, and are committed at once (engine.md 1.3). */
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { AppError } from '../shared/errors.js';
import { bindRole } from './bind.js';
import type { Governed, VetoPort } from './vetoes.js';

/** Commits these noderoles alone, whatever else of their deployment is proposed. Safe to repeat. */
export async function commitNodeRoles(db: Governed, ids: number[]): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    await tx.query(
      'SELECT 1 FROM node_roles WHERE id = ANY($1) OR id IN (SELECT child_id FROM node_role_edges WHERE parent_id = ANY($1)) ORDER BY id FOR NO KEY UPDATE',
      [ids],
    );
    if (db.vetoes !== undefined) await askAll(tx, db.vetoes, ids);
    await tx.query('SELECT emit_events(c.events) FROM commit_noderoles($1) c', [ids]);
  });
}

async function askAll(tx: Tx, vetoes: VetoPort, ids: number[]): Promise<void> {
  const { rows } = await tx.query<{ deployment_id: number; ids: number[] }>(
    `SELECT deployment_id, array_agg(id ORDER BY id) AS ids FROM node_roles WHERE id = ANY($1) AND state::text = 'PROPOSED' GROUP BY deployment_id ORDER BY deployment_id`,
    [ids],
  );
  for (const row of rows) await vetoes.onCommit(tx, { deploymentId: row.deployment_id, nodeRoleIds: row.ids });
}

/** Binds and commits the discovery roles of a machine in its own deployment, each by itself. Safe to repeat. Throws the first refusal, after the others. */
export async function bindDiscoveryRoles(db: Governed, nodeId: number): Promise<void> {
  const { rows } = await db.pool.query<{ role_id: number; deployment_id: number }>(
    `SELECT ro.id AS role_id, n.deployment_id FROM roles ro, nodes n
      WHERE n.id = $1 AND n.kind = 'machine' AND NOT n.deleting AND 'discovery' = ANY(ro.flags) AND ro.retired_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.role_id = ro.id AND nr.node_id = n.id AND nr.committed)
      ORDER BY ro.cohort, ro.id`,
    [nodeId],
  );
  const refused = await bindEach(
    db,
    rows.map((row) => ({ roleId: row.role_id, nodeId, deploymentId: row.deployment_id })),
    'discovery',
  );
  if (refused[0] !== undefined) throw refused[0].error;
}

/**
 * Binds and commits each wish in a transaction of its own: one role that cannot be bound, because it conflicts with
 * another or a role of it objects, must not keep the others from the node. Answers what was refused.
 */
export async function bindEach(
  db: Governed,
  wishes: readonly { roleId: number; nodeId: number; deploymentId: number }[],
  actor: string,
): Promise<{ roleId: number; error: AppError }[]> {
  const refused: { roleId: number; error: AppError }[] = [];
  for (const wish of wishes) {
    try {
      const bound = await bindRole(db, { ...wish, actor });
      await commitNodeRoles(db, [bound.nodeRoleId, ...bound.created]);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      refused.push({ roleId: wish.roleId, error });
    }
  }
  return refused;
}
