/** A rollout as the API shows it. */
import { lastRollout, readRolloutView, type RolloutRow } from '../../annealer/rollout-read.js';
import { inFlight, progress, type RolloutView } from '../../annealer/rollout.js';
import type { Db } from '../../db/client.js';
import type { Amount, RolloutPolicy } from '../../deployments/rollouts.js';
import type { RolloutAnswer } from '../rollout-schemas.js';
import type { Ref } from '../schemas.js';

const NODES_SHOWN = 100;

/** Policy and last rollout of a deployment that exists. */
export async function readRollout(db: Db, deploymentId: number): Promise<RolloutAnswer> {
  const deployment = await db.prisma.deployment.findUniqueOrThrow({ where: { id: deploymentId }, select: { id: true, name: true, rolloutPolicy: true } });
  const policy = deployment.rolloutPolicy as RolloutPolicy | null;
  const row = await lastRollout(db.pool, deploymentId);
  return {
    deployment: { id: deployment.id, name: deployment.name },
    policy: policy && (await policyView(db, policy)),
    rollout: row === undefined ? null : await rolloutView(db, row),
  };
}

async function rolloutView(db: Db, row: RolloutRow): Promise<NonNullable<RolloutAnswer['rollout']>> {
  const { view, groups } = await readRolloutView(db.pool, row);
  const flying = [...new Set([...view.places].map((key) => Number(key.split(' ')[0])))];
  const failed = [...new Set(view.members.filter((member) => member.state === 'ERROR').map((member) => member.nodeId))];
  return {
    id: row.id,
    revision: row.revision,
    status: row.status,
    phase: row.phase,
    reason: row.reason,
    started_at: row.started_at.toISOString(),
    changed_at: row.changed_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    progress: progress(view),
    groups: groups.map((group) => ({ ...group, in_flight: liveCount(view, group.key) })),
    nodes_in_flight: await refs(db, flying),
    nodes_failed: await refs(db, failed),
  };
}

const liveCount = (view: RolloutView, group: string): number => inFlight(view, group);

async function policyView(db: Db, policy: RolloutPolicy): Promise<NonNullable<RolloutAnswer['policy']>> {
  const { canaries } = policy;
  return {
    canaries: canaries === null ? null : 'nodes' in canaries ? await refs(db, canaries.nodes) : amountText(canaries),
    in_flight: amountText(policy.limit),
    per: policy.per,
    pause_above: policy.pause_above,
    min_sample: policy.min_sample,
  };
}

const amountText = (amount: Amount): number | string => ('count' in amount ? amount.count : `${amount.percent}%`);

async function refs(db: Db, ids: number[]): Promise<Ref[]> {
  if (ids.length === 0) return [];
  return await db.prisma.node.findMany({ where: { id: { in: ids } }, select: { id: true, name: true }, orderBy: { id: 'asc' }, take: NODES_SHOWN });
}
