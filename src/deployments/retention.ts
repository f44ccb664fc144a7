/** How long the changes of revisions are kept. prisma/functions/76_revision_retention.sql says what never goes. */
import type { Queryable } from '../db/client.js';

/** `keep`: revisions that each deployment keeps, however old; `keepDays`: days that every revision is kept. */
export type RevisionRetention = { keep: number; keepDays: number };

/** Bounds one statement. */
const BATCH = 500;
/** A sweep is never held up for longer; the rest goes next time. Milliseconds. */
const TIME_MS = 2_000;

/** Returns how many changes are gone. Safe in any number of processes. */
export async function forgetRevisions(db: Queryable, { keep, keepDays }: RevisionRetention, batch = BATCH): Promise<number> {
  await db.query('SELECT forget_revisions($1, $2)', [keep, keepDays]);
  const until = performance.now() + TIME_MS;
  let total = 0;
  while (performance.now() < until) {
    const { rows } = await db.query<{ gone: number | null }>('SELECT purge_changes($1) AS gone', [batch]);
    const gone = rows[0]?.gone ?? null;
    if (gone === null) break;
    total += gone;
  }
  return total;
}
