/** The audit row of a write whose domain function does not know who asked. */
import type { Db } from '../db/client.js';

/** Written after the fact it tells of; no secret may be in `detail`. */
export async function writeAudit(db: Db, entry: { actor: string; action: string; target: string; detail?: Record<string, unknown> }): Promise<void> {
  await db.pool.query('INSERT INTO audit (actor, action, target, detail) VALUES ($1, $2, $3, $4)', [
    entry.actor,
    entry.action,
    entry.target,
    JSON.stringify(entry.detail ?? {}),
  ]);
}
