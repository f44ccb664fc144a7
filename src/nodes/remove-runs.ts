/** What runs on a node that is being deleted (engine-rules 17, 25): stopped, except for a step that may not be broken off. */
import type { Tx } from '../db/client.js';

/**
 * Takes the runs of the node from their executors; their slots are held until the stop is proven. A step that may not be
 * broken off is waited for and cancelled at its end, unless `unabortableToo`. The caller holds the node and its noderoles.
 * Returns how many such steps there are. Safe to repeat.
 */
export async function stopWork(tx: Tx, nodeId: number, actor: string, unabortableToo: boolean): Promise<{ waitedFor: number }> {
  // Such a step begins in the run's row alone.
  await tx.query('SELECT 1 FROM runs WHERE node_id = $1 AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE', [nodeId]);
  const asked = await tx.query(
    `UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()), cancel_by = coalesce(cancel_by, $2)
      WHERE node_id = $1 AND ended_at IS NULL AND status IN ('RUNNING', 'WAITING') AND unabortable IS NOT NULL AND NOT $3`,
    [nodeId, actor, unabortableToo],
  );
  const reason = `the node is being deleted by ${actor}`;
  const { rows } = await tx.query<{ id: number }>(
    `SELECT id FROM runs WHERE node_id = $1 AND ended_at IS NULL AND status <> 'STOPPING'
        AND ($2 OR unabortable IS NULL OR status NOT IN ('RUNNING', 'WAITING')) ORDER BY id`,
    [nodeId, unabortableToo],
  );
  const stopped = rows.map((row) => row.id);
  if (stopped.length > 0) await tx.query(`SELECT emit_events(stop_runs($1, 'cancelled', $2))`, [stopped, reason]);
  await tx.query(
    `WITH moved AS (
       UPDATE node_roles nr SET state = CASE WHEN nr.pending_parents <= nr.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END, current_run_id = NULL, last_ok_hash = NULL,
              version = nr.version + 1, changed_at = clock_timestamp()
        WHERE nr.node_id = $1 AND nr.state::text = 'TRANSITION'
          AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = nr.current_run_id AND r.ended_at IS NULL AND r.status <> 'STOPPING')
       RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id)
     SELECT emit_events(array_agg(noderole_event(m.id, m.version, 'TRANSITION', m.state, m.node_id, m.role_id, m.deployment_id, 'the node is being deleted') ORDER BY m.id)) FROM moved m`,
    [nodeId],
  );
  return { waitedFor: asked.rowCount ?? 0 };
}
