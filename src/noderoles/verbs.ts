/** What an operator may do to one noderole. Each verb is one event of the table (`state.ts`) or a write of its data. */
import type { Attrib } from '../attribs/names.js';
import { acceptData } from '../attribs/accept.js';
import { maskData } from '../attribs/secrets.js';
import type { Pool } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import type { JsonObject } from '../shared/json.js';
import { NotFoundError } from '../shared/errors.js';
import { moveNodeRole, type Moved } from './store.js';

type HasPool = { pool: Pool };

/** ERROR -> ready, with its tries counted anew. */
export const retryNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'retry' }, actor);

/**
 * TRANSITION -> ERROR `cancelled` at once; the node stays taken until the stop is proven. In a step that cannot be broken
 * off nothing changes yet (`later` names it): the cancel takes effect at its end.
 */
export const cancelNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'cancel' }, actor);

/** Back to PROPOSED; what runs is stopped. */
export const proposeNodeRole = (db: HasPool, id: number, actor: string): Promise<Moved> => moveNodeRole(db.pool, id, { kind: 'repropose' }, actor);

/**
 * Proposes data; the next commit of its deployment makes it count. Replaces what was proposed before, or changes it when
 * given a function of it; what equals the committed data proposes nothing. Throws ValidationError naming each value that
 * is off its schema, NotFoundError.
 */
export async function setNodeRoleData(db: HasPool, id: number, data: JsonObject | ((kept: JsonObject) => JsonObject), actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; attribs: Attrib[]; kept: JsonObject }>(
      `SELECT ro.name, ro.attribs, coalesce(nr.proposed_data, nr.committed_data) AS kept FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id
        WHERE nr.id = $1 FOR NO KEY UPDATE OF nr`,
      [id],
    );
    const role = rows[0];
    if (!role) throw new NotFoundError('noderole', id);
    const accepted = acceptData(role, typeof data === 'function' ? data(role.kept) : data, role.kept);
    await tx.query('UPDATE node_roles SET proposed_data = nullif($2::jsonb, committed_data), version = version + 1 WHERE id = $1', [
      id,
      JSON.stringify(accepted),
    ]);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'noderole.data', $2, $3)`, [
      actor,
      `noderole/${id}`,
      JSON.stringify(maskData(role.attribs, accepted)),
    ]);
  });
}

/**
 * System data: what Prybar itself works out before a run. A change makes the noderole run again; the same data changes
 * nothing. Throws ValidationError when it is off a schema, which is an error of the code that wrote it.
 */
export async function setSystemData(db: HasPool, id: number, data: JsonObject, actor: string): Promise<boolean> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; attribs: Attrib[]; sysdata: JsonObject }>(
      'SELECT ro.name, ro.attribs, nr.sysdata FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.id = $1',
      [id],
    );
    const role = rows[0];
    if (!role) throw new NotFoundError('noderole', id);
    const accepted = acceptData(role, data, role.sysdata, 'sysdata');
    const readers = await tx.query<{ ids: number[] | null }>('SELECT set_sysdata($1, $2) AS ids', [id, JSON.stringify(accepted)]);
    const ids = readers.rows[0]?.ids;
    if (!ids) return false;
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'noderole.sysdata', $2, $3)`, [
      actor,
      `noderole/${id}`,
      JSON.stringify(maskData(role.attribs, accepted)),
    ]);
    await tx.query(`SELECT emit_events(want_again($1, 'system data changed'))`, [ids]);
    return true;
  });
}
