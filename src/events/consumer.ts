/** A follower of the outbox that keeps its cursor as a row: whoever holds the row reads, the others of its name wait or find nothing. */
import type { Queryable, Tx } from '../db/client.js';

/** Whether there are positions the consumer has not passed: asked before a transaction is worth it. */
export async function isBehind(db: Queryable, consumer: string): Promise<boolean> {
  const { rows } = await db.query<{ some: boolean }>(
    `SELECT coalesce((SELECT max(pos) FROM outbox_batches), 0) > coalesce((SELECT pos FROM outbox_consumers WHERE name = $1), 0) AS some`,
    [consumer],
  );
  return rows[0]?.some === true;
}

/** The position it has passed, made at 0 on first use and held for the rest of the transaction. */
export async function holdCursor(tx: Tx, consumer: string): Promise<number> {
  await tx.query(`INSERT INTO outbox_consumers (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, [consumer]);
  const { rows } = await tx.query<{ pos: number }>('SELECT pos FROM outbox_consumers WHERE name = $1 FOR UPDATE', [consumer]);
  return rows[0]?.pos ?? 0;
}
