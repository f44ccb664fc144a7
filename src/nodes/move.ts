/**
 * Moving a node to another deployment (engine-rules 25). What was only proposed for it in the old one and never ran comes
 * along, with everything below it; anything else forbids the move and is named.
 */
import type { Db, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { nodeChanged } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

export type Move = { from: number; to: number; noderoles: number[] };

/** Safe to repeat: a node that is there already stays. Throws NotFoundError, ConflictError `node-in-use` or `node-deleting`. */
export async function moveNode(db: Db, nodeId: number, deploymentId: number, actor: string): Promise<Move> {
  const move = await withRetriedTransaction(db.pool, async (tx) => {
    // Deployments come before nodes in the lock order.
    const { rowCount } = await tx.query(
      'SELECT 1 FROM deployments WHERE id = $1 OR id = (SELECT deployment_id FROM nodes WHERE id = $2) ORDER BY id FOR SHARE',
      [deploymentId, nodeId],
    );
    const { rows } = await tx.query<{ deployment_id: number; deleting: boolean; kind: string }>(
      'SELECT deployment_id, deleting, kind FROM nodes WHERE id = $1 FOR NO KEY UPDATE',
      [nodeId],
    );
    const node = rows[0];
    if (node === undefined) throw new NotFoundError('node', nodeId);
    if (rowCount === 0) throw new NotFoundError('deployment', deploymentId);
    if (node.kind !== 'machine') throw new ConflictError(`a node of kind ${node.kind} stays in its deployment`, { code: `${node.kind}-node` });
    if (node.deleting) throw new ConflictError('the node is being deleted', { code: 'node-deleting' });
    const noderoles = node.deployment_id === deploymentId ? [] : await dragNodeRoles(tx, { nodeId, from: node.deployment_id, to: deploymentId });
    if (node.deployment_id === deploymentId) return { from: deploymentId, to: deploymentId, noderoles };
    const updated = await tx.query<{ version: number }>('UPDATE nodes SET deployment_id = $2, version = version + 1 WHERE id = $1 RETURNING version', [
      nodeId,
      deploymentId,
    ]);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'node.move', $2, $3)`, [
      actor,
      `node/${nodeId}`,
      JSON.stringify({ from: node.deployment_id, to: deploymentId, noderoles }),
    ]);
    await writeEvents(tx, [nodeChanged(nodeId, updated.rows[0]?.version ?? 0, ['deployment'])]);
    return { from: node.deployment_id, to: deploymentId, noderoles };
  });
  notify(db.pool);
  return move;
}

type Row = { id: number; name: string; state: string; fixed: boolean; outside: string[]; unseen: string[] };

/** In the caller's transaction, which holds deployments and node. Answers the noderoles that came along. Throws ConflictError `node-in-use`. */
export async function dragNodeRoles(tx: Tx, { nodeId, from, to }: { nodeId: number; from: number; to: number }): Promise<number[]> {
  await tx.query('SELECT 1 FROM node_roles WHERE node_id = $1 AND deployment_id = $2 ORDER BY id FOR NO KEY UPDATE', [nodeId, from]);
  const { rows } = await tx.query<Row>(
    `WITH RECURSIVE seen AS (SELECT id, parent_id FROM deployments WHERE id = $3 UNION ALL SELECT d.id, d.parent_id FROM deployments d JOIN seen ON d.id = seen.parent_id)
     SELECT nr.id, r.name, nr.state, nr.state <> 'PROPOSED' OR nr.committed OR EXISTS (SELECT 1 FROM runs u WHERE u.node_role_id = nr.id) AS fixed,
            ARRAY(SELECT cr.name || '@' || cn.name FROM node_role_edges e JOIN node_roles c ON c.id = e.child_id JOIN roles cr ON cr.id = c.role_id JOIN nodes cn ON cn.id = c.node_id
                   WHERE e.parent_id = nr.id AND (c.node_id <> $1 OR c.deployment_id <> $2) ORDER BY c.id) AS outside,
            ARRAY(SELECT pr.name || '@' || pn.name FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id JOIN roles pr ON pr.id = p.role_id JOIN nodes pn ON pn.id = p.node_id
                   WHERE e.child_id = nr.id AND p.node_id <> $1 AND p.deployment_id NOT IN (SELECT id FROM seen) ORDER BY p.id) AS unseen
       FROM node_roles nr JOIN roles r ON r.id = nr.role_id JOIN deployments d ON d.id = nr.deployment_id
      WHERE nr.node_id = $1 AND nr.deployment_id = $2 AND NOT d.system ORDER BY nr.id`,
    [nodeId, from, to],
  );
  const reasons = rows.flatMap((row) => [
    ...(row.fixed ? [`${row.name} ${row.state === 'PROPOSED' ? 'was committed or has run' : `is ${row.state}`}`] : []),
    ...(row.outside.length > 0 ? [`${row.outside.join(', ')} depends on ${row.name} and would stay behind`] : []),
    ...(row.unseen.length > 0 ? [`${row.name} depends on ${row.unseen.join(', ')}, which the other deployment does not see`] : []),
  ]);
  if (reasons.length > 0)
    throw new ConflictError(`the node cannot be moved: ${reasons.slice(0, 10).join('; ')}. Unbind those first`, { code: 'node-in-use', details: { reasons } });
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return [];
  await tx.query(
    'INSERT INTO deployment_roles (deployment_id, role_id) SELECT DISTINCT $2::int, role_id FROM node_roles WHERE id = ANY($1) ON CONFLICT DO NOTHING',
    [ids, to],
  );
  await tx.query(
    `WITH moved AS (UPDATE node_roles SET deployment_id = $2, version = version + 1 WHERE id = ANY($1) RETURNING id, version, state, node_id, role_id, deployment_id)
     SELECT emit_events(array_agg(noderole_event(m.id, m.version, m.state, m.state, m.node_id, m.role_id, m.deployment_id, 'moved with its node') ORDER BY m.id)) FROM moved m`,
    [ids, to],
  );
  return ids;
}
