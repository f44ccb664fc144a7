/** Reading events by position: pages of the outbox for the feed and for every other follower. */
import { randomBytes } from 'node:crypto';
import type { Queryable } from '../db/client.js';
import type { PublishedEvent } from './events.js';

type Row = {
  pos: number;
  n: number;
  at: Date;
  kind: string;
  subject_type: string;
  subject_id: number;
  version: number;
  cause_depth: number;
  data: Record<string, unknown>;
};

const toEvent = (row: Row): PublishedEvent => ({
  pos: row.pos,
  n: row.n,
  at: row.at,
  kind: row.kind,
  subjectType: row.subject_type,
  subjectId: row.subject_id,
  version: row.version,
  causeDepth: row.cause_depth,
  data: row.data,
});

/** Events of a page of batches, and the position to go on from; `lastPos` is `after` when there was nothing. */
export type EventPage = { events: PublishedEvent[]; lastPos: number };

/** The events of the next `batches` batches after a position, in order. A batch is never split. Uses the unique index on pos. */
export async function readEvents(db: Queryable, after: number, batches: number): Promise<EventPage> {
  const { rows } = await db.query<Row>(
    `SELECT b.pos, row_number() OVER (PARTITION BY b.pos ORDER BY e.id)::int - 1 AS n, b.created_at AS at,
            e.kind, e.subject_type, e.subject_id, e.version, e.cause_depth, e.data
       FROM (SELECT id, pos, created_at FROM outbox_batches WHERE pos > $1 ORDER BY pos LIMIT $2) b
       JOIN outbox_events e ON e.batch_id = b.id ORDER BY b.pos, e.id`,
    [after, batches],
  );
  return {
    events: rows.map(toEvent),
    lastPos: rows.at(-1)?.pos ?? after,
  };
}

/**
 * As `readEvents`, without the ends and starts of runs, and of noderoles only those of these roles: for a follower that wants
 * little of what a busy engine writes. Places in the batch are not counted (`n` is 0). `lastPos` rises also where nothing is wanted.
 */
export async function readWantedEvents(db: Queryable, after: number, batches: number, roleIds: readonly number[]): Promise<EventPage> {
  const { rows: page } = await db.query<{ ids: number[] | null; pos: number | null }>(
    'SELECT array_agg(b.id ORDER BY b.pos) AS ids, max(b.pos) AS pos FROM (SELECT id, pos FROM outbox_batches WHERE pos > $1 ORDER BY pos LIMIT $2) b',
    [after, batches],
  );
  const { ids, pos } = page[0] ?? { ids: null, pos: null };
  if (ids === null || pos === null) return { events: [], lastPos: after };
  // Batch by batch: joined as tables, a planner without statistics reads the whole outbox for each page.
  const { rows } = await db.query<Row>(
    `SELECT b.pos, 0 AS n, b.created_at AS at, e.kind, e.subject_type, e.subject_id, e.version, e.cause_depth, e.data
       FROM unnest($1::bigint[]) AS i(id) JOIN outbox_batches b ON b.id = i.id
      CROSS JOIN LATERAL (
        SELECT * FROM outbox_events e
         WHERE e.batch_id = i.id AND e.kind NOT IN ('run-started', 'run-waiting', 'run-ended')
           AND (e.kind <> 'noderole-changed' OR cardinality($2::int[]) > 0 AND (e.data->>'role_id')::int = ANY($2)) OFFSET 0) e
      ORDER BY b.pos, e.id`,
    [ids, roleIds],
  );
  const lastPos = pos;
  return { events: rows.map(toEvent), lastPos };
}

/** The highest position given, 0 before the first. */
export async function currentPosition(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ pos: number }>('SELECT coalesce(max(pos), 0) AS pos FROM outbox_batches');
  return rows[0]?.pos ?? 0;
}

/** The lowest position that is still kept; null when none is. */
export async function oldestPosition(db: Queryable): Promise<number | null> {
  const { rows } = await db.query<{ pos: number | null }>('SELECT min(pos) AS pos FROM outbox_batches');
  return rows[0]?.pos ?? null;
}

/** The epoch of this outbox; made on first use, the same for every process afterwards. */
export async function readEpoch(db: Queryable): Promise<string> {
  await db.query(`INSERT INTO settings (key, value) VALUES ('outbox-epoch', to_jsonb($1::text)) ON CONFLICT (key) DO NOTHING`, [
    randomBytes(4).toString('hex'),
  ]);
  const { rows } = await db.query<{ epoch: string }>(`SELECT value #>> '{}' AS epoch FROM settings WHERE key = 'outbox-epoch'`);
  return rows[0]?.epoch ?? '';
}
