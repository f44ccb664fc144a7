/** Looks on while it happens: a line every few seconds, and what must hold in every snapshot of the database. */
import type { Queryable } from '../../src/db/client.js';

/** Each of these is one transaction's affair: no snapshot, at any moment, may show it otherwise. */
const PROMISES = `
  SELECT 'counter of noderole ' || id || ': ' || stored || ' is not ' || truth AS what FROM drifted_counters(0, 2147483647)
  UNION ALL SELECT 'two live slots of ' || exclusive_key FROM runs WHERE status <> 'ENDED' AND holds_slot GROUP BY exclusive_key HAVING count(*) > 1
  UNION ALL SELECT 'noderole ' || nr.id || ' is ' || nr.state || ' with ' || count(r.id) || ' deciding runs'
    FROM node_roles nr LEFT JOIN runs r ON r.node_role_id = nr.id AND r.status IN ('QUEUED', 'RUNNING', 'WAITING', 'WAKING')
    GROUP BY nr.id HAVING count(r.id) <> (nr.state = 'TRANSITION')::int OR max(r.id) IS DISTINCT FROM nr.current_run_id
  UNION ALL SELECT 'run ' || coalesce(r.id, w.run_id) || ' is ' || coalesce(r.status::text, 'gone') || ', wait: ' || (w.run_id IS NOT NULL)
    FROM (SELECT id, status FROM runs WHERE status <> 'ENDED') r FULL JOIN waits w ON w.run_id = r.id WHERE coalesce(r.status = 'WAITING', false) <> (w.run_id IS NOT NULL)
  LIMIT 5`;

export async function brokenPromises(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ what: string }>(PROMISES);
  return rows.map((row) => row.what);
}

export type Standing = { states: Record<string, number>; live: number; ended: number; lost: number; unsettled: number };

export async function standing(db: Queryable): Promise<Standing> {
  const { rows: states } = await db.query<{ state: string; n: number }>('SELECT state, count(*)::int AS n FROM node_roles GROUP BY state ORDER BY state');
  const { rows } = await db.query<Omit<Standing, 'states'>>(
    `SELECT count(*) FILTER (WHERE status <> 'ENDED')::int AS live, count(*) FILTER (WHERE status = 'ENDED')::int AS ended, count(*) FILTER (WHERE outcome = 'lease-lost')::int AS lost,
            ((SELECT count(*) FROM outbox_batches WHERE pos IS NULL) + (SELECT count(*) FROM propagations) + (SELECT count(*) FROM hook_deliveries WHERE parked_at IS NULL))::int AS unsettled FROM runs`,
  );
  return { states: Object.fromEntries(states.map((row) => [row.state, row.n])), ...(rows[0] ?? { live: 0, ended: 0, lost: 0, unsettled: 0 }) };
}

export const inWords = ({ states, live, ended, lost }: Standing) =>
  `${Object.entries(states)
    .map(([state, n]) => `${state} ${n}`)
    .join(', ')}; runs: ${live} live, ${ended} ended, ${lost} lost their lease`;
