/**
 * What is forgotten of the boot timeline: steps older than some days, all but the newest of each machine, and all but the
 * newest of machines that are no node. A flood of invented MACs (attack 9) fills no table.
 */
import type { Queryable } from '../db/client.js';

export type BootRetention = {
  /** Steps of each machine. */
  keep: number;
  keepDays: number;
  /** Steps of all machines together that are no node. */
  keepUnknown?: number;
};

/** A rack of a thousand new machines takes some twenty steps each until it is known. */
const KEEP_UNKNOWN = 100_000;
const ROWS_PER_STATEMENT = 5_000;
const MACHINES_PER_STATEMENT = 100;
/** A backlog of a day is removed in some minutes, and a sweep is never held up for long. Milliseconds. */
const TIME_MS = 1_000;

/** Where the walk over the machines goes on in this process; a restart begins anew, which costs a round. */
let walkedTo = '';

/** Removes in small statements for at most about two seconds; returns how many steps went. Safe in any number of processes. */
export async function forgetBootSteps(db: Queryable, retention: BootRetention): Promise<number> {
  return (
    (await forgetOld(db, retention.keepDays)) + (await forgetUnknown(db, retention.keepUnknown ?? KEEP_UNKNOWN)) + (await walkMachines(db, retention.keep))
  );
}

/** The oldest by id: times rise with ids but for some seconds. */
async function forgetOld(db: Queryable, keepDays: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM boot_events WHERE id IN (SELECT id FROM boot_events ORDER BY id LIMIT $1)
        AND at < clock_timestamp() - make_interval(days => $2)`,
    [ROWS_PER_STATEMENT, keepDays],
  );
  return rowCount ?? 0;
}

/** By boot_events_unknown_idx. */
async function forgetUnknown(db: Queryable, keep: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM boot_events WHERE id IN (
       SELECT id FROM boot_events WHERE node_id IS NULL
          AND id <= (SELECT id FROM boot_events WHERE node_id IS NULL ORDER BY id DESC OFFSET $1 LIMIT 1) ORDER BY id LIMIT $2)`,
    [keep, ROWS_PER_STATEMENT],
  );
  return rowCount ?? 0;
}

/** Machine after machine by boot_events_mac_id_idx, some each time it is called. */
async function walkMachines(db: Queryable, keep: number): Promise<number> {
  const until = performance.now() + TIME_MS;
  let total = 0;
  do {
    const { rows } = await db.query<{ mac: string }>(
      // A loose index scan: the next MAC after the last, not every row of each.
      `WITH RECURSIVE macs AS (
         (SELECT mac, 1 AS n FROM boot_events WHERE mac > $1 ORDER BY mac LIMIT 1)
         UNION ALL
         SELECT (SELECT b.mac FROM boot_events b WHERE b.mac > macs.mac ORDER BY b.mac LIMIT 1), n + 1 FROM macs WHERE macs.mac IS NOT NULL AND n < $2
       ) SELECT mac FROM macs WHERE mac IS NOT NULL ORDER BY mac`,
      [walkedTo, MACHINES_PER_STATEMENT],
    );
    const { rowCount } = await db.query(
      `DELETE FROM boot_events b USING (
         SELECT m.mac, (SELECT s.id FROM boot_events s WHERE s.mac = m.mac ORDER BY s.id DESC OFFSET $2 LIMIT 1) AS last_out FROM unnest($1::text[]) AS m(mac)
       ) bound WHERE b.mac = bound.mac AND b.id <= bound.last_out`,
      [rows.map((row) => row.mac), keep],
    );
    total += rowCount ?? 0;
    walkedTo = rows.length < MACHINES_PER_STATEMENT ? '' : (rows.at(-1)?.mac ?? '');
  } while (walkedTo !== '' && performance.now() < until);
  return total;
}
