/** What an operator may do to a deployment: create, commit, recall, delete, set the data of a role in it. */
import { acceptData } from '../attribs/accept.js';
import type { Attrib } from '../attribs/names.js';
import { maskData } from '../attribs/secrets.js';
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { nodeChanged } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import type { Governed, VetoPort } from '../noderoles/vetoes.js';
import { refuseIncomplete } from '../noderoles/unbind.js';
import type { JsonObject } from '../shared/json.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';

type HasPool = { pool: Pool };
const UNIQUE_VIOLATION = '23505';

/** Creates a child of `parentId`, or of the system deployment. Throws ConflictError when the name is taken. */
export async function createDeployment(
  db: HasPool,
  request: { name: string; parentId?: number | undefined; description?: string | undefined; actor: string },
): Promise<{ id: number }> {
  if (/^[0-9]+$/.test(request.name))
    throw new ValidationError('name: must not be all digits, because objects are addressed by id or name', [
      { field: 'name', message: 'must not be all digits' },
    ]);
  try {
    return await withRetriedTransaction(db.pool, async (tx) => {
      const { rows } = await tx.query<{ id: number }>(
        `INSERT INTO deployments (name, description, parent_id) SELECT $1, $2, coalesce($3, (SELECT id FROM deployments WHERE system)) RETURNING id`,
        [request.name, request.description ?? '', request.parentId ?? null],
      );
      const id = rows[0]?.id ?? 0;
      await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.create', $2)`, [request.actor, `deployment/${id}`]);
      await writeEvents(tx, [{ kind: 'deployment-created', subjectType: 'deployment', subjectId: id, version: 0, data: { name: request.name } }]);
      return { id };
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION)
      throw new ConflictError(`there is already a deployment '${request.name}'`, { code: 'name-taken', cause: error });
    throw error;
  }
}

/**
 * Makes what is proposed count. Throws ConflictError when there is nothing to commit, or when a parent in another
 * deployment was never committed (its children could only wait): the answer lists them.
 */
export async function commitDeployment(db: Governed, id: number, actor: string): Promise<{ revision: number; committed: number; changed: number }> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const deployment = await tx.query<{ name: string; committed_at: Date | null }>(
      'SELECT name, committed_at FROM deployments WHERE id = $1 FOR NO KEY UPDATE',
      [id],
    );
    const found = deployment.rows[0];
    if (!found) throw new NotFoundError('deployment', id);
    const { rows } = await tx.query<{ noderoles: number; proposed: number; data: number }>(
      `SELECT (SELECT count(*) FROM node_roles WHERE deployment_id = $1)::int AS noderoles,
              (SELECT count(*) FROM node_roles WHERE deployment_id = $1 AND (state = 'PROPOSED' OR proposed_data IS NOT NULL))::int AS proposed,
              (SELECT count(*) FROM deployment_roles WHERE deployment_id = $1 AND proposed_data IS NOT NULL)::int AS data`,
      [id],
    );
    const counts = rows[0] ?? { noderoles: 0, proposed: 0, data: 0 };
    if (counts.noderoles === 0)
      throw new ConflictError(`deployment '${found.name}' is empty: bind a role to a node first (POST /api/v2/node_roles)`, { code: 'deployment-empty' });
    // A recalled deployment is committed again without anything new: its claims go on.
    if (counts.proposed === 0 && counts.data === 0 && found.committed_at !== null)
      throw new ConflictError(`deployment '${found.name}' has nothing to commit: nothing was bound or changed since its last commit`, {
        code: 'nothing-to-commit',
      });
    await refuseIncomplete(tx, id);
    const outside = await tx.query<{ name: string }>(
      `SELECT DISTINCT pr.name || '@' || pn.name || ' in ' || pd.name AS name
         FROM node_roles nr JOIN node_role_edges e ON e.child_id = nr.id JOIN node_roles p ON p.id = e.parent_id
         JOIN roles pr ON pr.id = p.role_id JOIN nodes pn ON pn.id = p.node_id JOIN deployments pd ON pd.id = p.deployment_id
        WHERE nr.deployment_id = $1 AND nr.state = 'PROPOSED' AND p.deployment_id <> $1 AND NOT p.committed ORDER BY 1 LIMIT 20`,
      [id],
    );
    if (outside.rows.length > 0)
      throw new ConflictError(`parents in other deployments are not committed: ${outside.rows.map((row) => row.name).join(', ')}; commit those first`, {
        code: 'parents-proposed',
        details: { parents: outside.rows.map((row) => row.name) },
      });
    if (db.vetoes !== undefined) await askVetoes(tx, db.vetoes, id);
    const done = await tx.query<{ committed: number; changed: number; revision: number }>(
      `SELECT c.committed, c.changed, (SELECT revision FROM deployments WHERE id = $1) + 1 AS revision FROM commit_deployment($1) c`,
      [id],
    );
    await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.commit', $2)`, [actor, `deployment/${id}`]);
    return done.rows[0] ?? { revision: 0, committed: 0, changed: 0 };
  });
}

/** Whoever has a say in what this commit makes count: noderoles that are proposed, and those whose data is. */
async function askVetoes(tx: Tx, vetoes: VetoPort, deploymentId: number): Promise<void> {
  const { rows } = await tx.query<{ id: number }>(
    `SELECT nr.id FROM node_roles nr WHERE nr.deployment_id = $1
        AND (nr.state::text = 'PROPOSED' OR nr.proposed_data IS NOT NULL
             OR EXISTS (SELECT 1 FROM deployment_roles dr WHERE dr.deployment_id = $1 AND dr.role_id = nr.role_id AND dr.proposed_data IS NOT NULL)) ORDER BY nr.id`,
    [deploymentId],
  );
  await vetoes.onCommit(tx, { deploymentId, nodeRoleIds: rows.map((row) => row.id) });
}

/** Back to proposed: nothing of it is claimed any more; what runs settles normally (engine-rules 17). */
export async function recallDeployment(db: HasPool, id: number, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ revision: number }>('UPDATE deployments SET committed_at = NULL WHERE id = $1 RETURNING revision', [id]);
    if (!rows[0]) throw new NotFoundError('deployment', id);
    await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.recall', $2)`, [actor, `deployment/${id}`]);
    await writeEvents(tx, [
      { kind: 'deployment-changed', subjectType: 'deployment', subjectId: id, version: rows[0].revision, data: { changed: ['committed_at'] } },
    ]);
  });
}

/** Deletes a deployment without children, whose noderoles are all PROPOSED; its nodes go to the parent deployment. */
export async function deleteDeployment(db: HasPool, id: number, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    // Locks first, in a statement of its own: what is read below then shows what came while we waited for them.
    await tx.query('SELECT 1 FROM deployments WHERE id = $1 FOR UPDATE', [id]);
    await tx.query('SELECT 1 FROM node_roles WHERE deployment_id = $1 ORDER BY id FOR UPDATE', [id]);
    const { rows } = await tx.query<{ name: string; system: boolean; parent_id: number | null; children: number; live: number }>(
      `SELECT d.name, d.system, d.parent_id, (SELECT count(*) FROM deployments c WHERE c.parent_id = d.id)::int AS children,
              (SELECT count(*) FROM node_roles nr WHERE nr.deployment_id = d.id AND (nr.state <> 'PROPOSED' OR EXISTS (SELECT 1 FROM runs r WHERE r.node_role_id = nr.id AND r.status <> 'ENDED')
                 OR EXISTS (SELECT 1 FROM node_role_edges e JOIN node_roles c ON c.id = e.child_id WHERE e.parent_id = nr.id AND c.deployment_id <> d.id)))::int AS live
         FROM deployments d WHERE d.id = $1`,
      [id],
    );
    const found = rows[0];
    if (!found) throw new NotFoundError('deployment', id);
    if (found.system) throw new ConflictError('the system deployment cannot be deleted', { code: 'deployment-system' });
    if (found.children > 0)
      throw new ConflictError(`deployment '${found.name}' has ${found.children} deployments below it; delete those first`, { code: 'has-children' });
    if (found.live > 0)
      throw new ConflictError(`deployment '${found.name}' has ${found.live} noderoles that are committed or needed elsewhere; propose them first`, {
        code: 'deployment-live',
      });
    const moved = await tx.query<{ id: number; version: number }>(
      'UPDATE nodes SET deployment_id = $2, version = version + 1 WHERE deployment_id = $1 RETURNING id, version',
      [id, found.parent_id],
    );
    await tx.query('DELETE FROM node_roles WHERE deployment_id = $1', [id]);
    await tx.query('DELETE FROM deployments WHERE id = $1', [id]);
    await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.delete', $2)`, [actor, `deployment/${id}`]);
    await writeEvents(tx, [
      ...moved.rows.map((node) => nodeChanged(node.id, node.version, ['deployment'])),
      { kind: 'deployment-deleted', subjectType: 'deployment', subjectId: id, version: 0, data: { name: found.name } },
    ]);
  });
}

/**
 * Proposes the data of a role in a deployment; every noderole of the pair inherits it from the next commit on. Replaces what
 * was proposed before, or changes it when given a function of it; what equals the committed data proposes nothing. Throws
 * ValidationError naming each value that is off its schema.
 */
export async function setDeploymentRoleData(
  db: HasPool,
  request: { deploymentId: number; roleId: number; data: JsonObject | ((kept: JsonObject) => JsonObject); actor: string },
): Promise<void> {
  const { deploymentId, roleId, data, actor } = request;
  await withRetriedTransaction(db.pool, async (tx) => {
    const made = await tx.query<{ id: number }>(
      `INSERT INTO deployment_roles (deployment_id, role_id) SELECT d.id, ro.id FROM deployments d, roles ro WHERE d.id = $1 AND ro.id = $2
       ON CONFLICT (deployment_id, role_id) DO UPDATE SET role_id = EXCLUDED.role_id RETURNING id`,
      [deploymentId, roleId],
    );
    const id = made.rows[0]?.id;
    if (id === undefined) throw new NotFoundError('deployment role', `${deploymentId}/${roleId}`);
    const { rows } = await tx.query<{ name: string; attribs: Attrib[]; kept: JsonObject }>(
      'SELECT ro.name, ro.attribs, coalesce(dr.proposed_data, dr.committed_data) AS kept FROM deployment_roles dr JOIN roles ro ON ro.id = dr.role_id WHERE dr.id = $1',
      [id],
    );
    const role = rows[0];
    if (!role) throw new NotFoundError('deployment role', id);
    const accepted = acceptData(role, typeof data === 'function' ? data(role.kept) : data, role.kept);
    await tx.query('UPDATE deployment_roles SET proposed_data = nullif($2::jsonb, committed_data) WHERE id = $1', [id, JSON.stringify(accepted)]);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment-role.data', $2, $3)`, [
      actor,
      `deployment_role/${id}`,
      JSON.stringify(maskData(role.attribs, accepted)),
    ]);
  });
}
