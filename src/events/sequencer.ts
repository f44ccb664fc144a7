/**
 * Gives positions to committed batches (engine-rules 13). A serial number is taken before the commit, so a reader that
 * follows it skips whoever commits late; a position is given afterwards, under one lock, so it never does.
 */
import type { Pool } from '../db/client.js';
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
    const { rows } = await pool.query<{ count: number }>({
      name: 'sequence',
      text: 'SELECT sequence_outbox($1, $2) AS count',
      values: [SEQUENCER_LOCK, BATCHES_PER_PASS],
    });
    const numbered = rows[0]?.count ?? 0;
    total += numbered;
    if (numbered < BATCHES_PER_PASS) break;
  }
  if (total > 0) notify(pool);
  return total;
}
