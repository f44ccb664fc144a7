/**
 * Gives positions to committed batches (engine-rules 13). A serial number is taken before the commit, so a reader that
 * follows it skips whoever commits late; a position is given afterwards, under one lock, so it never does.
 */
import { withTransaction, type Pool } from '../db/client.js';
import { notify } from './outbox.js';

/** Key of the advisory lock: the letters `pbox`. */
const SEQUENCER_LOCK = 0x70626f78;

/** Bound of one pass, so that a backlog is numbered in transactions of moderate size. */
const BATCHES_PER_PASS = 5_000;

/**
 * Numbers what is committed and has no position, in id order; returns how many batches. Safe to run at any rate and in
 * any number of processes. When it returns, everything that was committed before the call has a position.
 */
export async function sequence(pool: Pool): Promise<number> {
  let total = 0;
  for (;;) {
    const { rows } = await pool.query<{ some: boolean }>('SELECT EXISTS (SELECT 1 FROM outbox_batches WHERE pos IS NULL) AS some');
    if (rows[0]?.some !== true) break;
    const numbered = await sequencePass(pool);
    total += numbered;
    if (numbered < BATCHES_PER_PASS) break;
  }
  if (total > 0) notify(pool);
  return total;
}

/**
 * The lock first, then a fresh statement: its snapshot holds every position given before. The highest position is also
 * kept in `outbox_consumers`, so that positions go on rising after retention removed the newest batch. Uses the partial
 * index outbox_batches_without_position.
 */
async function sequencePass(pool: Pool): Promise<number> {
  return withTransaction(pool, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [SEQUENCER_LOCK]);
    const { rows } = await tx.query<{ count: number }>(
      `WITH base AS (
         SELECT greatest(coalesce((SELECT max(pos) FROM outbox_batches), 0),
                         coalesce((SELECT pos FROM outbox_consumers WHERE name = 'sequencer'), 0)) AS pos
       ), fresh AS (
         SELECT id, row_number() OVER (ORDER BY id) AS rank
           FROM (SELECT id FROM outbox_batches WHERE pos IS NULL ORDER BY id LIMIT $1) open
       ), numbered AS (
         UPDATE outbox_batches b SET pos = base.pos + fresh.rank FROM fresh, base WHERE b.id = fresh.id RETURNING b.pos
       ), kept AS (
         INSERT INTO outbox_consumers (name, pos, updated_at)
         SELECT 'sequencer', max(pos), clock_timestamp() FROM numbered HAVING count(*) > 0
         ON CONFLICT (name) DO UPDATE SET pos = EXCLUDED.pos, updated_at = EXCLUDED.updated_at
       )
       SELECT count(*)::int AS count FROM numbered`,
      [BATCHES_PER_PASS],
    );
    return rows[0]?.count ?? 0;
  });
}
