/**
 * How many runs may be under way at once: of all classes together (`total`), of one class of jobs, of one deployment
 * (`deployment:<id>`). The claim counts under the lock of these rows; nothing is stored that could drift (engine-rules 10).
 */
import type { Db } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';

/** `used`: runs queued or running now. Waits are not counted. */
export type Cap = { name: string; max: number; used: number };

const USED = `CASE
  WHEN c.name = 'total' THEN (SELECT count(*) FROM runs r WHERE r.at_work)
  WHEN c.name LIKE 'deployment:%' THEN (SELECT count(*) FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id WHERE nr.deployment_id = split_part(c.name, ':', 2)::int AND r.at_work)
  ELSE (SELECT count(*) FROM runs r WHERE r.job_class = c.name AND r.at_work) END::int`;

/** All caps by name; those that are not set have no row and hold nothing back. */
export async function listCaps(db: Db): Promise<Cap[]> {
  const { rows } = await db.pool.query<Cap>(`SELECT c.name, c.max, ${USED} AS used FROM caps c ORDER BY c.name`);
  return rows;
}

/** Sets a cap, or takes it away with `max` null. What runs already goes on; the next claim counts. */
export async function setCap(db: Db, name: string, max: number | null, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    if (max === null) await tx.query('DELETE FROM caps WHERE name = $1', [name]);
    else await tx.query('INSERT INTO caps (name, max) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET max = EXCLUDED.max', [name, max]);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'cap.set', $2, $3)`, [actor, `cap/${name}`, JSON.stringify({ max })]);
  });
}
