/** Takes a whole deployment back to PROPOSED: row "repropose" of the table, for all of its noderoles at once. */
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { refuseUnabortable } from '../nodes/unabortable.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

/**
 * What runs is stopped, and its machine stays taken until that is proven; what stands on it elsewhere stays as it is and waits
 * with its next run. Answers how many left their state. Safe to repeat. Throws NotFoundError; ConflictError
 * `deployment-system`, and `unabortable` for a step that may not be broken off, unless `force`.
 */
export async function proposeDeployment(
  db: { pool: Pool },
  id: number,
  actor: string,
  { force = false }: { force?: boolean | undefined } = {},
): Promise<number> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; system: boolean }>('SELECT name, system FROM deployments WHERE id = $1 FOR NO KEY UPDATE', [id]);
    if (!rows[0]) throw new NotFoundError('deployment', id);
    if (rows[0].system)
      throw new ConflictError('the system deployment keeps Prybar itself and every machine; to start nothing of it: prybar deployments pause system', {
        code: 'deployment-system',
      });
    const found = await tx.query<{ id: number }>('SELECT id FROM node_roles WHERE deployment_id = $1 ORDER BY id', [id]);
    await tx.query('SELECT lock_bulk($1)', [found.rows.map((row) => row.id)]);
    // What was bound while we waited for the locks is PROPOSED anyway.
    const committed = await tx.query<{ id: number }>(`SELECT id FROM node_roles WHERE deployment_id = $1 AND state::text <> 'PROPOSED' ORDER BY id`, [id]);
    const ids = committed.rows.map((row) => row.id);
    if (!force) await refuseUnabortable(tx, ids, 'wait until it is over, or propose with force');
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment.propose', $2, $3)`, [
      actor,
      `deployment/${id}`,
      JSON.stringify({ count: ids.length, ...(force ? { force } : {}) }),
    ]);
    await tx.query('SELECT emit_events(repropose_noderoles($1, $2))', [ids, `proposed by ${actor}`]);
    return ids.length;
  });
}
