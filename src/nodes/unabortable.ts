/** Verbs that would stop runs ask here first: a step that may not be broken off (a firmware flash) refuses them (engine-rules 17). */
import type { Tx } from '../db/client.js';
import { ConflictError } from '../shared/errors.js';

const NAMES_SHOWN = 5;

/**
 * Throws ConflictError `unabortable` with the noderoles and their steps; `fix` says what to do instead. The caller holds the
 * noderoles. Locks their runs, in whose rows such a step begins.
 */
export async function refuseUnabortable(tx: Tx, ids: readonly number[], fix: string): Promise<void> {
  await tx.query('SELECT 1 FROM runs WHERE id IN (SELECT current_run_id FROM node_roles WHERE id = ANY($1)) ORDER BY id FOR NO KEY UPDATE', [ids]);
  const { rows } = await tx.query<{ text: string }>(
    `SELECT ro.name || '@' || n.name || ' (' || r.unabortable || ')' AS text
       FROM node_roles nr JOIN runs r ON r.id = nr.current_run_id JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
      WHERE nr.id = ANY($1) AND r.unabortable IS NOT NULL AND r.status IN ('RUNNING', 'WAITING') ORDER BY nr.id LIMIT ${NAMES_SHOWN}`,
    [ids],
  );
  if (rows.length > 0)
    throw new ConflictError(`a step cannot be broken off: ${rows.map((row) => row.text).join(', ')}; ${fix}`, {
      code: 'unabortable',
    });
}
