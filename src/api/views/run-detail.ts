/** One run in full, as `GET /runs/:id` shows it. */
import type { Db } from '../../db/client.js';
import { NotFoundError } from '../../shared/errors.js';
import type { RunDetail } from '../run-schemas.js';
import { readRun } from './run.js';

const LOG_TAIL = 4000;

type Row = Omit<RunDetail, keyof Awaited<ReturnType<typeof readRun>>>;

/** Throws NotFoundError. The wall is shown as masked as the noderole's own view has it: only where this run wrote it. */
export async function readRunDetail(db: Db, id: number): Promise<RunDetail> {
  const run = await readRun(db, id);
  const { rows } = await db.pool.query<{ detail: Row }>({ name: 'run-detail', text: DETAIL, values: [id, LOG_TAIL] });
  const detail = rows[0]?.detail;
  if (!detail) throw new NotFoundError('run', id);
  return { ...run, ...detail };
}

const DETAIL = `
  WITH RECURSIVE back AS (
    SELECT r.id, r.retry_of, 1 AS depth FROM runs r WHERE r.id = $1
    UNION ALL SELECT r.id, r.retry_of, b.depth + 1 FROM back b JOIN runs r ON r.id = b.retry_of WHERE b.depth < 50
  ), forth AS (
    SELECT r.id, r.node_role_id, 1 AS depth FROM runs r WHERE r.id = $1
    UNION ALL SELECT r.id, r.node_role_id, f.depth + 1 FROM forth f JOIN runs r ON r.node_role_id = f.node_role_id AND r.retry_of = f.id WHERE f.depth < 50
  )
  SELECT jsonb_build_object(
    'result', r.result,
    'wall', CASE WHEN nr.wall_run_id = r.id THEN CASE WHEN ro.attribs::text ~ '"writeOnly": true|"format": "password"' THEN '"***"'::jsonb ELSE nr.wall END END,
    'turns', r.turns,
    'log_tail', coalesce((SELECT right(string_agg(l.text, '' ORDER BY l.seq), $2) FROM (SELECT seq, text FROM run_logs WHERE run_id = r.id ORDER BY seq DESC LIMIT 20) l), ''),
    'attempts', (SELECT jsonb_agg(jsonb_build_object('id', a.id, 'attempt', a.attempt, 'status', a.status, 'outcome', a.outcome, 'ended_at', a.ended_at) ORDER BY a.id)
                   FROM runs a WHERE a.id IN (SELECT id FROM back UNION SELECT id FROM forth)),
    'late_results', coalesce((SELECT jsonb_agg(jsonb_build_object('at', l.at, 'fence', l.fence, 'body', l.body) ORDER BY l.id) FROM (SELECT * FROM late_results WHERE run_id = r.id ORDER BY id LIMIT 20) l), '[]'),
    'unabortable', CASE WHEN r.status IN ('RUNNING', 'WAITING') THEN r.unabortable END,
    'cancel_asked', CASE WHEN r.cancel_requested_at IS NOT NULL THEN jsonb_build_object('at', r.cancel_requested_at, 'by', coalesce(r.cancel_by, 'unknown')) END,
    'stop', CASE WHEN r.stopping_at IS NOT NULL THEN jsonb_build_object('since', r.stopping_at, 'reason', coalesce(r.stop_reason, ''), 'step', r.stop_step, 'tries', r.stop_tries,
              'note', r.stop_note, 'proof', r.stop_proof, 'stuck_since', r.stuck_at) END) AS detail
    FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = r.role_id WHERE r.id = $1`;
