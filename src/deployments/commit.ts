/**
 * The commit: what is proposed in a deployment counts from now on, as a revision with its author. Order of locks: the
 * binds of the deployments concerned, deployments, noderoles; everything is read under them.
 */
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { lockBinds } from '../noderoles/bind.js';
import { refuseIncomplete } from '../noderoles/unbind.js';
import type { Governed, VetoPort } from '../noderoles/vetoes.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';
import { readPlan } from './plan-read.js';

export type CommitOptions = {
  /** Why, for the history. */
  comment?: string | undefined;
  /** Of the plan that was looked at: another plan is refused. */
  planHash?: string | undefined;
  /** Proposed parents in other deployments are committed along, with their own proposed parents. */
  withParents?: boolean | undefined;
};
export type Committed = { revision: number; committed: number; changed: number };

type Parent = { id: number; deployment_id: number; name: string };

/**
 * Makes what is proposed count. Throws ConflictError: `deployment-empty`, `nothing-to-commit`, `parents-proposed` with the
 * parents in other deployments that its children would wait for, `plan-changed`, `vetoed`.
 */
export async function commitDeployment(db: Governed, id: number, actor: string, options: CommitOptions = {}): Promise<Committed> {
  return withRetriedTransaction(db.pool, (tx) => commitIn(tx, db.vetoes, id, actor, options));
}

/** The same in the caller's transaction. */
export async function commitIn(tx: Tx, vetoes: VetoPort | undefined, id: number, actor: string, options: CommitOptions): Promise<Committed> {
  const along = options.withParents === true ? await lockWithParents(tx, id) : await lockAlone(tx, id);
  const name = await refuseEmpty(tx, id);
  await refuseIncomplete(tx, id);
  const outside = await proposedParents(tx, id);
  if (options.withParents !== true && outside.length > 0) throw parentsProposed(outside);
  if (outside.some((parent) => !along.has(parent.deployment_id)))
    throw new ConflictError(`parents of deployment '${name}' were bound in other deployments at this moment; commit again`, { code: 'parents-changed' });
  const alongIds = outside.map((parent) => parent.id);
  await tx.query('SELECT lock_for_commit($1, $2)', [id, alongIds]);

  if (options.planHash !== undefined) {
    const plan = await readPlan(tx, id, { withParents: options.withParents });
    if (plan.hash !== options.planHash)
      throw new ConflictError(`the plan of deployment '${name}' is another one by now; look at it again`, {
        code: 'plan-changed',
        details: { plan_hash: plan.hash },
      });
  }
  if (vetoes !== undefined) await askVetoes(tx, vetoes, id, outside);
  const comment = options.comment ?? '';
  if (alongIds.length > 0) await tx.query('SELECT commit_along($1, $2, $3)', [alongIds, actor, `taken along by the commit of ${name}`]);
  const recorded = await tx.query<{ revision: number }>('SELECT record_revision($1, NULL, $2, $3) AS revision', [id, actor, comment]);
  const done = await tx.query<{ committed: number; changed: number }>('SELECT committed, changed FROM commit_deployment($1)', [id]);
  const revision = recorded.rows[0]?.revision ?? 0;
  await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment.commit', $2, $3)`, [
    actor,
    `deployment/${id}`,
    JSON.stringify({ revision, comment, along: alongIds.length }),
  ]);
  return { revision, committed: done.rows[0]?.committed ?? 0, changed: done.rows[0]?.changed ?? 0 };
}

async function lockAlone(tx: Tx, id: number): Promise<Set<number>> {
  await lockDeployments(tx, [id]);
  return new Set([id]);
}

/** Which deployments are concerned is looked up before the locks and again after: one that came in between is refused. */
async function lockWithParents(tx: Tx, id: number): Promise<Set<number>> {
  const ids = new Set([id, ...(await proposedParents(tx, id)).map((parent) => parent.deployment_id)]);
  await lockDeployments(
    tx,
    [...ids].sort((a, b) => a - b),
  );
  return ids;
}

async function lockDeployments(tx: Tx, ids: number[]): Promise<void> {
  await lockBinds(tx, ids);
  const { rowCount } = await tx.query('SELECT 1 FROM deployments WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [ids]);
  if (rowCount !== ids.length) throw new NotFoundError('deployment', ids[0] ?? 0);
}

/** Answers the deployment's name. */
async function refuseEmpty(tx: Tx, id: number): Promise<string> {
  const { rows } = await tx.query<{ name: string; committed: boolean; noderoles: number; proposed: number; data: number }>(
    `SELECT d.name, d.committed_at IS NOT NULL AS committed,
            (SELECT count(*) FROM node_roles WHERE deployment_id = $1)::int AS noderoles,
            (SELECT count(*) FROM node_roles WHERE deployment_id = $1 AND (state = 'PROPOSED' OR proposed_data IS NOT NULL))::int AS proposed,
            (SELECT count(*) FROM deployment_roles WHERE deployment_id = $1 AND proposed_data IS NOT NULL)::int AS data
       FROM deployments d WHERE d.id = $1`,
    [id],
  );
  const found = rows[0];
  if (found === undefined) throw new NotFoundError('deployment', id);
  if (found.noderoles === 0)
    throw new ConflictError(`deployment '${found.name}' is empty: bind a role to a node first (POST /api/v2/node_roles)`, { code: 'deployment-empty' });
  // A recalled deployment is committed again without anything new: its claims go on.
  if (found.proposed === 0 && found.data === 0 && found.committed)
    throw new ConflictError(`deployment '${found.name}' has nothing to commit: nothing was bound or changed since its last commit`, {
      code: 'nothing-to-commit',
    });
  return found.name;
}

/** Proposed ancestors, in other deployments, of what is proposed here. */
async function proposedParents(tx: Tx, id: number): Promise<Parent[]> {
  const { rows } = await tx.query<Parent>(
    `WITH RECURSIVE up AS (
       SELECT p.id FROM node_roles nr JOIN node_role_edges e ON e.child_id = nr.id JOIN node_roles p ON p.id = e.parent_id
        WHERE nr.deployment_id = $1 AND nr.state::text = 'PROPOSED' AND p.state::text = 'PROPOSED' AND p.deployment_id <> $1
       UNION SELECT p.id FROM up JOIN node_role_edges e ON e.child_id = up.id JOIN node_roles p ON p.id = e.parent_id
        WHERE p.state::text = 'PROPOSED' AND p.deployment_id <> $1)
     SELECT p.id, p.deployment_id, pr.name || '@' || pn.name || ' in ' || pd.name AS name
       FROM up JOIN node_roles p ON p.id = up.id JOIN roles pr ON pr.id = p.role_id JOIN nodes pn ON pn.id = p.node_id JOIN deployments pd ON pd.id = p.deployment_id ORDER BY 3`,
    [id],
  );
  return rows;
}

const NAMES_SHOWN = 20;

function parentsProposed(parents: Parent[]): ConflictError {
  const names = parents.map((parent) => parent.name);
  const shown = names.slice(0, NAMES_SHOWN).join(', ');
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return new ConflictError(`parents in other deployments are proposed: ${shown}${more}; commit those first, or take them along (with_parents)`, {
    code: 'parents-proposed',
    details: { parents: names },
  });
}

/** Whoever has a say in what this commit makes count: noderoles that are proposed, and those whose data is. */
async function askVetoes(tx: Tx, vetoes: VetoPort, id: number, along: Parent[]): Promise<void> {
  const { rows } = await tx.query<{ id: number }>(
    `SELECT nr.id FROM node_roles nr WHERE nr.deployment_id = $1
        AND (nr.state::text = 'PROPOSED' OR nr.proposed_data IS NOT NULL
             OR EXISTS (SELECT 1 FROM deployment_roles dr WHERE dr.deployment_id = $1 AND dr.role_id = nr.role_id AND dr.proposed_data IS NOT NULL)) ORDER BY nr.id`,
    [id],
  );
  await vetoes.onCommit(tx, { deploymentId: id, nodeRoleIds: rows.map((row) => row.id) });
  for (const deploymentId of new Set(along.map((parent) => parent.deployment_id)))
    await vetoes.onCommit(tx, { deploymentId, nodeRoleIds: along.filter((parent) => parent.deployment_id === deploymentId).map((parent) => parent.id) });
}
