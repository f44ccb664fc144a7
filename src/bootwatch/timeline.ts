/** Reads boot timelines: of a node, of a machine that is no node yet, and the list of those. */
import type { Queryable } from '../db/client.js';
import type { BootStep } from './steps.js';

/** Which part of a timeline: before a step (older pages), after a step (what is new), or the newest. */
export type StepWindow = { limit: number; before?: number | undefined; since?: number | Date | undefined };

/** Whose steps: a node's, also those of its MACs that were seen before it was one, or a MAC's. */
export type Whose = { nodeId: number } | { mac: string };

type StepRow = { id: string; mac: string; at: Date; kind: string; detail: unknown };

/**
 * The newest steps of a window, in the order they were written; with `since` the oldest of those after it. Read by boot_events_node_id_id_idx
 * or boot_events_mac_id_idx.
 */
export async function readSteps(db: Queryable, whose: Whose, window: StepWindow): Promise<BootStep[]> {
  const onward = window.since !== undefined;
  const [column, value] = 'nodeId' in whose ? ['node_id', whose.nodeId] : ['mac', whose.mac];
  const { rows } = await db.query<StepRow>(
    `SELECT id, mac, at, kind, detail FROM boot_events
      WHERE ${column} = $1 AND id > $2 AND id < $3 AND ($4::timestamptz IS NULL OR at > $4) ORDER BY id ${onward ? 'ASC' : 'DESC'} LIMIT $5`,
    [
      value,
      typeof window.since === 'number' ? window.since : 0,
      window.before ?? Number.MAX_SAFE_INTEGER,
      window.since instanceof Date ? window.since : null,
      window.limit,
    ],
  );
  const steps = rows.map(stepOf);
  return onward ? steps : steps.toReversed();
}

/** How many steps are kept. */
export async function countSteps(db: Queryable, whose: Whose): Promise<number> {
  const [column, value] = 'nodeId' in whose ? ['node_id', whose.nodeId] : ['mac', whose.mac];
  const { rows } = await db.query<{ count: number }>(`SELECT count(*)::int AS count FROM boot_events WHERE ${column} = $1`, [value]);
  return rows[0]?.count ?? 0;
}

/** A machine that was heard but is no node. */
export type UnknownMachine = { readonly mac: string; readonly steps: number; readonly firstAt: Date; readonly last: BootStep };

type UnknownRow = StepRow & { steps: number; first_at: Date };

/** Machines that are no node, the last heard first; `before` is the id of the last step of the page before. */
export async function listUnknown(
  db: Queryable,
  query: { limit: number; before?: number | undefined; search?: string | undefined },
): Promise<{ machines: UnknownMachine[]; total: number }> {
  const { rows } = await db.query<UnknownRow & { total: number }>(
    `WITH heard AS (
       SELECT mac, count(*)::int AS steps, min(at) AS first_at, max(id) AS last_id FROM boot_events b
        WHERE node_id IS NULL AND mac <> '' AND ($3 = '' OR position($3 IN mac) > 0)
          AND NOT EXISTS (SELECT 1 FROM nics n WHERE n.mac = b.mac)
        GROUP BY mac
     ) SELECT b.id, b.mac, b.at, b.kind, b.detail, h.steps, h.first_at, (SELECT count(*)::int FROM heard) AS total
         FROM heard h JOIN boot_events b ON b.id = h.last_id WHERE h.last_id < $1 ORDER BY h.last_id DESC LIMIT $2`,
    [query.before ?? Number.MAX_SAFE_INTEGER, query.limit, (query.search ?? '').toLowerCase()],
  );
  const machines = rows.map((row) => ({ mac: row.mac, steps: row.steps, firstAt: row.first_at, last: stepOf(row) }));
  return { machines, total: rows[0]?.total ?? 0 };
}

/** In the order they happened: servers write in batches, and a transfer's machine is looked up before it is written. */
export function byTime(steps: readonly BootStep[]): BootStep[] {
  return steps.toSorted((a, b) => a.at.getTime() - b.at.getTime() || a.id - b.id);
}

function stepOf(row: StepRow): BootStep {
  const detail = typeof row.detail === 'object' && row.detail !== null ? { ...row.detail } : {};
  const { text, ...facts }: Record<string, unknown> = detail;
  return { id: Number(row.id), mac: row.mac, at: row.at, kind: row.kind, text: typeof text === 'string' ? text : '', facts };
}
