/** The recall: nothing of a deployment is claimed any more (engine-rules 17). */
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import { cancelNodeRole } from '../noderoles/verbs.js';
import { InvalidTransitionError, NotFoundError } from '../shared/errors.js';

/**
 * Back to proposed: what runs settles normally; with `stop` it is cancelled, one noderole after the other, and ends in
 * ERROR `cancelled`. Answers how many were. Safe to repeat.
 */
export async function recallDeployment(db: { pool: Pool }, id: number, actor: string, { stop = false }: { stop?: boolean | undefined } = {}): Promise<number> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ revision: number }>('UPDATE deployments SET committed_at = NULL WHERE id = $1 RETURNING revision', [id]);
    if (!rows[0]) throw new NotFoundError('deployment', id);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment.recall', $2, $3)`, [
      actor,
      `deployment/${id}`,
      JSON.stringify({ stop }),
    ]);
    await writeEvents(tx, [
      { kind: 'deployment-changed', subjectType: 'deployment', subjectId: id, version: rows[0].revision, data: { changed: ['committed_at'] } },
    ]);
  });
  if (!stop) return 0;
  // The recall is committed: nothing new of it enters TRANSITION, so this list is complete.
  const { rows } = await db.pool.query<{ id: number }>(`SELECT id FROM node_roles WHERE deployment_id = $1 AND state::text = 'TRANSITION' ORDER BY id`, [id]);
  let cancelled = 0;
  for (const row of rows) {
    try {
      await cancelNodeRole(db, row.id, actor);
      cancelled++;
    } catch (error) {
      // It ended by itself meanwhile.
      if (!(error instanceof InvalidTransitionError)) throw error;
    }
  }
  return cancelled;
}
