/**
 * Takes roles off nodes again (row "unbind / delete noderole" of the table). Alone: one that is PROPOSED, or that runs and
 * has no children (it is stopped first). With `cascade`: whatever it is, with everything below it. What still has a live
 * run is marked and goes when its stop is proven (`finish_removals`, called by the sweep).
 */
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ConflictError, InvalidTransitionError, NotFoundError } from '../shared/errors.js';
import type { NodeRoleState } from './state.js';

export type Unbound = {
  /** Gone at once. */
  removed: number[];
  /** PROPOSED now, and gone when their runs have stopped. */
  removing: number[];
};

type Row = { id: number; name: string; state: NodeRoleState; live: boolean; barrier: boolean };

const NAMES_SHOWN = 5;

/** Throws NotFoundError; ConflictError `has-children` with their names; InvalidTransitionError for one that is committed, without `cascade`. */
export async function unbindNodeRole(db: { pool: Pool }, id: number, ask: { actor: string; cascade?: boolean }): Promise<Unbound> {
  return withRetriedTransaction(db.pool, (tx) => unbindIn(tx, id, ask));
}

/** The same in the caller's transaction. */
export async function unbindIn(tx: Tx, id: number, ask: { actor: string; cascade?: boolean }): Promise<Unbound> {
  const rows = await lockWithAllBelow(tx, id);
  const target = rows.find((row) => row.id === id);
  if (!target) throw new NotFoundError('noderole', id);
  if (ask.cascade !== true)
    refuseUnlessAlone(
      target,
      rows.filter((row) => row.id !== id),
    );
  const ids = rows.map((row) => row.id);
  await tx.query('SELECT emit_events(repropose_noderoles($1, $2))', [ids, `unbound by ${ask.actor}`]);
  await tx.query('UPDATE node_roles SET removing = true WHERE id = ANY($1)', [ids]);
  await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'noderole.unbind', $2, $3)`, [
    ask.actor,
    `noderole/${id}`,
    JSON.stringify({ noderoles: rows.map((row) => row.name).slice(0, 100), count: rows.length }),
  ]);
  // A run that was only queued has ended by now; the others are being stopped.
  const held = await tx.query<{ id: number }>(`SELECT DISTINCT node_role_id AS id FROM runs WHERE node_role_id = ANY($1) AND status <> 'ENDED' ORDER BY 1`, [
    ids,
  ]);
  if (held.rows.length > 0) return { removed: [], removing: ids };
  await tx.query(`SELECT emit_events(remove_noderoles($1, 'unbound'))`, [ids]);
  return { removed: ids, removing: [] };
}

/** Locks first, then reads: a child bound while we waited must be seen. Nodes, then noderoles with the children of all. */
async function lockWithAllBelow(tx: Tx, id: number): Promise<Row[]> {
  await tx.query(
    'SELECT 1 FROM nodes WHERE id IN (SELECT node_id FROM node_roles WHERE id = ANY((SELECT noderoles_below(ARRAY[$1::int]))::int[])) ORDER BY id FOR NO KEY UPDATE',
    [id],
  );
  await tx.query(
    `SELECT 1 FROM node_roles WHERE id = ANY((SELECT noderoles_below(ARRAY[$1::int]))::int[])
        OR id IN (SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = ANY((SELECT noderoles_below(ARRAY[$1::int]))::int[])) ORDER BY id FOR UPDATE`,
    [id],
  );
  const { rows } = await tx.query<Row>(
    `SELECT nr.id, ro.name || '@' || n.name AS name, nr.state, nr.barrier, EXISTS (SELECT 1 FROM runs r WHERE r.node_role_id = nr.id AND r.status <> 'ENDED') AS live
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id WHERE nr.id = ANY((SELECT noderoles_below(ARRAY[$1::int]))::int[]) ORDER BY nr.id`,
    [id],
  );
  return rows;
}

function refuseUnlessAlone(target: Row, below: Row[]): void {
  if (below.length > 0)
    throw new ConflictError(
      `${target.name} is the parent of ${below
        .slice(0, NAMES_SHOWN)
        .map((row) => row.name)
        .join(', ')}${below.length > NAMES_SHOWN ? ` and ${below.length - NAMES_SHOWN} more` : ''}; unbind those first, or unbind it with cascade`,
      { code: 'has-children', details: { below: below.map((row) => row.name) } },
    );
  if (target.state === 'TRANSITION') return;
  if (target.state !== 'PROPOSED')
    throw new InvalidTransitionError(
      `${target.name} is ${target.state}; propose it first (prybar noderoles propose ${target.name}), or unbind it with cascade`,
    );
  if (target.live) throw new ConflictError(`${target.name}: its last run is still being stopped`, { code: 'stopping' });
}

/** For a commit: refuses while a noderole of the deployment lost a hard parent or is being removed. Throws ConflictError. */
export async function refuseIncomplete(tx: Tx, deploymentId: number): Promise<void> {
  const { rows } = await tx.query<{ name: string; lost: string[]; removing: boolean }>(
    `SELECT ro.name || '@' || n.name AS name, nr.lost_parents AS lost, nr.removing FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
      WHERE nr.deployment_id = $1 AND nr.state = 'PROPOSED' AND (nr.lost_parents <> '{}' OR nr.removing) ORDER BY nr.id LIMIT 20`,
    [deploymentId],
  );
  if (rows.length === 0) return;
  const words = rows.map((row) => (row.removing ? `${row.name} is being removed` : `${row.name} lost ${row.lost.join(', ')}`));
  throw new ConflictError(`${words.join('; ')}. What lost a parent must be unbound and bound anew: then it looks for its parents again`, {
    code: rows.every((row) => row.removing) ? 'removing' : 'parents-lost',
    details: { noderoles: rows },
  });
}
