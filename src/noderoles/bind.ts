/**
 * Binds a role to a node in a deployment: the noderole, the parents it lacks (recursively), its edges, all in one
 * transaction, so nothing is half bound (engine.md 1.4). Where a parent is looked for, in this order: on the same node;
 * unless the parent role is implicit, in this deployment and then its ancestors, lowest id first; else it is created on
 * this node. A role that `provides` another stands in for it.
 */
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import type { JsonObject } from '../shared/json.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';
import type { Governed } from './vetoes.js';

export type BindRequest = { roleId: number; nodeId: number; deploymentId: number; data?: JsonObject | undefined; actor: string };
export type Bound = { nodeRoleId: number; created: number[] };

type Role = { id: number; name: string; flags: string[]; conflicts: string[]; provides: string[]; requires: string[] };
type Scope = { tx: Tx; nodeId: number; nodeName: string; deploymentId: number; ancestors: number[]; created: number[]; path: string[] };

/** Safe to repeat: an existing pair is answered as it is. Throws NotFoundError, ConflictError with what conflicts or which cycle. */
export async function bindRole(db: Governed, request: BindRequest): Promise<Bound> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const ancestors = await deploymentAndAncestors(tx, request.deploymentId);
    // The node row is the mutex: two binds on one node cannot both create the same parent.
    const node = await tx.query<{ name: string; deleting: boolean }>('SELECT name, deleting FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [request.nodeId]);
    const found = node.rows[0];
    if (!found) throw new NotFoundError('node', request.nodeId);
    if (found.deleting) throw new ConflictError(`node '${found.name}' is being deleted`);
    const scope: Scope = { tx, nodeId: request.nodeId, nodeName: found.name, deploymentId: request.deploymentId, ancestors, created: [], path: [] };
    const nodeRoleId = await ensure(scope, await roleById(tx, request.roleId));
    if (request.data !== undefined) await propose(tx, nodeRoleId, request.data);
    await db.vetoes?.onNodeBind(tx, { deploymentId: request.deploymentId, nodeRoleIds: scope.created });
    await writeEvents(tx, await createdEvents(tx, scope.created));
    return { nodeRoleId, created: scope.created };
  });
}

async function ensure(scope: Scope, role: Role): Promise<number> {
  const { tx, nodeId } = scope;
  const existing = await tx.query<{ id: number }>('SELECT id FROM node_roles WHERE role_id = $1 AND node_id = $2', [role.id, nodeId]);
  if (existing.rows[0]) return existing.rows[0].id;
  if (scope.path.includes(role.name)) throw new ConflictError(`roles require each other: ${[...scope.path, role.name].join(' -> ')}`, { code: 'role-cycle' });
  if (role.flags.includes('abstract')) throw new ConflictError(`role '${role.name}' is abstract: bind a role that provides it`, { code: 'role-abstract' });
  await refuseConflicts(scope, role);

  scope.path.push(role.name);
  const parents: number[] = [];
  for (const name of role.requires) parents.push(...(await parentsFor(scope, name, role.name)));
  scope.path.pop();
  return create(
    scope,
    role,
    [...new Set(parents)].sort((a, b) => a - b),
  );
}

/** The noderoles that satisfy one requirement: all of a cluster role, else the nearest one, created when there is none. */
async function parentsFor(scope: Scope, required: string, by: string): Promise<number[]> {
  const { tx, nodeId } = scope;
  const role = await roleByName(tx, required, by);
  const same = await tx.query<{ id: number }>(
    `SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.node_id = $1 AND (ro.name = $2 OR $2 = ANY(ro.provides)) ORDER BY nr.id LIMIT 1`,
    [nodeId, required],
  );
  if (same.rows[0] && !role.flags.includes('cluster')) return [same.rows[0].id];
  if (!role.flags.includes('implicit')) {
    for (const deploymentId of scope.ancestors) {
      const near = await tx.query<{ id: number }>(
        `SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.deployment_id = $1 AND (ro.name = $2 OR $2 = ANY(ro.provides)) ORDER BY nr.id ${role.flags.includes('cluster') ? '' : 'LIMIT 1'}`,
        [deploymentId, required],
      );
      if (near.rows.length > 0) return near.rows.map((row) => row.id);
    }
  }
  return [await ensure(scope, role)];
}

async function refuseConflicts({ tx, nodeId, nodeName }: Scope, role: Role): Promise<void> {
  const { rows } = await tx.query<{ name: string }>(
    `SELECT ro.name FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id
      WHERE nr.node_id = $1 AND (ro.name = ANY($2) OR $3 = ANY(ro.conflicts) OR ro.provides && $4 OR $3 = ANY(ro.provides) OR ro.name = ANY($4))`,
    [nodeId, role.conflicts, role.name, role.provides],
  );
  if (rows.length > 0)
    throw new ConflictError(`role '${role.name}' cannot be on node '${nodeName}' together with ${rows.map((row) => `'${row.name}'`).join(', ')}`, {
      code: 'role-conflict',
      details: { conflicts_with: rows.map((row) => row.name) },
    });
}

async function create(scope: Scope, role: Role, parents: number[]): Promise<number> {
  const { tx, nodeId, deploymentId } = scope;
  await tx.query('INSERT INTO deployment_roles (deployment_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [deploymentId, role.id]);
  // Parents are locked first, so that none enters or leaves ACTIVE between the count and the edge (engine-rules 2).
  await tx.query('SELECT 1 FROM node_roles WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [parents]);
  const { rows } = await tx.query<{ id: number }>(
    `INSERT INTO node_roles (deployment_id, role_id, node_id, cohort, pending_parents)
     SELECT $1, $2, $3, coalesce(max(p.cohort) + 1, 0), count(*) FILTER (WHERE p.committed AND p.state <> 'ACTIVE') FROM node_roles p WHERE p.id = ANY($4)
     RETURNING id`,
    [deploymentId, role.id, nodeId, parents],
  );
  const id = rows[0]?.id ?? 0;
  await tx.query('INSERT INTO node_role_edges (parent_id, child_id) SELECT unnest($2::int[]), $1', [id, parents]);
  scope.created.push(id);
  return id;
}

async function propose(tx: Tx, id: number, data: JsonObject): Promise<void> {
  await tx.query('UPDATE node_roles SET proposed_data = $2, version = version + 1 WHERE id = $1', [id, JSON.stringify(data)]);
}

/** The deployment and its ancestors, nearest first. */
async function deploymentAndAncestors(tx: Tx, id: number): Promise<number[]> {
  const { rows } = await tx.query<{ id: number }>(
    `WITH RECURSIVE up AS (SELECT id, parent_id, 0 AS depth FROM deployments WHERE id = $1 UNION ALL SELECT d.id, d.parent_id, up.depth + 1 FROM deployments d JOIN up ON d.id = up.parent_id)
     SELECT id FROM up ORDER BY depth`,
    [id],
  );
  if (rows.length === 0) throw new NotFoundError('deployment', id);
  return rows.map((row) => row.id);
}

const ROLE = `SELECT ro.id, ro.name, ro.flags, ro.conflicts, ro.provides, coalesce((SELECT array_agg(rr.requires ORDER BY rr.requires) FROM role_requires rr WHERE rr.role_id = ro.id), '{}') AS requires FROM roles ro`;

async function roleById(tx: Tx, id: number): Promise<Role> {
  const { rows } = await tx.query<Role>(`${ROLE} WHERE ro.id = $1`, [id]);
  if (!rows[0]) throw new NotFoundError('role', id);
  return rows[0];
}

async function roleByName(tx: Tx, name: string, requiredBy: string): Promise<Role> {
  const { rows } = await tx.query<Role>(`${ROLE} WHERE ro.name = $1`, [name]);
  if (!rows[0])
    throw new ConflictError(`role '${requiredBy}' requires role '${name}', which does not exist; import its barclamp first`, { code: 'role-missing' });
  return rows[0];
}

async function createdEvents(tx: Tx, ids: number[]) {
  const { rows } = await tx.query<{ id: number; version: number; node_id: number; role_id: number; deployment_id: number }>(
    'SELECT id, version, node_id, role_id, deployment_id FROM node_roles WHERE id = ANY($1) ORDER BY id',
    [ids],
  );
  return rows.map((row) => ({
    kind: 'noderole-changed' as const,
    subjectType: 'noderole' as const,
    subjectId: row.id,
    version: row.version,
    data: { from: 'NONE', to: 'PROPOSED', node_id: row.node_id, role_id: row.role_id, deployment_id: row.deployment_id, reason: 'bound' },
  }));
}
