/**
 * Work for the agent of a machine: offered by a run, pulled by the agent, renewed while it goes on, finished once. The
 * agent holds one piece of work at a time and knows its fence; a result with another fence is refused (engine-rules 1).
 */
import type { Pool, Queryable } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import type { AgentPort, AgentResult, AgentSpec, JsonObject } from '../jigs/contract.js';
import { ConflictError } from '../shared/errors.js';
import { whyUnstorable } from '../noderoles/outcome.js';

/** What an agent is given. Durations in seconds. */
export type WorkOffer = {
  runId: number;
  fence: number;
  kind: 'script';
  script: string;
  env: Record<string, string>;
  timeoutSeconds: number;
  leaseSeconds: number;
};

/** Seconds an agent may be silent about its work before the work counts as lost. */
export const AGENT_LEASE_SECONDS = 30;

/** The jig's side: offer, and read what became of it. */
export function agentPort(db: Queryable, run: { runId: number; fence: number; node: { id: number } }): AgentPort {
  return {
    async offer(spec: AgentSpec) {
      // The fence of the wait that follows is the run's present one: settle keeps it.
      await db.query(
        `INSERT INTO agent_work (run_id, node_id, fence, spec) SELECT r.id, $3, r.fence, $4 FROM runs r WHERE r.id = $1 AND r.fence = $2 AND r.status = 'RUNNING'
         ON CONFLICT (run_id) DO NOTHING`,
        [run.runId, run.fence, run.node.id, JSON.stringify(spec)],
      );
      return { key: `work:${run.runId}` };
    },
    async result() {
      const { rows } = await db.query<{ status: AgentResult['status']; exit_status: number | null; result: JsonObject | null }>(
        'SELECT status, exit_status, result FROM agent_work WHERE run_id = $1',
        [run.runId],
      );
      const row = rows[0];
      return row ? { status: row.status, exitStatus: row.exit_status, result: row.result } : null;
    },
  };
}

/**
 * The next piece of work for this boot of the node; null when there is none. Asking proves that the agent has nothing in
 * hand, so work that this boot took and never finished is offered again, and what was revoked counts as stopped.
 */
export async function pollWork(db: { pool: Pool }, who: { nodeId: number; bootId: string }): Promise<WorkOffer | null> {
  const { rows } = await db.pool.query<{ run_id: number; fence: number; spec: AgentSpec }>(
    `WITH over AS (
       UPDATE agent_work SET status = 'done' WHERE node_id = $1 AND status = 'revoked'
     )
     UPDATE agent_work w SET status = 'taken', boot_id = $2, taken_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => $3)
      WHERE w.run_id = (SELECT o.run_id FROM agent_work o JOIN runs r ON r.id = o.run_id
                         WHERE o.node_id = $1 AND (o.status = 'offered' OR (o.status = 'taken' AND o.boot_id = $2)) AND r.status = 'WAITING'
                         ORDER BY o.run_id LIMIT 1 FOR UPDATE OF o SKIP LOCKED)
    RETURNING w.run_id, w.fence, w.spec`,
    [who.nodeId, who.bootId, AGENT_LEASE_SECONDS],
  );
  const row = rows[0];
  if (!row) return null;
  return {
    runId: row.run_id,
    fence: row.fence,
    kind: 'script',
    script: row.spec.script,
    env: row.spec.env,
    timeoutSeconds: row.spec.timeoutSeconds,
    leaseSeconds: AGENT_LEASE_SECONDS,
  };
}

/** Renews the agent's lease. Throws ConflictError `stop` when the work is no longer the agent's: it kills the step and polls again. */
export async function renewWork(db: { pool: Pool }, work: { nodeId: number; runId: number; fence: number }): Promise<{ leaseSeconds: number }> {
  const { rowCount } = await db.pool.query(
    `UPDATE agent_work SET lease_until = clock_timestamp() + make_interval(secs => $4) WHERE run_id = $1 AND fence = $2 AND node_id = $3 AND status = 'taken'`,
    [work.runId, work.fence, work.nodeId, AGENT_LEASE_SECONDS],
  );
  if (rowCount === 0) throw new ConflictError('this work was taken back: stop it', { code: 'stop' });
  return { leaseSeconds: AGENT_LEASE_SECONDS };
}

/** Throws ConflictError `stop` when the work is no longer the agent's. Changes nothing. */
export async function requireHeld(db: { pool: Pool }, work: { nodeId: number; runId: number; fence: number }): Promise<void> {
  const { rowCount } = await db.pool.query(`SELECT 1 FROM agent_work WHERE run_id = $1 AND fence = $2 AND node_id = $3 AND status = 'taken'`, [
    work.runId,
    work.fence,
    work.nodeId,
  ]);
  if (rowCount === 0) throw new ConflictError('this work was taken back: stop it', { code: 'stop' });
}

export type WorkReport = { nodeId: number; runId: number; fence: number; exitStatus: number; wall: JsonObject };

/**
 * Stores the result and wakes the run. Repeating it changes nothing. A result for work that was taken back is kept as a
 * late result and proves that the step has stopped; it answers `late`.
 */
export async function finishWork(db: { pool: Pool }, report: WorkReport): Promise<'taken' | 'repeated' | 'late'> {
  const wall = JSON.stringify(report.wall);
  const why = whyUnstorable(wall);
  if (why !== null) throw new ConflictError(`wall: ${why}`, { code: 'wall-refused' });
  return withRetriedTransaction(db.pool, async (tx) => {
    // Fact, run, work: the order of every writer. A cancel holds the run when it takes the work back.
    await tx.query(`INSERT INTO facts (key) SELECT 'work:' || w.run_id FROM agent_work w WHERE w.run_id = $1 AND w.node_id = $2 ON CONFLICT (key) DO NOTHING`, [
      report.runId,
      report.nodeId,
    ]);
    await tx.query('SELECT 1 FROM facts WHERE key = $1 FOR UPDATE', [`work:${report.runId}`]);
    await tx.query('SELECT 1 FROM runs WHERE id = $1 AND node_id = $2 FOR NO KEY UPDATE', [report.runId, report.nodeId]);
    const { rowCount } = await tx.query(
      `UPDATE agent_work SET status = 'done', exit_status = $4, result = $5, lease_until = NULL WHERE run_id = $1 AND fence = $2 AND node_id = $3 AND status = 'taken'`,
      [report.runId, report.fence, report.nodeId, report.exitStatus, wall],
    );
    if (rowCount === 1) {
      await tx.query('SELECT raise_fact($1, 1, $2)', [`work:${report.runId}`, JSON.stringify({ exit_status: report.exitStatus })]);
      return 'taken';
    }
    const seen = await tx.query<{ status: string; exit_status: number | null }>(
      'SELECT status, exit_status FROM agent_work WHERE run_id = $1 AND fence = $2 AND node_id = $3',
      [report.runId, report.fence, report.nodeId],
    );
    if (seen.rows[0]?.status === 'done' && seen.rows[0].exit_status !== null) return 'repeated';
    await tx.query('INSERT INTO late_results (run_id, fence, body) SELECT r.id, $2, $3 FROM runs r WHERE r.id = $1 AND r.node_id = $4', [
      report.runId,
      report.fence,
      JSON.stringify({ exit_status: report.exitStatus }),
      report.nodeId,
    ]);
    await tx.query(`UPDATE agent_work SET status = 'done' WHERE run_id = $1 AND fence = $2 AND status = 'revoked'`, [report.runId, report.fence]);
    return 'late';
  });
}
