/**
 * Who is alive no more. Alive is derived from heartbeats (engine-rules 21): a machine that was silent for the grace loses
 * it here, in one place, under the lock of its row, so that no claim races it (engine-rules 10).
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { nodeChanged } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';

const NODES_PER_PASS = 500;

/**
 * Takes alive from the machines whose last heartbeat is older than the grace; returns their ids. Rows that somebody holds
 * are left for the next sweep. Admin and phantom nodes have no heartbeat and are never touched. Safe to repeat.
 */
export async function sweepAlive(db: Db, graceSeconds: number): Promise<number[]> {
  const lost = await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ id: number }>(
      `SELECT n.id FROM nodes n LEFT JOIN node_status s ON s.node_id = n.id
        WHERE n.alive AND n.kind = 'machine'
          AND (s.heartbeat_at IS NULL OR s.heartbeat_at < clock_timestamp() - make_interval(secs => $1))
        ORDER BY n.id LIMIT $2 FOR NO KEY UPDATE OF n SKIP LOCKED`,
      [graceSeconds, NODES_PER_PASS],
    );
    if (rows.length === 0) return [];
    return loseAlive(
      tx,
      rows.map((row) => row.id),
      graceSeconds,
    );
  });
  if (lost.length > 0) notify(db.pool);
  return lost;
}

/** Looked at again in a statement of its own: a heartbeat may have come while the rows were being locked. */
async function loseAlive(tx: Tx, nodeIds: number[], graceSeconds: number): Promise<number[]> {
  const { rows } = await tx.query<{ id: number; version: number }>(
    `UPDATE nodes n SET alive = false, version = n.version + 1
      WHERE n.id = ANY($1) AND n.alive AND NOT EXISTS (
        SELECT 1 FROM node_status s WHERE s.node_id = n.id AND s.heartbeat_at >= clock_timestamp() - make_interval(secs => $2))
     RETURNING n.id, n.version`,
    [nodeIds, graceSeconds],
  );
  await writeEvents(
    tx,
    rows.map((row) => nodeChanged(row.id, row.version, ['alive'])),
  );
  return rows.map((row) => row.id);
}

/**
 * The BMC has confirmed that the machine lost power: what ran in `bootId` runs no more. Does nothing when the node has
 * booted since. Faster than the grace, never in conflict with it.
 */
export async function recordPowerLoss(db: Db, nodeId: number, bootId: string | null): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    const { rows } = await tx.query<{ version: number }>(
      `UPDATE nodes n SET alive = false, version = n.version + 1
        WHERE n.id = $1 AND n.alive AND n.kind = 'machine'
          AND NOT EXISTS (SELECT 1 FROM node_status s WHERE s.node_id = n.id AND s.boot_id IS DISTINCT FROM $2)
       RETURNING n.version`,
      [nodeId, bootId],
    );
    const row = rows[0];
    if (row !== undefined) await writeEvents(tx, [nodeChanged(nodeId, row.version, ['alive'])]);
  });
  notify(db.pool);
}
