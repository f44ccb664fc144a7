/** How far a commit reaches beyond its own deployment. PURE. */
import type { PlanIndex } from './plan-snapshot.js';

export type PlanAffected = { deployment: string; noderoles: number; nodes: number };

/** Other deployments with noderoles that wait for, or follow, what runs: those named, and the children of what runs. */
export function affected(index: PlanIndex, ids: readonly number[]): PlanAffected[] {
  const { snapshot } = index;
  const moved = new Set(ids);
  const reached = new Map<number, Set<number>>();
  for (const nr of index.ordered) {
    if (nr.deploymentId === snapshot.deployment.id || snapshot.along.has(nr.id)) continue;
    if (!moved.has(nr.id) && !index.parents(nr.id).some((parent) => moved.has(parent.id))) continue;
    const found = reached.get(nr.deploymentId) ?? new Set();
    reached.set(nr.deploymentId, found.add(nr.id));
  }
  return [...reached].map(([id, found]) => ({
    deployment: index.deployment(id).name,
    noderoles: found.size,
    nodes: new Set([...found].map((one) => index.get(one).nodeId)).size,
  }));
}
