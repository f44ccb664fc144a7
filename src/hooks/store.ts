/** The rows of `hook_deliveries`: recorded in the transaction that advances the cursor, claimed with a lease, ended once. */
import type { Pool, Tx } from '../db/client.js';
import { holdCursor, isBehind } from '../events/consumer.js';
import { withTransaction } from '../db/client.js';
import { alarm } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import { readWantedEvents } from '../events/read.js';
import { ATTEMPTS_MAX, CAUSE_DEPTH_MAX, matchEvents, rolesHeard, type Delivery, type Subscribing } from './match.js';
import type { HookName } from './hooks.js';

const CONSUMER = 'hooks';
const BATCHES_PER_PASS = 500;
const CLAIMED_PER_PASS = 200;
/** Longer than any hook may take, so that no other process takes a delivery whose hook still runs. Seconds. */
const LEASE_SECONDS = 90;

/**
 * Turns the next events into deliveries and moves the cursor, in one transaction; returns how far behind it still may be:
 * true when a whole page was read. The cursor row is the lock, so of several processes one does it.
 */
export async function recordDeliveries(pool: Pool, roles: readonly Subscribing[], milestones: ReadonlySet<number>): Promise<boolean> {
  if (!(await isBehind(pool, CONSUMER))) return false;
  return withTransaction(pool, async (tx) => {
    const after = await holdCursor(tx, CONSUMER);
    const page = await readWantedEvents(tx, after, BATCHES_PER_PASS, rolesHeard(roles, milestones));
    if (page.lastPos === after) return false;
    await upsertDeliveries(tx, matchEvents(page.events, roles, milestones));
    await tx.query('UPDATE outbox_consumers SET pos = $2, updated_at = clock_timestamp() WHERE name = $1', [CONSUMER, page.lastPos]);
    return page.lastPos - after >= BATCHES_PER_PASS;
  });
}

/**
 * One pending row for a key. A new event gives a parked key one more try; a key that backs off goes on backing off; one
 * whose cause is too deep is parked at once, because hooks are calling each other in a circle.
 */
async function upsertDeliveries(tx: Tx, deliveries: Delivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  const { rows } = await tx.query<{ role: string; hook: string; subject_type: string; subject_id: number }>(
    `INSERT INTO hook_deliveries AS held (role, hook, subject_type, subject_id, version, changed, data, cause_depth, cohort, parked_at, last_error)
     SELECT d.role, d.hook, d.subject_type, d.subject_id, d.version,
            ARRAY(SELECT jsonb_array_elements_text(d.changed::jsonb)), d.data::jsonb, d.cause_depth, d.cohort,
            CASE WHEN d.cause_depth > $10 THEN clock_timestamp() END, CASE WHEN d.cause_depth > $10 THEN 'hooks call each other in a circle' END
       FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::text[], $7::text[], $8::int[], $9::int[])
            WITH ORDINALITY AS d(role, hook, subject_type, subject_id, version, changed, data, cause_depth, cohort, n)
      ORDER BY d.n
     ON CONFLICT (role, hook, subject_type, subject_id) DO UPDATE SET
       version = greatest(held.version, EXCLUDED.version),
       changed = ARRAY(SELECT DISTINCT f FROM unnest(held.changed || EXCLUDED.changed) AS f ORDER BY f),
       data = CASE WHEN EXCLUDED.version >= held.version THEN EXCLUDED.data ELSE held.data END,
       cause_depth = greatest(held.cause_depth, EXCLUDED.cause_depth),
       parked_at = EXCLUDED.parked_at,
       last_error = coalesce(EXCLUDED.last_error, held.last_error),
       not_before = CASE WHEN held.parked_at IS NOT NULL THEN clock_timestamp() ELSE held.not_before END
     RETURNING role, hook, subject_type, subject_id`,
    [
      deliveries.map((d) => d.role),
      deliveries.map((d) => d.hook),
      deliveries.map((d) => d.subjectType),
      deliveries.map((d) => d.subjectId),
      deliveries.map((d) => d.version),
      deliveries.map((d) => JSON.stringify(d.changed)),
      deliveries.map((d) => JSON.stringify(d.data)),
      deliveries.map((d) => d.causeDepth),
      deliveries.map((d) => d.cohort),
      CAUSE_DEPTH_MAX,
    ],
  );
  const loops = deliveries.filter((d) => d.causeDepth > CAUSE_DEPTH_MAX);
  if (loops.length === 0 || rows.length === 0) return;
  await writeEvents(
    tx,
    loops.map((d) =>
      alarm('engine', 0, 'hook-loop', `${d.hook} of ${d.role} for ${d.subjectType} ${d.subjectId} was caused by ${d.causeDepth} hooks in a row; parked`),
    ),
  );
}

/** A delivery taken for execution. `mark` changes with every write of the row, so a newer event is noticed. */
export type Claimed = Delivery & { id: number; attempts: number; mark: string };

/**
 * Takes what is due for these roles. Of one role and subject only the oldest pending hook is taken, so that a create is
 * told before its delete, and at most one is in flight. `xmin` is the transaction that wrote the row last.
 */
export async function claimDeliveries(pool: Pool, roles: readonly string[]): Promise<Claimed[]> {
  const { rows } = await pool.query<{
    id: number;
    role: string;
    hook: HookName;
    subject_type: string;
    subject_id: number;
    version: number;
    changed: string[];
    data: Record<string, unknown>;
    cause_depth: number;
    cohort: number;
    attempts: number;
    mark: string;
  }>(
    `UPDATE hook_deliveries h SET running_until = clock_timestamp() + make_interval(secs => $2)
      WHERE h.id IN (
        SELECT d.id FROM hook_deliveries d
         WHERE d.role = ANY($1) AND d.parked_at IS NULL AND d.not_before <= clock_timestamp()
           AND (d.running_until IS NULL OR d.running_until < clock_timestamp())
           AND NOT EXISTS (SELECT 1 FROM hook_deliveries o WHERE o.role = d.role AND o.subject_type = d.subject_type
                              AND o.subject_id = d.subject_id AND o.id < d.id AND o.parked_at IS NULL)
         ORDER BY d.cohort, d.id LIMIT $3 FOR UPDATE SKIP LOCKED)
     RETURNING h.id, h.role, h.hook, h.subject_type, h.subject_id, h.version, h.changed, h.data, h.cause_depth, h.cohort, h.attempts, h.xmin::text AS mark`,
    [roles, LEASE_SECONDS, CLAIMED_PER_PASS],
  );
  return rows
    .map((row) => ({
      id: row.id,
      role: row.role,
      hook: row.hook,
      subjectType: row.subject_type,
      subjectId: row.subject_id,
      version: row.version,
      changed: row.changed,
      data: row.data,
      causeDepth: row.cause_depth,
      cohort: row.cohort,
      attempts: row.attempts,
      mark: row.mark,
    }))
    .sort((a, b) => a.cohort - b.cohort || a.id - b.id);
}

/** Ends deliveries that succeeded; one that got a newer event meanwhile becomes due at once instead. */
export async function completeDeliveries(pool: Pool, done: readonly Claimed[]): Promise<void> {
  if (done.length === 0) return;
  await pool.query(
    `WITH done AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS d(id, mark)
     ), gone AS (
       DELETE FROM hook_deliveries h USING done WHERE h.id = done.id AND h.xmin::text = done.mark RETURNING h.id
     )
     UPDATE hook_deliveries h SET running_until = NULL, attempts = 0, not_before = clock_timestamp(), last_error = NULL
       FROM done WHERE h.id = done.id AND h.xmin::text <> done.mark AND h.id NOT IN (SELECT id FROM gone)`,
    [done.map((d) => d.id), done.map((d) => d.mark)],
  );
}

/** A failed delivery and when to try it again. */
export type Failure = { delivery: Claimed; error: string; backoffMs: number };

/** Puts failed deliveries off, each by itself; after the last try it is parked and an alarm is raised. */
export async function failDeliveries(pool: Pool, failures: readonly Failure[]): Promise<void> {
  if (failures.length === 0) return;
  await withTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ role: string; hook: string; subject_type: string; subject_id: number; last_error: string; is_parked: boolean }>(
      `UPDATE hook_deliveries h SET attempts = h.attempts + 1, running_until = NULL, last_error = left(f.error, 2000),
              not_before = clock_timestamp() + make_interval(secs => f.backoff_ms / 1000),
              parked_at = CASE WHEN h.attempts + 1 >= $4 THEN clock_timestamp() END
         FROM unnest($1::bigint[], $2::text[], $3::float8[]) AS f(id, error, backoff_ms) WHERE h.id = f.id
       RETURNING h.role, h.hook, h.subject_type, h.subject_id, h.last_error, h.parked_at IS NOT NULL AS is_parked`,
      [failures.map((f) => f.delivery.id), failures.map((f) => f.error), failures.map((f) => f.backoffMs), ATTEMPTS_MAX],
    );
    await writeEvents(
      tx,
      rows
        .filter((row) => row.is_parked)
        .map((row) =>
          alarm(
            'engine',
            0,
            'hook-parked',
            `${row.hook} of ${row.role} for ${row.subject_type} ${row.subject_id} failed ${ATTEMPTS_MAX} times: ${row.last_error}`,
            {
              role: row.role,
              hook: row.hook,
              subject_type: row.subject_type,
              subject_id: row.subject_id,
            },
          ),
        ),
    );
  });
}

/** Gives parked deliveries their tries again: one, all of a role, or of everybody; returns how many. */
export async function replayParked(pool: Pool, which: { role: string | null; id: number | null }): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE hook_deliveries SET parked_at = NULL, attempts = 0, cause_depth = 0, running_until = NULL, not_before = clock_timestamp()
      WHERE parked_at IS NOT NULL AND ($1::text IS NULL OR role = $1) AND ($2::bigint IS NULL OR id = $2)`,
    [which.role, which.id],
  );
  return rowCount ?? 0;
}

/** What was forgotten, for the audit. */
export type Dropped = { role: string; hook: string; subject_type: string; subject_id: number; last_error: string | null };

/** Forgets a parked delivery. One that is still being tried stays: its outcome would have nowhere to go. */
export async function dropDelivery(pool: Pool, id: number): Promise<Dropped | 'unknown' | 'not-parked'> {
  const { rows } = await pool.query<Dropped>(
    'DELETE FROM hook_deliveries WHERE id = $1 AND parked_at IS NOT NULL RETURNING role, hook, subject_type, subject_id, last_error',
    [id],
  );
  if (rows[0] !== undefined) return rows[0];
  const { rowCount } = await pool.query('SELECT 1 FROM hook_deliveries WHERE id = $1', [id]);
  return rowCount === 0 ? 'unknown' : 'not-parked';
}

/** Ids and cohorts of the roles with hooks, and the roles flagged milestone. */
export async function readRoles(
  pool: Pool,
  names: readonly string[],
): Promise<{ known: Map<string, { id: number; cohort: number }>; milestones: Set<number> }> {
  const { rows } = await pool.query<{ id: number; name: string; cohort: number; is_milestone: boolean }>(
    `SELECT id, name, cohort, 'milestone' = ANY(flags) AS is_milestone FROM roles WHERE name = ANY($1) OR 'milestone' = ANY(flags)`,
    [names],
  );
  return {
    known: new Map(rows.map((row) => [row.name, { id: row.id, cohort: row.cohort }])),
    milestones: new Set(rows.filter((row) => row.is_milestone).map((row) => row.id)),
  };
}
