/** Deletes a deployment, alone or with everything below it. */
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { nodeChanged } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

type Found = { name: string; system: boolean; parent_id: number | null; children: string[]; live: string[]; needed: string[] };
const SHOWN = 5;

/**
 * Refused while a noderole of it is committed, still being stopped, or needed by another deployment; the reason names
 * them and what to do. Its nodes go to the parent deployment. `recursive`: those below it first, all or nothing.
 */
export async function deleteDeployment(db: { pool: Pool }, id: number, actor: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    // Locks first, in a statement of its own: what is read below then shows what came while we waited for them.
    const tree = await lockTree(tx, id, recursive);
    await tx.query('SELECT 1 FROM node_roles WHERE deployment_id = ANY($1) ORDER BY id FOR UPDATE', [tree]);
    for (const one of tree) await deleteOne(tx, one, tree, actor);
  });
}

/** The deployments to delete, the deepest first. */
async function lockTree(tx: Tx, id: number, recursive: boolean): Promise<number[]> {
  const below = `WITH RECURSIVE down AS (SELECT id, 0 AS depth FROM deployments WHERE id = $1 UNION ALL SELECT d.id, down.depth + 1 FROM deployments d JOIN down ON d.parent_id = down.id AND $2)
    SELECT id, depth FROM down`;
  await tx.query(`SELECT 1 FROM deployments WHERE id IN (SELECT id FROM (${below}) t) ORDER BY id FOR UPDATE`, [id, recursive]);
  const { rows } = await tx.query<{ id: number }>(`${below} ORDER BY depth DESC, id`, [id, recursive]);
  if (rows.length === 0) throw new NotFoundError('deployment', id);
  return rows.map((row) => row.id);
}

async function deleteOne(tx: Tx, id: number, tree: number[], actor: string): Promise<void> {
  const { rows } = await tx.query<Found>(
    `SELECT d.name, d.system, d.parent_id, coalesce((SELECT array_agg(c.name ORDER BY c.name) FROM deployments c WHERE c.parent_id = d.id), '{}') AS children,
            coalesce((SELECT array_agg(ro.name || '@' || n.name ORDER BY nr.id) FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
               WHERE nr.deployment_id = d.id AND (nr.state <> 'PROPOSED' OR EXISTS (SELECT 1 FROM runs r WHERE r.node_role_id = nr.id AND r.status <> 'ENDED'))), '{}') AS live,
            coalesce((SELECT array_agg(DISTINCT ro.name || '@' || n.name || ' of ' || cd.name) FROM node_roles nr JOIN node_role_edges e ON e.parent_id = nr.id
               JOIN node_roles c ON c.id = e.child_id AND c.deployment_id <> ALL($2) JOIN roles ro ON ro.id = c.role_id JOIN nodes n ON n.id = c.node_id JOIN deployments cd ON cd.id = c.deployment_id
               WHERE nr.deployment_id = d.id), '{}') AS needed
       FROM deployments d WHERE d.id = $1`,
    [id, tree],
  );
  const found = rows[0];
  if (!found) throw new NotFoundError('deployment', id);
  refuse(found);
  await tx.query('DELETE FROM node_roles WHERE deployment_id = $1', [id]);
  // Its phantom held only its own services and barriers; a deployment of the same name needs the name again.
  const phantoms = await tx.query<{ id: number; name: string; version: number }>(
    `DELETE FROM nodes n WHERE n.deployment_id = $1 AND n.kind = 'phantom' AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.node_id = n.id) RETURNING n.id, n.name, n.version`,
    [id],
  );
  const moved = await tx.query<{ id: number; version: number }>(
    'UPDATE nodes SET deployment_id = $2, version = version + 1 WHERE deployment_id = $1 RETURNING id, version',
    [id, found.parent_id],
  );
  await tx.query('DELETE FROM deployments WHERE id = $1', [id]);
  await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.delete', $2)`, [actor, `deployment/${id}`]);
  await writeEvents(tx, [
    ...phantoms.rows.map((row) => ({
      kind: 'node-deleted' as const,
      subjectType: 'node' as const,
      subjectId: row.id,
      version: row.version + 1,
      data: { name: row.name, macs: [] },
    })),
    ...moved.rows.map((row) => nodeChanged(row.id, row.version, ['deployment'])),
    { kind: 'deployment-deleted', subjectType: 'deployment', subjectId: id, version: 0, data: { name: found.name } },
  ]);
}

function refuse({ name, system, children, live, needed }: Found): void {
  if (system) throw new ConflictError('the system deployment cannot be deleted', { code: 'deployment-system' });
  if (children.length > 0)
    throw new ConflictError(`deployment '${name}' has deployments below it (${some(children)}); delete those first, or all of them with --recursive`, {
      code: 'has-children',
    });
  if (live.length > 0)
    throw new ConflictError(
      `deployment '${name}' has ${live.length} noderoles that are committed or still being stopped (${some(live)}); take them back first: prybar deployments propose ${name}`,
      { code: 'deployment-live' },
    );
  if (needed.length > 0)
    throw new ConflictError(
      `noderoles of other deployments stand on those of '${name}': ${some(needed)}; unbind them first: prybar noderoles unbind ${needed[0]?.split(' ')[0]}`,
      {
        code: 'deployment-needed',
      },
    );
}

const some = (names: string[]) => `${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''}`;
