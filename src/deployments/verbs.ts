/** What an operator may do to a deployment: create, commit, recall, delete, set the data of a role in it. */
import { acceptData } from '../attribs/accept.js';
import type { Attrib } from '../attribs/names.js';
import { problemsOfWall, refuseProblems } from '../attribs/schema.js';
import { maskData } from '../attribs/secrets.js';
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import type { JsonObject } from '../shared/json.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';

export { commitDeployment } from './commit.js';
export { recallDeployment } from './recall.js';
export { deleteDeployment } from './remove.js';

type HasPool = { pool: Pool };

/** Creates a child of `parentId`, or of the system deployment. Throws ConflictError when the name is taken. */
export async function createDeployment(
  db: HasPool,
  request: { name: string; parentId?: number | undefined; description?: string | undefined; actor: string },
): Promise<{ id: number }> {
  if (/^[0-9]+$/.test(request.name))
    throw new ValidationError('name: must not be all digits, because objects are addressed by id or name', [
      { field: 'name', message: 'must not be all digits' },
    ]);
  return withRetriedTransaction(db.pool, (tx) => insertDeployment(tx, request));
}

/** The same in the caller's transaction. */
export async function insertDeployment(
  tx: Tx,
  request: { name: string; parentId?: number | undefined; description?: string | undefined; actor: string },
): Promise<{ id: number }> {
  const { rows } = await tx.query<{ id: number }>(
    `INSERT INTO deployments (name, description, parent_id) SELECT $1, $2, coalesce($3, (SELECT id FROM deployments WHERE system)) ON CONFLICT (name) DO NOTHING RETURNING id`,
    [request.name, request.description ?? '', request.parentId ?? null],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new ConflictError(`there is already a deployment '${request.name}'`, { code: 'name-taken' });
  await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, 'deployment.create', $2)`, [request.actor, `deployment/${id}`]);
  await writeEvents(tx, [{ kind: 'deployment-created', subjectType: 'deployment', subjectId: id, version: 0, data: { name: request.name } }]);
  return { id };
}

type RoleDataRequest = { deploymentId: number; roleId: number; data: JsonObject | ((kept: JsonObject) => JsonObject); actor: string };

/**
 * Proposes the data of a role in a deployment; every noderole of the pair inherits it from the next commit on. Replaces what
 * was proposed before, or changes it when given a function of it; what equals the committed data proposes nothing. Throws
 * ValidationError naming each value that is off its schema.
 */
export async function setDeploymentRoleData(db: HasPool, request: RoleDataRequest): Promise<void> {
  await withRetriedTransaction(db.pool, (tx) => setDeploymentRoleDataIn(tx, request));
}

/** The same in the caller's transaction. */
export async function setDeploymentRoleDataIn(tx: Tx, { deploymentId, roleId, data, actor }: RoleDataRequest): Promise<void> {
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
}

/**
 * Writes what code of a role found out for all of its noderoles in a deployment; `runId`: the run that did. Those that are
 * given another value by it run again. Answers whether anybody is. Throws ValidationError when it is off a schema.
 */
export async function setDeploymentRoleWall(
  db: HasPool,
  request: { deploymentId: number; roleId: number; wall: JsonObject; runId: number | null; actor: string },
): Promise<boolean> {
  const { deploymentId, roleId, wall, runId, actor } = request;
  return withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ attribs: Attrib[] }>('SELECT attribs FROM roles WHERE id = $1', [roleId]);
    const role = rows[0];
    if (!role) throw new NotFoundError('role', roleId);
    refuseProblems(problemsOfWall(role.attribs, wall));
    const readers = await tx.query<{ ids: number[] | null }>('SELECT set_deployment_wall($1, $2, $3, $4) AS ids', [
      deploymentId,
      roleId,
      JSON.stringify(wall),
      runId,
    ]);
    const ids = readers.rows[0]?.ids;
    if (!ids) return false;
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment-role.wall', $2, $3)`, [
      actor,
      `deployment_role/${deploymentId}/${roleId}`,
      JSON.stringify(maskData(role.attribs, wall)),
    ]);
    await tx.query(`SELECT emit_events(want_again($1, 'the wall of its deployment role changed'))`, [ids]);
    return true;
  });
}
