/**
 * Facts that waits look at: durable, monotonic rows (engine-rules 18). The writer locks the fact by writing it, then wakes
 * whoever waits for it; a wait is settled under the same lock, so neither can miss the other.
 */
import type { Tx } from '../db/client.js';

/** Raises the fact to at least `generation` and wakes its waits, in the caller's transaction. Returns how many woke. */
export async function raiseFact(tx: Tx, key: string, generation: number, detail: Record<string, unknown> = {}): Promise<number> {
  const { rows } = await tx.query<{ woken: number }>('SELECT raise_fact($1, $2, $3) AS woken', [key, generation, JSON.stringify(detail)]);
  return rows[0]?.woken ?? 0;
}

/** Holds the fact for the rest of the caller's transaction: nobody raises it or begins to wait for it meanwhile. */
export async function lockFact(tx: Tx, key: string): Promise<void> {
  await tx.query('INSERT INTO facts (key) VALUES ($1) ON CONFLICT (key) DO NOTHING', [key]);
  await tx.query('SELECT 1 FROM facts WHERE key = $1 FOR UPDATE', [key]);
}
