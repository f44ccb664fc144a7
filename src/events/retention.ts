/**
 * What is forgotten of the outbox: batches that every consumer has passed, once they are older than some days or more than
 * a number. The newest batch stays, so that the newest position can always be read from the table. An SSE reader whose cursor
 * is older than what is kept gets `reset` (`feed.ts`). The audit is never forgotten.
 */
import type { Queryable } from '../db/client.js';

export type EventRetention = { keepDays: number; keepMax: number };

/** Bounds one statement: locks, WAL and the cascade to the events stay small. */
const BATCHES_PER_STATEMENT = 500;
/** A backlog of a day is removed in some minutes, and a sweep is never held up for long. Milliseconds. */
const TIME_MS = 2_000;

/** Removes in small batches for at most two seconds; returns how many batches went. Safe in any number of processes. */
export async function forgetEvents(db: Queryable, { keepDays, keepMax }: EventRetention, batchesPerStatement = BATCHES_PER_STATEMENT): Promise<number> {
  const until = performance.now() + TIME_MS;
  let total = 0;
  for (;;) {
    // The oldest by position: its unique index finds them, and times rise with positions.
    const { rowCount } = await db.query(
      `DELETE FROM outbox_batches WHERE id IN (
         SELECT b.id FROM (SELECT id, pos, created_at FROM outbox_batches WHERE pos IS NOT NULL ORDER BY pos LIMIT $1 FOR UPDATE SKIP LOCKED) b,
                (SELECT max(pos) AS newest FROM outbox_batches) m,
                (SELECT min(pos) AS passed FROM outbox_consumers WHERE name <> 'sequencer') c
          WHERE b.pos <= c.passed AND b.pos < m.newest
            AND (b.created_at < clock_timestamp() - make_interval(days => $2) OR b.pos <= m.newest - $3))`,
      [batchesPerStatement, keepDays, keepMax],
    );
    total += rowCount ?? 0;
    if ((rowCount ?? 0) < batchesPerStatement || performance.now() > until) return total;
  }
}

/** Runs `work` at most once in `everyMs`, however often it is asked; otherwise answers 0. For work that a sweep carries along. */
export function atMostEvery(everyMs: number, work: () => Promise<number>): () => Promise<number> {
  let last = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - last < everyMs) return 0;
    last = performance.now();
    return work();
  };
}
