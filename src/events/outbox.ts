/**
 * Writing events: the last statement of a writing transaction adds one batch (engine-rules 13). What is written here is
 * not yet readable: the sequencer gives the batch its position after the commit.
 */
import type { Pool, Tx } from '../db/client.js';
import type { DomainEvent } from './events.js';

/** Channel of the hint that something may be there to read. The payload is always empty. */
export const EVENTS_CHANNEL = 'prybar_events';

/** Transaction-local setting that carries the depth of the hook whose writes these are (engine-rules 19). */
const CAUSE_DEPTH_SETTING = 'prybar.cause_depth';

/**
 * Adds the events as one batch of the caller's transaction, in order; nothing when there are none. Call it last, when
 * every lock is held. `causeDepth` defaults to the depth of the running hook, 0 outside one.
 */
export async function writeEvents(tx: Tx, events: readonly DomainEvent[], causeDepth?: number): Promise<void> {
  if (events.length === 0) return;
  await tx.query(
    `WITH batch AS (INSERT INTO outbox_batches (created_at) VALUES (clock_timestamp()) RETURNING id)
     INSERT INTO outbox_events (batch_id, kind, subject_type, subject_id, version, cause_depth, data)
     SELECT batch.id, e.kind, e.subject_type, e.subject_id, e.version,
            coalesce($6::int, nullif(current_setting($7, true), '')::int, 0), e.data::json
       FROM batch, unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[])
            WITH ORDINALITY AS e(kind, subject_type, subject_id, version, data, n)
      ORDER BY e.n`,
    [
      events.map((event) => event.kind),
      events.map((event) => event.subjectType),
      events.map((event) => event.subjectId),
      events.map((event) => event.version),
      events.map((event) => JSON.stringify(event.data)),
      causeDepth ?? null,
      CAUSE_DEPTH_SETTING,
    ],
  );
}

/** Makes every event of this transaction, whoever writes it, carry the depth. For the hook dispatcher. */
export async function setCauseDepth(tx: Tx, depth: number): Promise<void> {
  await tx.query('SELECT set_config($1, $2, true)', [CAUSE_DEPTH_SETTING, String(depth)]);
}

/** NOTIFY takes a lock of the whole cluster at commit, so one process notifies at most this often. */
const NOTIFY_EVERY_MS = 20;

const pending = new WeakMap<Pool, NodeJS.Timeout>();

/**
 * Hints that there may be something new. Call it after the commit, never inside a transaction (engine-rules 23).
 * Returns at once; a hint that is lost costs one poll.
 */
export function notify(pool: Pool): void {
  if (pending.has(pool)) return;
  const timer = setTimeout(() => {
    pending.delete(pool);
    if (pool.ending) return;
    // Followers poll as well, so a hint that could not be given is no loss.
    pool.query(`SELECT pg_notify($1, '')`, [EVENTS_CHANNEL]).catch(() => undefined);
  }, NOTIFY_EVERY_MS);
  timer.unref();
  pending.set(pool, timer);
}
