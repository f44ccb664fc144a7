/** Writes what `planBinding` decided: noderoles, edges, new members of barriers. The caller holds the locks of the nodes. */
import type { Tx } from '../db/client.js';
import { ConflictError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import type { BindPlan, Create, Ref } from './bind-plan.js';
import { cohorts, CycleError } from './graph.js';

export type Written = { id: number; roleId: number; nodeId: number; deploymentId: number };
type Parent = { id: number; cohort: number; counts: boolean };

/** Answers the new noderoles in the order of the plan. `data`: proposed data by noderole. */
export async function writeBinding(tx: Tx, plan: BindPlan, data: ReadonlyMap<Ref, JsonObject>): Promise<Written[]> {
  const ids = await newIds(tx, plan.creates.length);
  const toId = (ref: Ref) => (ref > 0 ? ref : (ids[-ref - 1] ?? 0));
  if (plan.creates.length > 0) {
    await insertDeploymentRoles(tx, plan.creates);
    const parents = await lockParents(tx, plan);
    await insertNodeRoles(tx, plan, ids, parents, data);
    await insertEdges(
      tx,
      plan.creates.flatMap((create, index) => create.parents.map((parent) => ({ parent: toId(parent), child: ids[index] ?? 0 }))),
    );
    await gatherEarlierMembers(tx, plan, ids);
  }
  if (plan.joins.length > 0) {
    await insertEdges(
      tx,
      plan.joins.map(({ barrier, member }) => ({ parent: toId(member), child: barrier })),
    );
    await settleBarriers(
      tx,
      plan.joins.map(({ barrier, member }) => ({ barrier, member: toId(member) })),
    );
  }
  if (ids.length > 0) await tx.query('SELECT link_attribs($1)', [ids]);
  const existing = [...data].filter(([ref]) => ref > 0);
  if (existing.length > 0)
    await tx.query(
      'UPDATE node_roles nr SET proposed_data = nullif(i.data, nr.committed_data), version = version + 1 FROM unnest($1::int[], $2::jsonb[]) AS i(id, data) WHERE nr.id = i.id',
      [existing.map(([ref]) => ref), existing.map(([, value]) => JSON.stringify(value))],
    );
  return plan.creates.map(({ role, nodeId, deploymentId }, index) => ({ id: ids[index] ?? 0, roleId: role.id, nodeId, deploymentId }));
}

async function newIds(tx: Tx, count: number): Promise<number[]> {
  if (count === 0) return [];
  const { rows } = await tx.query<{ id: number }>(`SELECT nextval(pg_get_serial_sequence('node_roles', 'id'))::int AS id FROM generate_series(1, $1)`, [count]);
  return rows.map((row) => row.id);
}

async function insertDeploymentRoles(tx: Tx, creates: readonly Create[]): Promise<void> {
  const pairs = new Map(creates.map((create) => [`${create.deploymentId} ${create.role.id}`, create]));
  await tx.query('INSERT INTO deployment_roles (deployment_id, role_id) SELECT * FROM unnest($1::int[], $2::int[]) ORDER BY 1, 2 ON CONFLICT DO NOTHING', [
    [...pairs.values()].map((create) => create.deploymentId),
    [...pairs.values()].map((create) => create.role.id),
  ]);
}

/** Parents and the barriers that are joined, locked so that none enters or leaves ACTIVE between the count and the edge (engine-rules 2). */
async function lockParents(tx: Tx, plan: BindPlan): Promise<Map<number, Parent>> {
  const ids = [...new Set([...plan.creates.flatMap((create) => create.parents.filter((ref) => ref > 0)), ...plan.joins.map((join) => join.barrier)])];
  await tx.query('SELECT 1 FROM node_roles WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [ids]);
  const { rows } = await tx.query<Parent>(`SELECT id, cohort, committed AND state <> 'ACTIVE' AS counts FROM node_roles WHERE id = ANY($1)`, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

async function insertNodeRoles(
  tx: Tx,
  { creates }: BindPlan,
  ids: number[],
  parents: ReadonlyMap<number, Parent>,
  data: ReadonlyMap<Ref, JsonObject>,
): Promise<void> {
  const deep = cohortsOf(creates, parents);
  const existing = (create: Create) => create.parents.flatMap((ref) => parents.get(ref) ?? []);
  await tx.query(
    `INSERT INTO node_roles (id, deployment_id, role_id, node_id, cohort, pending_parents, barrier, quorum, proposed_data)
     SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::boolean[], $8::int[], $9::jsonb[])`,
    [
      ids,
      creates.map((create) => create.deploymentId),
      creates.map((create) => create.role.id),
      creates.map((create) => create.nodeId),
      deep,
      creates.map((create) => existing(create).filter((parent) => parent.counts).length),
      creates.map((create) => create.barrier),
      creates.map((create) => (create.barrier ? create.role.quorum : null)),
      creates.map((_, index) => {
        const proposed = data.get(-index - 1);
        return proposed === undefined ? null : JSON.stringify(proposed);
      }),
    ],
  );
}

/** One more than the deepest parent, in order of the creates. */
function cohortsOf(creates: readonly Create[], parents: ReadonlyMap<number, Parent>): number[] {
  const known = (ref: Ref) => parents.get(ref)?.cohort ?? -1;
  try {
    const among = cohorts(
      creates.map((_, index) => index),
      creates.flatMap((create, child) => create.parents.filter((ref) => ref < 0).map((ref) => ({ parent: -ref - 1, child }))),
      (index) => (creates[index]?.parents ?? []).reduce((deepest, ref) => Math.max(deepest, ref > 0 ? known(ref) + 1 : 0), 0),
    );
    return creates.map((_, index) => among.get(index) ?? 0);
  } catch (error) {
    if (error instanceof CycleError)
      throw new ConflictError(`a member of a cluster may not depend on that cluster: ${error.path.map((index) => creates[index]?.role.name).join(' -> ')}`, {
        code: 'role-cycle',
      });
    throw error;
  }
}

async function insertEdges(tx: Tx, edges: { parent: number; child: number }[]): Promise<void> {
  await tx.query('INSERT INTO node_role_edges (parent_id, child_id) SELECT * FROM unnest($1::int[], $2::int[]) ON CONFLICT DO NOTHING', [
    edges.map((edge) => edge.parent),
    edges.map((edge) => edge.child),
  ]);
}

/** A new barrier also gathers the noderoles of its cluster that were bound before there were barriers. */
async function gatherEarlierMembers(tx: Tx, { creates }: BindPlan, ids: number[]): Promise<void> {
  const barriers = creates.flatMap((create, index) =>
    create.barrier ? [{ id: ids[index] ?? 0, deploymentId: create.deploymentId, cluster: create.role.name.replace(/^barrier-/, '') }] : [],
  );
  if (barriers.length === 0) return;
  const { rows } = await tx.query<{ barrier: number; member: number }>(
    `INSERT INTO node_role_edges (parent_id, child_id)
     SELECT nr.id, b.id FROM unnest($1::int[], $2::int[], $3::text[]) AS b(id, deployment_id, cluster)
       JOIN roles ro ON ro.name = b.cluster OR b.cluster = ANY(ro.provides) JOIN node_roles nr ON nr.role_id = ro.id AND nr.deployment_id = b.deployment_id
     ON CONFLICT DO NOTHING RETURNING child_id AS barrier, parent_id AS member`,
    [barriers.map((barrier) => barrier.id), barriers.map((barrier) => barrier.deploymentId), barriers.map((barrier) => barrier.cluster)],
  );
  if (rows.length === 0) return;
  await tx.query(
    `UPDATE node_roles b SET pending_parents = t.n FROM (
       SELECT e.child_id, count(*)::int AS n FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE e.child_id = ANY($1) AND p.committed AND p.state <> 'ACTIVE' GROUP BY e.child_id) t
      WHERE b.id = t.child_id`,
    [barriers.map((barrier) => barrier.id)],
  );
  await settleBarriers(tx, rows);
}

/** Barriers with new members go below the deepest of them, and what depends on them below that. A member that depends on its barrier is refused. */
async function settleBarriers(tx: Tx, joined: { barrier: number; member: number }[]): Promise<void> {
  const barriers = joined.map((join) => join.barrier);
  const { rows } = await tx.query<{ name: string }>(
    `WITH RECURSIVE above AS (
       SELECT * FROM unnest($1::int[], $2::int[]) AS j(barrier, id)
       UNION SELECT a.barrier, e.parent_id FROM above a JOIN node_role_edges e ON e.child_id = a.id)
     SELECT ro.name FROM above a JOIN node_roles nr ON nr.id = a.id JOIN roles ro ON ro.id = nr.role_id WHERE a.id = a.barrier`,
    [barriers, joined.map((join) => join.member)],
  );
  if (rows[0]) throw new ConflictError(`a member of a cluster may not depend on that cluster (${rows[0].name})`, { code: 'role-cycle' });
  await tx.query('SELECT raise_cohorts($1)', [[...new Set(barriers)]]);
}
