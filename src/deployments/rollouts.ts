/** What an operator does to a rolling change: sets its policy, pauses, resumes, aborts. The rule: src/annealer/rollout.ts. */
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

type HasPool = { pool: Pool };

/** So many nodes, or so many percent of those concerned. */
export type Amount = { count: number } | { percent: number };

/** As stored in `deployments.rollout_policy` and frozen in `rollouts.policy`. */
export type RolloutPolicy = {
  /** Who goes first and alone; null: nobody. */
  canaries: Amount | { nodes: number[] } | null;
  /** In flight at most, in each group. */
  limit: Amount;
  /** What a group is: `role`, `deployment`, or a failure domain as a path in the node: `hint.rack`, `discovery.vendor`. */
  per: string;
  /** Percent of the nodes that have ended; more failures than that pause the rollout. */
  pause_above: number;
  /** Nodes that must have ended before the rate means anything; of the canaries all. */
  min_sample: number;
};

type Live = { id: number; status: string; policy: RolloutPolicy };

const LIVE = `SELECT id, status, policy FROM rollouts WHERE deployment_id = $1 AND status IN ('running', 'paused', 'aborted') FOR UPDATE`;

/** The deployment first, then its rollout: the order in which the claim and the commit take them. */
async function lock(tx: Tx, deploymentId: number): Promise<Live | undefined> {
  const { rowCount } = await tx.query('SELECT 1 FROM deployments WHERE id = $1 FOR NO KEY UPDATE', [deploymentId]);
  if (rowCount === 0) throw new NotFoundError('deployment', deploymentId);
  const { rows } = await tx.query<Live>(LIVE, [deploymentId]);
  return rows[0];
}

async function write(tx: Tx, entry: { deploymentId: number; actor: string; action: string; detail?: object; rolloutId?: number | undefined }): Promise<void> {
  await tx.query('INSERT INTO audit (actor, action, target, detail) VALUES ($1, $2, $3, $4)', [
    entry.actor,
    entry.action,
    `deployment/${entry.deploymentId}`,
    JSON.stringify(entry.detail ?? {}),
  ]);
  if (entry.rolloutId !== undefined) await tx.query('SELECT emit_events(ARRAY[rollout_event($1, $2)])', [entry.rolloutId, `${entry.action} by ${entry.actor}`]);
}

/**
 * Sets the policy. The next commit begins a rollout with it; a rollout that goes on takes over limit and pause at once,
 * unless `per` is another, because its groups are made. Returns whether it did.
 */
export async function setRolloutPolicy(db: HasPool, deploymentId: number, policy: RolloutPolicy, actor: string): Promise<{ applied: boolean }> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const live = await lock(tx, deploymentId);
    await tx.query('UPDATE deployments SET rollout_policy = $2 WHERE id = $1', [deploymentId, JSON.stringify(policy)]);
    const applied = live !== undefined && live.policy.per === policy.per;
    if (applied) {
      await tx.query('UPDATE rollouts SET policy = $2, version = version + 1, changed_at = clock_timestamp() WHERE id = $1', [live.id, JSON.stringify(policy)]);
      await tx.query('UPDATE rollout_groups SET max_in_flight = rollout_amount($2, nodes) WHERE rollout_id = $1', [live.id, JSON.stringify(policy.limit)]);
    }
    await write(tx, { deploymentId, actor, action: 'rollout.policy', detail: policy, rolloutId: applied ? live.id : undefined });
    return { applied };
  });
}

/** Takes the policy away and ends the rollout: what it held back goes on without limits. Safe to repeat. */
export async function removeRollout(db: HasPool, deploymentId: number, actor: string): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const live = await lock(tx, deploymentId);
    await tx.query('UPDATE deployments SET rollout_policy = NULL WHERE id = $1', [deploymentId]);
    if (live) await setStatus(tx, live.id, 'removed', `by ${actor}`);
    await write(tx, { deploymentId, actor, action: 'rollout.remove', rolloutId: live?.id });
  });
}

/** Nothing of it is claimed any more; what runs goes on to its end. */
export const pauseRollout = (db: HasPool, deploymentId: number, actor: string): Promise<void> =>
  move(db, { deploymentId, actor, verb: 'pause', from: ['running'], to: 'paused', reason: `by ${actor}` });

/** Goes on; the failures there are count no more towards the next pause. */
export const resumeRollout = (db: HasPool, deploymentId: number, actor: string): Promise<void> =>
  move(db, { deploymentId, actor, verb: 'resume', from: ['paused'], to: 'running', reason: null });

/** What has begun goes on to its end within the limit; what has not is held back until the next commit. For good. */
export const abortRollout = (db: HasPool, deploymentId: number, actor: string): Promise<void> =>
  move(db, { deploymentId, actor, verb: 'abort', from: ['running', 'paused'], to: 'aborted', reason: `by ${actor}` });

type Turn = { deploymentId: number; actor: string; verb: 'pause' | 'resume' | 'abort'; from: string[]; to: string; reason: string | null };

async function move(db: HasPool, turn: Turn): Promise<void> {
  await withRetriedTransaction(db.pool, async (tx) => {
    const live = await lock(tx, turn.deploymentId);
    if (!live) throw new ConflictError('the deployment has no rollout under way; a commit begins one when there is a policy', { code: 'no-rollout' });
    if (live.status === turn.to) return;
    if (!turn.from.includes(live.status))
      throw new ConflictError(
        live.status === 'aborted'
          ? 'the rollout was aborted for good; commit the deployment again, or remove the rollout to let the rest go without limits'
          : `the rollout is ${live.status}: it cannot ${turn.verb}`,
        { code: 'rollout-status' },
      );
    if (turn.verb === 'resume')
      await tx.query(
        'UPDATE rollout_members m SET accepted_epoch = f.fault FROM rollout_faults($1) f WHERE m.node_role_id = f.node_role_id AND f.fault IS NOT NULL',
        [live.id],
      );
    await setStatus(tx, live.id, turn.to, turn.reason);
    await write(tx, { deploymentId: turn.deploymentId, actor: turn.actor, action: `rollout.${turn.verb}`, rolloutId: live.id });
  });
}

async function setStatus(tx: Tx, id: number, status: string, reason: string | null): Promise<void> {
  await tx.query(
    `UPDATE rollouts SET status = $2, reason = $3, version = version + 1, changed_at = clock_timestamp(), ended_at = CASE WHEN $2 = 'removed' THEN clock_timestamp() END WHERE id = $1`,
    [id, status, reason],
  );
}
