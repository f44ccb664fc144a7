/** How far the annealing is, over everything: for `GET /api/v2/anneal` and the status line. */
import type { Db, Pool } from '../db/client.js';
import { noCounts, type StateCounts } from '../deployments/state.js';
import type { NodeRoleState } from '../noderoles/state.js';

export type AnnealStatus = {
  /** `working` while anything is TODO or in TRANSITION; then `error` if anything is in ERROR, else `finished`. */
  state: 'finished' | 'working' | 'error';
  noderoles: StateCounts;
  runs: { queued: number; running: number; waiting: number; stopping: number };
  /** Run ends and starts per second over the last ten seconds. */
  transitionsPerSecond: number;
  /** The next time something that backs off may be tried; null when nothing does. */
  notBeforeNext: Date | null;
};

const WINDOW_SECONDS = 10;

/** Each half by the partial index of what it looks at: together they have none. */
const LIVE_RUNS = `SELECT status FROM runs WHERE ended_at IS NULL AND stopping_at IS NULL UNION ALL SELECT status FROM runs WHERE ended_at IS NULL AND stopping_at IS NOT NULL`;

/** How many runs there are in each status but ENDED. */
export async function countLiveRuns(pool: Pool): Promise<{ status: string; n: number }[]> {
  const { rows } = await pool.query<{ status: string; n: number }>(`SELECT status, count(*)::int AS n FROM (${LIVE_RUNS}) live GROUP BY status`);
  return rows;
}

export async function annealStatus(db: Db): Promise<AnnealStatus> {
  const [states, runs, rate, next] = await Promise.all([
    db.pool.query<{ state: NodeRoleState; n: number }>('SELECT state, count(*)::int AS n FROM node_roles GROUP BY state'),
    countLiveRuns(db.pool),
    db.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM outbox_events e JOIN outbox_batches b ON b.id = e.batch_id WHERE e.kind = 'noderole-changed' AND b.created_at > clock_timestamp() - make_interval(secs => $1)
          AND b.id > (SELECT coalesce(max(id), 0) - 20000 FROM outbox_batches)`,
      [WINDOW_SECONDS],
    ),
    db.pool.query<{ at: Date | null }>('SELECT min(not_before) AS at FROM node_roles WHERE ready AND not_before > clock_timestamp()'),
  ]);
  const noderoles = noCounts();
  for (const row of states.rows) noderoles[row.state] = row.n;
  const of = (...statuses: string[]) => runs.filter((row) => statuses.includes(row.status)).reduce((sum, row) => sum + row.n, 0);
  const working = noderoles.TODO + noderoles.TRANSITION > 0;
  return {
    state: working ? 'working' : noderoles.ERROR > 0 ? 'error' : 'finished',
    noderoles,
    runs: { queued: of('QUEUED', 'WAKING'), running: of('RUNNING'), waiting: of('WAITING'), stopping: of('STOPPING') },
    transitionsPerSecond: (rate.rows[0]?.n ?? 0) / WINDOW_SECONDS,
    notBeforeNext: next.rows[0]?.at ?? null,
  };
}
