/** Reads what `planBinding` looks at, in as many statements for ten thousand wishes as for one. The caller holds the locks. */
import type { Tx } from '../db/client.js';
import { barrierName, type BindableRole, type BindSnapshot, type BoundNodeRole } from './bind-plan.js';

export type Place = {
  nodeIds: number[];
  deploymentIds: number[];
  nodeNames: ReadonlyMap<number, string>;
  phantoms: ReadonlyMap<number, number>;
  lineage: ReadonlyMap<number, number[]>;
};

const ROLE_COLUMNS = `ro.id, ro.name, ro.flags, ro.conflicts, ro.provides, (ro.jig_config->>'quorum')::int AS quorum, ro.retired_at IS NOT NULL AS retired,
  coalesce((SELECT array_agg(rr.requires ORDER BY rr.requires) FROM role_requires rr WHERE rr.role_id = ro.id), '{}') AS requires`;

/** The roles named, all that they require however far, and the barriers of those that are clusters. */
export async function readRoleClosure(tx: Tx, names: readonly string[]): Promise<Map<string, BindableRole>> {
  const { rows } = await tx.query<BindableRole>(
    `WITH RECURSIVE closure(name) AS (
       SELECT unnest($1::text[]) UNION SELECT rr.requires FROM closure c JOIN roles ro ON ro.name = c.name JOIN role_requires rr ON rr.role_id = ro.id
     ), wanted AS (
       SELECT name FROM closure UNION SELECT p.name FROM closure c JOIN roles ro ON ro.name = c.name CROSS JOIN unnest(ro.provides) AS p(name)
     )
     SELECT ${ROLE_COLUMNS} FROM roles ro WHERE ro.name IN (SELECT name FROM wanted UNION SELECT 'barrier-' || name FROM wanted)`,
    [[...new Set(names)]],
  );
  return new Map(rows.map((row) => [row.name, row]));
}

/** The rest of the snapshot: what is on the nodes, and who answers from elsewhere in the deployments. */
export async function readBindSnapshot(tx: Tx, closure: ReadonlyMap<string, BindableRole>, place: Place): Promise<BindSnapshot> {
  const onNodes = await tx.query<BoundNodeRole & { role_id: number }>(
    `SELECT nr.id, nr.role_id, ro.name AS role, nr.node_id AS "nodeId", nr.deployment_id AS "deploymentId"
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.node_id = ANY($1) ORDER BY nr.id`,
    [place.nodeIds],
  );
  const required = [...closure.values()].filter((role) => !role.flags.includes('implicit')).flatMap((role) => [role.name, barrierName(role.name)]);
  // The index on (deployment, role, id) answers each pair with one look.
  const nearest = await tx.query<BoundNodeRole & { role_id: number }>(
    `SELECT found.id, found.role_id, ro.name AS role, found.node_id AS "nodeId", found.deployment_id AS "deploymentId"
       FROM roles ro CROSS JOIN unnest($1::int[]) AS d(id)
      CROSS JOIN LATERAL (SELECT nr.id, nr.role_id, nr.node_id, nr.deployment_id FROM node_roles nr WHERE nr.deployment_id = d.id AND nr.role_id = ro.id ORDER BY nr.id LIMIT 1) found
      WHERE ro.name = ANY($2) OR ro.provides && $2 ORDER BY found.id`,
    [[...new Set([...place.lineage.values()].flat())], required],
  );
  return { roles: await withOthers(tx, closure, [...onNodes.rows, ...nearest.rows]), onNodes: onNodes.rows, nearest: nearest.rows, ...place };
}

async function withOthers(tx: Tx, closure: ReadonlyMap<string, BindableRole>, found: { role: string; role_id: number }[]): Promise<Map<string, BindableRole>> {
  const unknown = [...new Set(found.filter((row) => !closure.has(row.role)).map((row) => row.role_id))];
  if (unknown.length === 0) return new Map(closure);
  const { rows } = await tx.query<BindableRole>(`SELECT ${ROLE_COLUMNS} FROM roles ro WHERE ro.id = ANY($1)`, [unknown]);
  return new Map([...closure, ...rows.map((row) => [row.name, row] as const)]);
}
