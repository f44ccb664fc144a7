/**
 * Proposes the data of an older revision. Never commits; says what it cannot bring back. Noderoles that are gone are bound
 * again, as PROPOSED; those bound since stay, unless they may be unbound and that is asked for.
 */
import { acceptData } from '../attribs/accept.js';
import type { Attrib } from '../attribs/names.js';
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { bindMany, lockBinds } from '../noderoles/bind.js';
import { unbindIn } from '../noderoles/unbind.js';
import type { Governed } from '../noderoles/vetoes.js';
import { AppError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import { refuseUnknown } from './revisions.js';

/** Names as `role@node`; the data of a role in the deployment as `role`. */
export type RolledBack = {
  revision: number;
  /** Containers whose data is proposed anew. */
  data: string[];
  bound: string[];
  unbound: string[];
  /** What stays though that revision did not have it, and why. */
  kept: { name: string; why: string }[];
  /** What that revision had and cannot be brought back, and why. */
  lost: { name: string; why: string }[];
};

type Then = { node_role_id: number | null; role_id: number; node_id: number | null; role: string; node: string | null; bound: boolean; data: JsonObject };
type Now = { id: number; role_id: number; node_id: number; name: string; state: string; committed_data: JsonObject; proposed_data: JsonObject | null };
type Role = { id: number; name: string; attribs: Attrib[]; retired: boolean };

/** Throws NotFoundError for a revision that never was. What was proposed and not committed is replaced. */
export async function rollBack(
  db: Governed,
  request: { deploymentId: number; revision: number; unbind?: boolean | undefined; actor: string },
): Promise<RolledBack> {
  const { deploymentId, revision, actor } = request;
  return withRetriedTransaction(db.pool, async (tx) => {
    await lockBinds(tx, [deploymentId]);
    await tx.query('SELECT 1 FROM deployments WHERE id = $1 FOR NO KEY UPDATE', [deploymentId]);
    await refuseUnknown(tx, deploymentId, revision);
    await tx.query(
      `SELECT 1 FROM nodes WHERE id IN (SELECT node_id FROM node_roles WHERE deployment_id = $1 UNION SELECT node_id FROM deployment_changes WHERE deployment_id = $1) ORDER BY id FOR NO KEY UPDATE`,
      [deploymentId],
    );
    await tx.query('SELECT lock_for_commit($1, $2)', [deploymentId, []]);
    const answer: RolledBack = { revision, data: [], bound: [], unbound: [], kept: [], lost: [] };
    const then = (await tx.query<Then>('SELECT * FROM deployment_at($1, $2)', [deploymentId, revision])).rows;
    const roles = await readRoles(tx, deploymentId);
    await proposeRoleData(tx, deploymentId, then, roles, answer);
    await proposeNodeRoles(tx, db, request, then, roles, answer);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment.rollback', $2, $3)`, [
      actor,
      `deployment/${deploymentId}`,
      JSON.stringify({ revision, data: answer.data.length, bound: answer.bound, unbound: answer.unbound }),
    ]);
    return answer;
  });
}

async function readRoles(tx: Tx, deploymentId: number): Promise<Map<number, Role>> {
  const { rows } = await tx.query<Role>(
    `SELECT ro.id, ro.name, ro.attribs, ro.retired_at IS NOT NULL AS retired FROM roles ro
      WHERE ro.id IN (SELECT role_id FROM deployment_changes WHERE deployment_id = $1 UNION SELECT role_id FROM node_roles WHERE deployment_id = $1)`,
    [deploymentId],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** The data as it may be written today; a schema that became stricter since refuses it. */
function acceptable(role: Role, data: JsonObject, name: string, answer: RolledBack): JsonObject | undefined {
  try {
    return acceptData(role, data, {});
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    answer.lost.push({ name, why: `its data is not what the role accepts today: ${error.publicMessage}` });
    return undefined;
  }
}

async function proposeRoleData(tx: Tx, deploymentId: number, then: readonly Then[], roles: ReadonlyMap<number, Role>, answer: RolledBack): Promise<void> {
  for (const was of then) {
    const role = roles.get(was.role_id);
    if (was.node_role_id !== null || role === undefined) continue;
    const data = acceptable(role, was.data, was.role, answer);
    if (data === undefined) continue;
    const { rows } = await tx.query<{ proposes: boolean }>(
      `UPDATE deployment_roles SET proposed_data = nullif($3::jsonb, committed_data) WHERE deployment_id = $1 AND role_id = $2 RETURNING proposed_data IS NOT NULL AS proposes`,
      [deploymentId, was.role_id, JSON.stringify(data)],
    );
    if (rows[0]?.proposes === true) answer.data.push(was.role);
  }
}

async function proposeNodeRoles(
  tx: Tx,
  db: Governed,
  request: { deploymentId: number; unbind?: boolean | undefined; actor: string },
  then: readonly Then[],
  roles: ReadonlyMap<number, Role>,
  answer: RolledBack,
): Promise<void> {
  const { deploymentId } = request;
  const now = await tx.query<Now>(
    `SELECT nr.id, nr.role_id, nr.node_id, ro.name || '@' || n.name AS name, nr.state::text, nr.committed_data, nr.proposed_data
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id WHERE nr.deployment_id = $1 ORDER BY nr.cohort DESC, nr.id DESC`,
    [deploymentId],
  );
  const key = (one: { role_id: number; node_id: number | null }) => `${one.role_id} ${one.node_id}`;
  const present = new Map(now.rows.map((row) => [key(row), row]));
  // The same pair may have been bound, unbound and bound again: what was there then counts.
  const wanted = new Map(then.filter((was) => was.node_role_id !== null && was.bound).map((was) => [key(was), was]));
  const known = new Set(then.filter((was) => was.node_role_id !== null).map(key));

  const proposals: { id: number; data: JsonObject }[] = [];
  const missing: (Then & { node_id: number })[] = [];
  for (const was of wanted.values()) {
    const name = `${was.role}@${was.node ?? ''}`;
    const role = roles.get(was.role_id);
    const row = present.get(key(was));
    if (role === undefined) answer.lost.push({ name, why: `role ${was.role} is not there any more` });
    else if (row === undefined) missing.push({ ...was, node_id: was.node_id ?? 0 });
    else {
      const data = acceptable(role, was.data, name, answer);
      if (data !== undefined) proposals.push({ id: row.id, data });
    }
  }
  const proposed = await tx.query<{ id: number }>(
    `UPDATE node_roles nr SET proposed_data = nullif(i.data, nr.committed_data), version = nr.version + 1 FROM unnest($1::int[], $2::jsonb[]) AS i(id, data)
      WHERE nr.id = i.id AND nr.proposed_data IS DISTINCT FROM nullif(i.data, nr.committed_data) RETURNING CASE WHEN nr.proposed_data IS NOT NULL THEN nr.id END AS id`,
    [proposals.map((one) => one.id), proposals.map((one) => JSON.stringify(one.data))],
  );
  const changed = new Set(proposed.rows.map((row) => row.id));
  answer.data.push(...now.rows.filter((row) => changed.has(row.id)).map((row) => row.name));
  await bindMissing(tx, db, deploymentId, missing, roles, answer);
  // Without any record it was there before there were revisions.
  const since = now.rows.filter((row) => !wanted.has(key(row)) && (known.has(key(row)) || row.state === 'PROPOSED'));
  for (const row of since) await unbindOrKeep(tx, row, request, answer);
}

async function bindMissing(
  tx: Tx,
  db: Governed,
  deploymentId: number,
  missing: readonly (Then & { node_id: number })[],
  roles: ReadonlyMap<number, Role>,
  answer: RolledBack,
): Promise<void> {
  const { rows } = await tx.query<{ id: number; node_id: number; role_id: number; deployment: string | null; deleting: boolean }>(
    `SELECT n.id, n.id AS node_id, n.deleting, i.role_id, d.name AS deployment FROM unnest($1::int[], $2::int[]) AS i(node_id, role_id) JOIN nodes n ON n.id = i.node_id
       LEFT JOIN node_roles nr ON nr.node_id = n.id AND nr.role_id = i.role_id LEFT JOIN deployments d ON d.id = nr.deployment_id`,
    [missing.map((was) => was.node_id), missing.map((was) => was.role_id)],
  );
  const found = new Map(rows.map((row) => [`${row.role_id} ${row.node_id}`, row]));
  const requests = [];
  for (const was of missing) {
    const name = `${was.role}@${was.node ?? ''}`;
    const place = found.get(`${was.role_id} ${was.node_id}`);
    const role = roles.get(was.role_id);
    const why =
      place === undefined || place.deleting
        ? `node ${was.node ?? ''} is not there any more`
        : place.deployment !== null
          ? `it is bound in ${place.deployment} now`
          : role?.retired === true
            ? `role ${was.role} is retired`
            : undefined;
    if (why !== undefined || role === undefined) answer.lost.push({ name, why: why ?? `role ${was.role} is not there any more` });
    else {
      const data = acceptable(role, was.data, name, answer);
      requests.push({ roleId: was.role_id, nodeId: was.node_id, deploymentId, ...(data === undefined || Object.keys(data).length === 0 ? {} : { data }) });
      answer.bound.push(name);
    }
  }
  await bindMany(tx, requests, db.vetoes);
}

async function unbindOrKeep(tx: Tx, row: Now, request: { unbind?: boolean | undefined; actor: string }, answer: RolledBack): Promise<void> {
  if (request.unbind !== true) {
    answer.kept.push({ name: row.name, why: row.state === 'PROPOSED' ? 'it was bound since; --unbind takes it away' : 'it was bound since, and is committed' });
    return;
  }
  try {
    await tx.query('SAVEPOINT unbind');
    await unbindIn(tx, row.id, { actor: request.actor });
    await tx.query('RELEASE SAVEPOINT unbind');
    answer.unbound.push(row.name);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT unbind');
    answer.kept.push({ name: row.name, why: error.publicMessage });
  }
}
