/** What is forgotten of the deliveries of webhooks: those that are over. A dead one may still be wanted: it stays longer. */
import type { Queryable } from '../db/client.js';

const PER_STATEMENT = 1_000;
const STATEMENTS = 20;
/** Dead deliveries are kept this many times as long as delivered ones. */
const DEAD_FACTOR = 4;

/** Removes in small batches; returns how many went. Uses the partial index webhook_deliveries_over. */
export async function forgetDeliveries(db: Queryable, keepDays: number): Promise<number> {
  let total = 0;
  for (let n = 0; n < STATEMENTS; n += 1) {
    const { rowCount } = await db.query(
      `DELETE FROM webhook_deliveries WHERE id IN (
         SELECT id FROM webhook_deliveries WHERE status <> 'pending'
            AND ended_at < clock_timestamp() - make_interval(days => CASE status WHEN 'dead' THEN $1::int * $3 ELSE $1 END)
          ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      [keepDays, PER_STATEMENT, DEAD_FACTOR],
    );
    total += rowCount ?? 0;
    if ((rowCount ?? 0) < PER_STATEMENT) break;
  }
  return total;
}
