/**
 * Steps that may not be broken off (engine-rules 17): written into the run's row before they begin, so that a cancel sees
 * them wherever it comes from, and is kept until they end.
 */
import type { Pool, Queryable } from '../db/client.js';
import { cancelNodeRole } from '../noderoles/verbs.js';
import { ConflictError, InvalidTransitionError, NotFoundError } from '../shared/errors.js';

type Turn = { runId: number; fence: number };

/** Throws ConflictError `cancelled` when the run is no longer the caller's: nothing has begun then. */
export async function beginUnabortable(db: Queryable, turn: Turn, what: string): Promise<void> {
  const { rowCount } = await db.query(`UPDATE runs SET unabortable = $3 WHERE id = $1 AND fence = $2 AND status = 'RUNNING' AND cancel_requested_at IS NULL`, [
    turn.runId,
    turn.fence,
    what.slice(0, 500),
  ]);
  if (rowCount === 0) throw new ConflictError(`run ${turn.runId} was taken away before '${what}' began`, { code: 'cancelled' });
}

/** The step is over; a cancel that came meanwhile takes effect now. Answers whether one did. */
export async function endUnabortable(pool: Pool, turn: Turn): Promise<boolean> {
  const { rows } = await pool.query<{ node_role_id: number; cancel_by: string | null; asked: boolean }>(
    `UPDATE runs SET unabortable = NULL WHERE id = $1 AND fence = $2 AND status = 'RUNNING' RETURNING node_role_id, cancel_by, cancel_requested_at IS NOT NULL AS asked`,
    [turn.runId, turn.fence],
  );
  const row = rows[0];
  if (!row?.asked) return false;
  await cancel(pool, row.node_role_id, row.cancel_by);
  return true;
}

/** Cancels that waited for a step whose end nobody told: the wait is over, or its worker died. For the sweep. Returns how many. */
export async function applyCancels(db: { pool: Pool }): Promise<number> {
  const { rows } = await db.pool.query<{ node_role_id: number; cancel_by: string | null }>(
    `SELECT node_role_id, cancel_by FROM runs
      WHERE cancel_requested_at IS NOT NULL AND ended_at IS NULL AND stopping_at IS NULL AND (unabortable IS NULL OR status = 'WAKING') ORDER BY id LIMIT 100`,
  );
  for (const row of rows) await cancel(db.pool, row.node_role_id, row.cancel_by);
  return rows.length;
}

async function cancel(pool: Pool, nodeRoleId: number, by: string | null): Promise<void> {
  try {
    await cancelNodeRole({ pool }, nodeRoleId, by ?? 'unknown');
  } catch (error) {
    // It ended meanwhile: there is nothing left to cancel.
    if (!(error instanceof InvalidTransitionError) && !(error instanceof NotFoundError)) throw error;
  }
}
