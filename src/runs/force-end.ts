/** An operator's word that nothing of a run is on its machine any more (engine-rules 1, 17). Audited. */
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

/** Ends a run that is being stopped, without proof. Throws NotFoundError, ConflictError `not-stopping`. */
export async function forceEnd(db: { pool: Pool }, ask: { runId: number; actor: string; reason: string }): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ status: string; node_role_id: number }>('SELECT status, node_role_id FROM runs WHERE id = $1 FOR NO KEY UPDATE', [
      ask.runId,
    ]);
    const run = rows[0];
    if (!run) throw new NotFoundError('run', ask.runId);
    if (run.status === 'ENDED') throw new ConflictError(`run ${ask.runId} has ended`, { code: 'not-stopping' });
    if (run.status !== 'STOPPING')
      throw new ConflictError(`run ${ask.runId} is ${run.status} and not being stopped; cancel it first: prybar noderoles cancel ${run.node_role_id}`, {
        code: 'not-stopping',
      });
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'run.force-end', $2, $3)`, [
      ask.actor,
      `run/${ask.runId}`,
      JSON.stringify({ reason: ask.reason }),
    ]);
    await tx.query('SELECT finish_stopped(ARRAY[$1::bigint], $2)', [ask.runId, `${ask.actor} says so: ${ask.reason}`]);
  });
}
