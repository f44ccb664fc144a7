/**
 * Deleting a node, in two steps (engine-rules 25): first it is marked, wanted by nobody and taken out of the DHCP table;
 * when every boot server has confirmed that it answers nothing for it any more, the rows go.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { nodeChanged, type NodeDeleted } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

/**
 * Marks the node as deleting. Throws ConflictError while a run of it lives, or while a noderole elsewhere that is not
 * PROPOSED depends on one of its noderoles. Safe to repeat.
 */
export async function deleteNode(db: Db, nodeId: number): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ deleting: boolean; kind: string }>('SELECT deleting, kind FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    const node = rows[0];
    if (node === undefined) throw new NotFoundError('node', nodeId);
    if (node.kind === 'admin') throw new ConflictError('the admin node cannot be deleted', { code: 'admin-node' });
    if (node.deleting) return;
    await refuseWhileUsed(tx, nodeId);
    const updated = await tx.query<{ version: number }>(
      `UPDATE nodes SET deleting = true, alive = false, version = version + 1,
              bootenv = 'local', boot_reason = 'node is being deleted', desired_gen = desired_gen + 1
        WHERE id = $1 RETURNING version`,
      [nodeId],
    );
    await tx.query('UPDATE node_tokens SET revoked_at = clock_timestamp() WHERE node_id = $1 AND revoked_at IS NULL', [nodeId]);
    await writeEvents(tx, [nodeChanged(nodeId, updated.rows[0]?.version ?? 0, ['deleting', 'bootenv'])]);
  });
  notify(db.pool);
}

async function refuseWhileUsed(tx: Tx, nodeId: number): Promise<void> {
  const live = await tx.query<{ id: number }>(`SELECT id FROM runs WHERE node_id = $1 AND status <> 'ENDED' ORDER BY id LIMIT 1`, [nodeId]);
  const run = live.rows[0];
  if (run !== undefined) throw new ConflictError(`run ${run.id} of the node is live: cancel its noderole first`, { code: 'node-in-use' });
  const dependants = await tx.query<{ name: string }>(
    `SELECT r.name || '@' || n.name AS name FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id
       JOIN node_roles c ON c.id = e.child_id JOIN roles r ON r.id = c.role_id JOIN nodes n ON n.id = c.node_id
      WHERE p.node_id = $1 AND c.node_id <> $1 AND c.state <> 'PROPOSED' ORDER BY c.id LIMIT 5`,
    [nodeId],
  );
  if (dependants.rows.length > 0)
    throw new ConflictError(`other nodes depend on it: ${dependants.rows.map((row) => row.name).join(', ')}; propose or unbind them first`, {
      code: 'node-in-use',
    });
}

/**
 * Removes the marked nodes whose DHCP entries are withdrawn and whose withdrawal every live DHCP server has confirmed; with
 * no server alive there is nobody to wait for. Returns their ids. Safe at any rate and in any number of processes.
 */
export async function finishDeletions(db: Db): Promise<number[]> {
  const { rows } = await db.pool.query<{ id: number }>(
    `SELECT n.id FROM nodes n
      WHERE n.deleting AND NOT EXISTS (SELECT 1 FROM dhcp_entries e WHERE e.node_id = n.id AND NOT e.deleted)
        AND NOT EXISTS (
          SELECT 1 FROM dhcp_entries e JOIN boot_servers s ON s.status IN ('serving', 'draining') AND s.lease_until > clock_timestamp()
           WHERE e.node_id = n.id AND s.served_revision < e.revision)
        AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.node_id = n.id AND r.status <> 'ENDED')
      ORDER BY n.id LIMIT 100`,
  );
  const removed: number[] = [];
  for (const row of rows) if (await removeRows(db, row.id)) removed.push(row.id);
  if (removed.length > 0) notify(db.pool);
  return removed;
}

async function removeRows(db: Db, nodeId: number): Promise<boolean> {
  return withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; version: number; macs: string[] }>(
      `SELECT n.name, n.version, ARRAY(SELECT c.mac FROM nics c WHERE c.node_id = n.id ORDER BY c.mac) AS macs
         FROM nodes n WHERE n.id = $1 AND n.deleting FOR UPDATE OF n SKIP LOCKED`,
      [nodeId],
    );
    const node = rows[0];
    if (node === undefined) return false;
    // Children elsewhere are PROPOSED; their counters stay true without the edges that go (engine-rules 3).
    await tx.query(
      `WITH counted AS (
         SELECT e.child_id, count(*)::int AS n FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id JOIN node_roles c ON c.id = e.child_id
          WHERE p.node_id = $1 AND c.node_id <> $1 AND p.committed AND p.state <> 'ACTIVE' GROUP BY e.child_id)
       UPDATE node_roles c SET pending_parents = c.pending_parents - counted.n, version = c.version + 1 FROM counted WHERE c.id = counted.child_id`,
      [nodeId],
    );
    await tx.query('DELETE FROM node_roles WHERE node_id = $1', [nodeId]);
    await tx.query('DELETE FROM reservations WHERE node_id = $1', [nodeId]);
    await tx.query('UPDATE boot_events SET node_id = NULL WHERE node_id = $1', [nodeId]);
    await tx.query('DELETE FROM nodes WHERE id = $1', [nodeId]);
    const event: NodeDeleted = {
      kind: 'node-deleted',
      subjectType: 'node',
      subjectId: nodeId,
      version: node.version + 1,
      data: { name: node.name, macs: node.macs },
    };
    await writeEvents(tx, [event]);
    return true;
  });
}
