/** The target role of a node: for debugging, only that role and what it needs of the node is started (prisma/functions/19_target.sql). */
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { nodeChanged } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

/** Sets it, or takes it away with null. What runs goes on. Throws ConflictError `role-not-bound`. Safe to repeat. */
export async function setTargetRole(db: { pool: Pool }, nodeId: number, roleId: number | null, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; target_role_id: number | null }>('SELECT name, target_role_id FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [
      nodeId,
    ]);
    const node = rows[0];
    if (node === undefined) throw new NotFoundError('node', nodeId);
    if (node.target_role_id === roleId) return;
    if (roleId !== null && (await tx.query('SELECT 1 FROM node_roles WHERE node_id = $1 AND role_id = $2', [nodeId, roleId])).rowCount === 0)
      throw new ConflictError(`that role is not bound to node '${node.name}': nothing would run on it`, { code: 'role-not-bound' });
    const updated = await tx.query<{ version: number }>('UPDATE nodes SET target_role_id = $2, version = version + 1 WHERE id = $1 RETURNING version', [
      nodeId,
      roleId,
    ]);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'node.target-role', $2, $3)`, [
      actor,
      `node/${nodeId}`,
      JSON.stringify({ role: roleId }),
    ]);
    await writeEvents(tx, [nodeChanged(nodeId, updated.rows[0]?.version ?? 0, ['target_role'])]);
  });
}
