/**
 * Installs anew, on purpose: the destructive noderoles of a deployment, of a node, or one of them. It erases disks, so
 * whoever calls has had it confirmed. All or nothing, in one transaction; audited.
 */
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { refuseUnabortable } from '../nodes/unabortable.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

export type RedeployTarget = { deploymentId: number } | { nodeId: number } | { nodeRoleId: number };
/** Noderoles as `role@node`, with the nodes whose disks are erased. */
export type Redeployed = { noderoles: string[]; nodes: string[] };

type Row = { id: number; name: string; node: string; destructive: boolean };

/**
 * Throws NotFoundError; ConflictError `nothing-destructive` when nothing of it installs a system, `unabortable` for a step that
 * may not be broken off, unless `force`.
 */
export async function redeploy(db: { pool: Pool }, target: RedeployTarget, actor: string, force = false): Promise<Redeployed> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const { path, rows } = await find(tx, target);
    const subjects = rows.filter((row) => row.destructive);
    if (subjects.length === 0)
      throw new ConflictError(
        `${rows.length === 1 && 'nodeRoleId' in target ? `${rows[0]?.name} does not install a system` : 'nothing here installs a system'}: only a destructive role is redeployed; to run others again: prybar noderoles rerun`,
        { code: 'nothing-destructive' },
      );
    const ids = subjects.map((row) => row.id);
    await tx.query('SELECT lock_bulk($1)', [ids]);
    if (!force) await refuseUnabortable(tx, ids, 'wait until it is over, or redeploy with force');
    await tx.query('SELECT redeploy_noderoles($1, $2)', [ids, `redeploy by ${actor}`]);
    const answer = { noderoles: subjects.map((row) => row.name), nodes: [...new Set(subjects.map((row) => row.node))] };
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, $2, $3, $4)`, [
      actor,
      `${path.split('/')[0]}.redeploy`,
      path,
      JSON.stringify({ noderoles: answer.noderoles, ...(force ? { force } : {}) }),
    ]);
    return answer;
  });
}

async function find(tx: Tx, target: RedeployTarget): Promise<{ path: string; rows: Row[] }> {
  const [kind, id, column] =
    'deploymentId' in target
      ? (['deployment', target.deploymentId, 'deployment_id'] as const)
      : 'nodeId' in target
        ? (['node', target.nodeId, 'node_id'] as const)
        : (['noderole', target.nodeRoleId, 'id'] as const);
  // What is bound while this waits for locks is not meant by whoever asked.
  const { rows } = await tx.query<Row>(
    `SELECT nr.id, ro.name || '@' || n.name AS name, n.name AS node, 'destructive' = ANY(ro.flags) AS destructive
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id WHERE nr.${column} = $1 ORDER BY n.name, nr.cohort, nr.id`,
    [id],
  );
  if (rows.length > 0) return { path: `${kind}/${id}`, rows };
  const table = { deployment: 'deployments', node: 'nodes', noderole: 'node_roles' }[kind];
  if ((await tx.query(`SELECT 1 FROM ${table} WHERE id = $1`, [id])).rowCount === 0) throw new NotFoundError(kind, id);
  return { path: `${kind}/${id}`, rows };
}
