/** What would run but cannot, and why: the first thing found on the way up. PURE. */
import { isDestructive, type PlanIndex, type PlanNodeRole, type RunReason } from './plan-snapshot.js';

export type Held = { why: string };

/** By id. `reasons`: everything that would run. */
export function heldBack(index: PlanIndex, reasons: ReadonlyMap<number, RunReason>): Map<number, Held> {
  const held = new Map<number, Held>();
  const installs = new Set<number>();
  for (const nr of index.ordered) {
    // Work of other deployments that is under way may carry parents of ours.
    const goes = reasons.has(nr.id) || isUnderway(nr);
    if (!goes) continue;
    // What keeps a parent keeps this one: told once, at its root.
    const why = parentsWhy(index, nr, reasons, held) ?? gate(index, nr, installs);
    if (why !== undefined) held.set(nr.id, { why });
    else if (isDestructive(index, nr)) installs.add(nr.nodeId);
  }
  for (const id of held.keys()) if (!reasons.has(id)) held.delete(id);
  return held;
}

const isUnderway = (nr: PlanNodeRole) => nr.state === 'TODO' || nr.state === 'BLOCKED' || nr.state === 'TRANSITION';

/** What the claim would wait for on the node or in the deployment. A run that has begun is through. */
function gate(index: PlanIndex, nr: PlanNodeRole, installs: ReadonlySet<number>): string | undefined {
  if (nr.state === 'TRANSITION') return undefined;
  const node = index.node(nr.nodeId);
  const deployment = index.deployment(nr.deploymentId);
  if (node.deleting) return `${node.name} is being deleted`;
  if (!node.available) return `${node.name} is not available (prybar nodes set ${node.name} --available)`;
  if (deployment.paused) return `${deployment.name} is paused (prybar deployments resume ${deployment.name})`;
  if (!deployment.committed && deployment.id !== index.snapshot.deployment.id && !index.snapshot.along.has(nr.id)) return `${deployment.name} is not committed`;
  if (!node.alive && !(node.hasBmc && deployment.powerOn)) return `${node.name} is not alive, and nothing will switch it on`;
  const { runsIn } = index.role(nr.roleId);
  if (node.kind === 'machine' && runsIn !== 'any' && node.bootClass !== runsIn && !(runsIn === 'installed' && installs.has(node.id)))
    return `${node.name} runs ${node.bootClass ?? 'no system we know'}, and ${index.role(nr.roleId).name} needs ${runsIn === 'installed' ? 'an installed system' : 'the discovery system'}`;
  if (isDestructive(index, nr) && (nr.install === 'wiping' || nr.install === 'unknown'))
    return `an earlier installation may have left the disk of ${node.name} half written; look at the machine, then: prybar nodes redeploy ${node.name}`;
  return undefined;
}

function parentsWhy(index: PlanIndex, nr: PlanNodeRole, reasons: ReadonlyMap<number, RunReason>, held: ReadonlyMap<number, Held>): string | undefined {
  const parents = index.parents(nr.id).filter((parent) => parent.committed || index.commits(parent) || index.commits(nr));
  const whys = parents.flatMap((parent) => parentWhy(index, parent, reasons, held) ?? []);
  // Parents that the snapshot does not hold are known by the counter alone.
  const known = parents.filter((parent) => parent.committed && parent.state !== 'ACTIVE').length;
  const unseen = Math.max(0, nr.pending - known);
  if (whys.length + unseen <= slackAfter(nr, parents.length)) return undefined;
  return whys[0] ?? `${index.name(nr)} waits for parents that other deployments have not brought up`;
}

function slackAfter(nr: PlanNodeRole, members: number): number {
  return nr.barrier && nr.quorum !== null ? Math.max(0, members - nr.quorum) : 0;
}

function parentWhy(index: PlanIndex, parent: PlanNodeRole, reasons: ReadonlyMap<number, RunReason>, held: ReadonlyMap<number, Held>): string | undefined {
  const above = held.get(parent.id);
  if (above !== undefined) return above.why;
  if (reasons.has(parent.id) || parent.state === 'ACTIVE' || isUnderway(parent)) return undefined;
  if (parent.state === 'ERROR')
    return `${index.name(parent)} is in ERROR${parent.error === null ? '' : `: ${parent.error}`} (prybar noderoles retry ${index.name(parent)})`;
  return `${index.name(parent)} in ${index.deployment(parent.deploymentId).name} is proposed`;
}
