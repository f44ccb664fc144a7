/** What an operator may do to one noderole. Each verb is one event of the table (`state.ts`) or a write of its data. */
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import type { JsonObject } from '../shared/json.js';
import { ConflictError, InvalidTransitionError, NotFoundError } from '../shared/errors.js';
import { moveNodeRole, type Moved } from './store.js';

type HasPool = { pool: Pool };

/** ERROR -> ready, with its tries counted anew. */
export const retryNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'retry' }, actor);

/** TRANSITION -> ERROR `cancelled` at once; the node stays taken until the stop is proven. */
export const cancelNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'cancel' }, actor);

/** Back to PROPOSED; what runs is stopped. */
export const proposeNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'repropose' }, actor);

/** Proposes data; the next commit of its deployment makes it count. Replaces what was proposed before. */
export async function setNodeRoleData(db: HasPool, id: number, data: JsonObject, actor: string): Promise<void> {
  const { rowCount } = await db.pool.query(
    `WITH kept AS (UPDATE node_roles SET proposed_data = $2, version = version + 1 WHERE id = $1 RETURNING id)
     INSERT INTO audit (actor, action, target, detail) SELECT $3, 'noderole.data', 'noderole/' || kept.id, $2 FROM kept`,
    [id, JSON.stringify(data), actor],
  );
  if (rowCount === 0) throw new NotFoundError('noderole', id);
}

/** Removes a noderole that is PROPOSED and never ran, together with nothing else: its children must be gone first. */
export async function unbindNodeRole(db: HasPool, id: number, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    // Locked first, in a statement of its own: a child bound while we wait for the lock must be seen (engine-rules 2).
    await tx.query('SELECT 1 FROM node_roles WHERE id = $1 FOR UPDATE', [id]);
    const { rows } = await tx.query<{
      state: string;
      node_id: number;
      role_id: number;
      deployment_id: number;
      version: number;
      ran: boolean;
      children: string[];
    }>(
      `SELECT nr.state, nr.node_id, nr.role_id, nr.deployment_id, nr.version, EXISTS (SELECT 1 FROM runs r WHERE r.node_role_id = nr.id AND r.status <> 'ENDED') AS ran,
              coalesce((SELECT array_agg(cr.name || '@' || cn.name ORDER BY c.id) FROM node_role_edges e JOIN node_roles c ON c.id = e.child_id JOIN roles cr ON cr.id = c.role_id JOIN nodes cn ON cn.id = c.node_id WHERE e.parent_id = nr.id AND NOT c.barrier), '{}') AS children
         FROM node_roles nr WHERE nr.id = $1`,
      [id],
    );
    const row = rows[0];
    if (!row) throw new NotFoundError('noderole', id);
    if (row.state !== 'PROPOSED')
      throw new InvalidTransitionError(`noderole ${id} is ${row.state}; propose it first (PUT /api/v2/node_roles/${id}/propose), then unbind it`);
    if (row.ran) throw new ConflictError(`noderole ${id}: its last run is still being stopped`, { code: 'stopping' });
    if (row.children.length > 0)
      throw new ConflictError(
        `noderole ${id} is the parent of ${row.children.slice(0, 5).join(', ')}${row.children.length > 5 ? ` and ${row.children.length - 5} more` : ''}; unbind those first`,
        { code: 'has-children' },
      );
    await tx.query('SELECT emit_events(leave_barriers(ARRAY[$1::int]))', [id]);
    await tx.query('DELETE FROM node_roles WHERE id = $1', [id]);
    await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'noderole.unbind', $2)`, [actor, `noderole/${id}`]);
    await writeEvents(tx, [
      {
        kind: 'noderole-changed',
        subjectType: 'noderole',
        subjectId: id,
        version: row.version + 1,
        data: { from: 'PROPOSED', to: 'NONE', node_id: row.node_id, role_id: row.role_id, deployment_id: row.deployment_id, reason: 'unbound' },
      },
    ]);
  });
}
