/** Reads what a plan is made from: in as many statements for ten thousand noderoles as for one. Changes nothing. */
import type { Queryable } from '../db/client.js';
import { hashInputs } from '../noderoles/data.js';
import { NotFoundError } from '../shared/errors.js';
import type { Json } from '../shared/json.js';
import { computePlan, type Plan } from './plan.js';
import type { PlanDeployment, PlanNode, PlanNodeRole, PlanPair, PlanRole, PlanSnapshot } from './plan-snapshot.js';

export type PlanOptions = { withParents?: boolean | undefined };

/** `hash` says what was looked at: the same until the commit would do something else. */
export type HashedPlan = Plan & { hash: string };

/** Throws NotFoundError. Under the commit's locks when the commit asks, else one consistent look. */
export async function readPlan(db: Queryable, deploymentId: number, options: PlanOptions = {}): Promise<HashedPlan> {
  const plan = computePlan(await readPlanSnapshot(db, deploymentId, options));
  return { ...plan, hash: hashOf(plan) };
}

/** What an operator agrees to. Left out: what changes by itself while he reads, such as which machine is alive or how long runs took. */
function hashOf({ deployment, revision, refusals, waves, erases, data, drift, held }: Plan): string {
  const waiting = held.flatMap((one) => one.noderoles).sort();
  const groups = waves.flat().filter((group) => group.reason !== 'underway');
  const disks = erases.filter((erase) => !erase.underway).map(({ noderole, disk }) => ({ noderole, disk: disk?.name ?? null }));
  // A plan is JSON: what is undefined in it is absent.
  return hashInputs(JSON.parse(JSON.stringify({ deployment, revision, refusals, groups, waiting, disks, data, drift })) as Json);
}

const SCOPE = `
  WITH RECURSIVE own AS MATERIALIZED (SELECT id FROM node_roles WHERE deployment_id = $1),
  outside AS (
    SELECT p.id FROM node_roles nr JOIN node_role_edges e ON e.child_id = nr.id JOIN node_roles p ON p.id = e.parent_id
     WHERE nr.deployment_id = $1 AND nr.state::text = 'PROPOSED' AND p.state::text = 'PROPOSED' AND p.deployment_id <> $1
    UNION SELECT p.id FROM outside o JOIN node_role_edges e ON e.child_id = o.id JOIN node_roles p ON p.id = e.parent_id
     WHERE p.state::text = 'PROPOSED' AND p.deployment_id <> $1),
  up AS (SELECT id FROM own UNION SELECT e.parent_id FROM up JOIN node_role_edges e ON e.child_id = up.id),
  down AS (
    SELECT id FROM (SELECT id FROM own UNION SELECT id FROM outside) begin
    UNION SELECT below.child_id FROM down CROSS JOIN LATERAL (
      SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = down.id UNION ALL SELECT l.child_id FROM attrib_links l WHERE l.parent_id = down.id) below)
  SELECT id, bool_or(outside) AS outside FROM (
    SELECT id, false AS outside FROM up UNION ALL SELECT id, false FROM down UNION ALL SELECT id, true FROM outside) s GROUP BY id`;

const NODE_ROLES = `
  SELECT nr.id, nr.role_id AS "roleId", nr.node_id AS "nodeId", nr.deployment_id AS "deploymentId", nr.state, nr.committed, nr.barrier, nr.quorum,
         nr.pending_parents AS pending, nr.slack, nr.cohort, nr.error_code AS error, nr.last_ok_hash IS NOT NULL AS succeeded, nr.lost_parents AS lost, nr.removing,
         CASE WHEN own.is THEN nr.committed_data ELSE '{}' END AS data, CASE WHEN own.is THEN nr.proposed_data END AS proposed,
         CASE WHEN own.is THEN nr.sysdata ELSE '{}' END AS sysdata, CASE WHEN own.is THEN nr.wall ELSE '{}' END AS wall,
         CASE WHEN 'destructive' = ANY(ro.flags) THEN (SELECT i.status::text FROM installs i WHERE i.node_role_id = nr.id AND i.status <> 'abandoned' ORDER BY i.id DESC LIMIT 1) END AS install
    FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id CROSS JOIN LATERAL (SELECT nr.deployment_id = $2 OR nr.id = ANY($3) AS is) own
   WHERE nr.id = ANY($1)`;

// The last successful run of up to fifty of the role's noderoles: the indexes on (role, node) and (noderole, id) answer it.
const ROLES = `
  SELECT ro.id, ro.name, ro.flags, ro.runs_in AS "runsIn", ro.validity, ro.template, ro.attribs, reads_parents(ro.wants, false) AS "readsParents", reads_parents(ro.wants, true) AS "readsMembers",
         (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY last.seconds) FROM (SELECT nr.id FROM node_roles nr WHERE nr.role_id = ro.id ORDER BY nr.id DESC LIMIT 50) sample
           CROSS JOIN LATERAL (SELECT extract(epoch FROM r.ended_at - r.started_at)::float8 AS seconds FROM runs r
             WHERE r.node_role_id = sample.id AND r.outcome = 'succeeded' AND r.started_at IS NOT NULL ORDER BY r.id DESC LIMIT 1) last) AS seconds
    FROM roles ro WHERE ro.id = ANY($1)`;

const NODES = `
  SELECT n.id, n.name, n.kind, n.alive, n.available, n.deleting, n.boot_class AS "bootClass", b.node_id IS NOT NULL AS "hasBmc",
         CASE WHEN n.discovery ? 'disks' THEN jsonb_build_object('disks', n.discovery->'disks') ELSE '{}' END AS discovery
    FROM nodes n LEFT JOIN bmcs b ON b.node_id = n.id WHERE n.id = ANY($1)`;

const DEPLOYMENTS = `SELECT id, name, committed_at IS NOT NULL AS committed, paused_at IS NOT NULL AS paused, power_on = 'auto' AS "powerOn", rollout_policy IS NOT NULL AS rolling, revision FROM deployments WHERE id = $1 OR id = ANY($2)`;

export async function readPlanSnapshot(db: Queryable, deploymentId: number, { withParents = false }: PlanOptions): Promise<PlanSnapshot> {
  const scope = (await db.query<{ id: number; outside: boolean }>(SCOPE, [deploymentId])).rows;
  const ids = scope.map((row) => row.id);
  const outside = scope.filter((row) => row.outside).map((row) => row.id);
  const along = new Set(withParents ? outside : []);
  const noderoles = (await db.query<PlanNodeRole>(NODE_ROLES, [ids, deploymentId, [...along]])).rows;
  const distinct = (pick: (nr: PlanNodeRole) => number) => [...new Set(noderoles.map(pick))];
  const edges = await db.query<{ parent: number; child: number }>(
    'SELECT parent_id AS parent, child_id AS child FROM node_role_edges WHERE child_id = ANY($1)',
    [ids],
  );
  const links = await db.query<{ parent: number; child: number; attrib: string }>(
    'SELECT parent_id AS parent, child_id AS child, attrib FROM attrib_links WHERE child_id = ANY($1) AND parent_id = ANY($1)',
    [ids],
  );
  const pairs = await db.query<PlanPair>(
    'SELECT role_id AS "roleId", proposed_data AS proposed, committed_data AS data, wall FROM deployment_roles WHERE deployment_id = $1',
    [deploymentId],
  );
  const roles = await db.query<PlanRole>(ROLES, [[...new Set([...distinct((nr) => nr.roleId), ...pairs.rows.map((pair) => pair.roleId)])]]);
  const nodes = await db.query<PlanNode>(NODES, [distinct((nr) => nr.nodeId)]);
  const deployments = await db.query<PlanDeployment & { revision: number }>(DEPLOYMENTS, [deploymentId, distinct((nr) => nr.deploymentId)]);
  const deployment = deployments.rows.find((row) => row.id === deploymentId);
  if (deployment === undefined) throw new NotFoundError('deployment', deploymentId);
  return {
    deployment,
    deployments: deployments.rows,
    roles: roles.rows,
    nodes: nodes.rows,
    noderoles,
    edges: edges.rows,
    links: links.rows,
    deploymentRoles: pairs.rows,
    proposedOutside: outside,
    along,
  };
}
