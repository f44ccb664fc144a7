/**
 * Notes of people about a node, a noderole or a role in a deployment: free JSON, shown and never given to a run, so they need
 * no schema, no commit, and make nothing run again (engine.md 1.5).
 */
import type { Pool, Queryable } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { NotFoundError, ValidationError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';

export type Noted = 'node' | 'noderole' | 'deployment_role';

const COLUMNS: Record<Noted, string> = { node: 'node_id', noderole: 'node_role_id', deployment_role: 'deployment_role_id' };
/** Of all the notes of one container: notes, not documents. Bytes of JSON. */
const MOST_BYTES = 65_536;

/** `{}` when there are none, or nothing of that id. */
export async function readNotes(db: Queryable, kind: Noted, id: number): Promise<JsonObject> {
  const { rows } = await db.query<{ data: JsonObject }>(`SELECT data FROM notes WHERE ${COLUMNS[kind]} = $1`, [id]);
  return rows[0]?.data ?? {};
}

/** Two writers of different keys both count. Audited. Throws ValidationError when they become too large, NotFoundError. */
export async function changeNotes(db: { pool: Pool }, kind: Noted, id: number, change: (notes: JsonObject) => JsonObject, actor: string): Promise<void> {
  const column = COLUMNS[kind];
  await withRetriedTransaction(db.pool, async (tx) => {
    await tx.query(`INSERT INTO notes (${column}) VALUES ($1) ON CONFLICT (${column}) DO NOTHING`, [id]).catch((error: unknown) => {
      // Its container went away since it was looked up.
      if (error instanceof Error && 'code' in error && error.code === '23503') throw new NotFoundError(kind, id);
      throw error;
    });
    const { rows } = await tx.query<{ data: JsonObject }>(`SELECT data FROM notes WHERE ${column} = $1 FOR UPDATE`, [id]);
    const before = rows[0]?.data ?? {};
    const after = change(before);
    const text = JSON.stringify(after);
    const bytes = Buffer.byteLength(text);
    if (bytes > MOST_BYTES)
      throw new ValidationError(`value: the notes would have ${bytes} bytes; the limit is ${MOST_BYTES}`, [
        { field: 'value', message: `all notes of one ${kind.replace('_', ' ')} may have ${MOST_BYTES} bytes; take others away first` },
      ]);
    if (text === '{}') await tx.query(`DELETE FROM notes WHERE ${column} = $1`, [id]);
    else await tx.query(`UPDATE notes SET data = $2 WHERE ${column} = $1`, [id, text]);
    await tx.query(`INSERT INTO audit (actor, action, target) VALUES ($1, $2, $3)`, [actor, `${kind}.notes`, `${kind}/${id}`]);
  });
}
