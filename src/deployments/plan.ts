/**
 * What committing a deployment would do. PURE: a snapshot in, the answer out; the words for it are `plan-words.ts`.
 *
 * The rules are those of `prisma/functions/60_commit.sql` and the annealer, told forwards: what is proposed runs; what is
 * ACTIVE and reads changed data runs again, unless it is destructive; what stands on a system that is installed runs again; a
 * barrier that gains or loses members runs, and those that read its members after it. Everything else stays. Noderoles are looked at in cohort order, parents before children.
 * A property test drives the engine and holds what ran against `willRun`.
 */
import { affected, type PlanAffected } from './plan-affected.js';
import { dataChanges, rereads, type DataChange } from './plan-data.js';
import { erasures, type Erasure } from './plan-erase.js';
import { expectedSeconds, type PlanDuration } from './plan-duration.js';
import { indexSnapshot, isDestructive, type PlanIndex, type PlanNodeRole, type PlanSnapshot, type RunReason } from './plan-snapshot.js';
import { heldBack, type Held } from './plan-held.js';

/** One role on several nodes, at the same depth, for the same reason. */
export type PlanGroup = { role: string; reason: RunReason; nodes: string[] };
export type PlanRefusal = { code: 'deployment-empty' | 'nothing-to-commit' | 'parents-lost' | 'parents-proposed'; message: string; parents: string[] };

export type Plan = {
  deployment: { id: number; name: string };
  /** The number that the commit would get. */
  revision: number;
  refusals: PlanRefusal[];
  /** In order: a wave begins when what it needs of earlier waves is ACTIVE. */
  waves: PlanGroup[][];
  runs: number;
  nodes: string[];
  erases: Erasure[];
  data: DataChange[];
  /** Would run, but something keeps them from it; `why` names it. */
  held: { why: string; noderoles: string[] }[];
  /** Destructive and installed already: they stay, though what they would be given changed. */
  drift: string[];
  /** In ERROR: the commit does not make them run. */
  failed: string[];
  /** ACTIVE noderoles below: they stay, and run again only when what they read of their parents changes. */
  follow: PlanGroup[];
  affected: PlanAffected[];
  /** It has a rollout policy: the commit begins a rolling change. */
  rolling: boolean;
  /** Nodes that are not alive and have work: they are switched on for it. Those that cannot be hold it back. */
  asleep: string[];
  duration: PlanDuration;
  /** Noderoles by id, for tests and the hash. */
  willRun: number[];
};

export function computePlan(snapshot: PlanSnapshot): Plan {
  const index = indexSnapshot(snapshot);
  const changed = rereads(index);
  const reasons = whyRun(index, changed);
  const held = heldBack(index, reasons);
  const running = [...reasons.keys()].filter((id) => !held.has(id));
  const waves = waveOf(index, new Set(running));
  const follow = followers(index, new Set(running));
  const inDeployment = (nr: PlanNodeRole) => nr.deploymentId === snapshot.deployment.id;
  const own = index.ordered.filter(inDeployment);
  const busy = [...new Set(running.map((id) => index.get(id).nodeId))].map((id) => index.node(id));
  return {
    deployment: { id: snapshot.deployment.id, name: snapshot.deployment.name },
    revision: snapshot.deployment.revision + 1,
    refusals: refusals(index),
    waves: groupWaves(index, reasons, waves),
    runs: running.length,
    nodes: busy
      .filter((node) => node.kind === 'machine')
      .map((node) => node.name)
      .sort(byName),
    erases: erasures(index, reasons, held),
    data: dataChanges(index),
    held: groupHeld(index, held),
    drift: own.filter((nr) => nr.state === 'ACTIVE' && isDestructive(index, nr) && changed.has(nr.id)).map((nr) => index.name(nr)),
    failed: own.filter((nr) => nr.state === 'ERROR').map((nr) => index.name(nr)),
    follow: group(index, follow, () => 'wanted'),
    affected: affected(index, [...running, ...follow]),
    rolling: snapshot.deployment.rolling,
    asleep: [
      ...new Set(
        running
          .map((id) => index.get(id))
          .filter((nr) => nr.state !== 'TRANSITION')
          .map((nr) => nr.nodeId),
      ),
    ]
      .map((id) => index.node(id))
      .filter((node) => !node.alive)
      .map((node) => node.name)
      .sort(byName),
    duration: expectedSeconds(index, running, waves),
    willRun: running.sort((a, b) => a - b),
  };
}

const COLLATOR = new Intl.Collator('en', { numeric: true });
const byName = (a: string, b: string) => COLLATOR.compare(a, b);

/** Every noderole that the engine would run after the commit, if nothing held it back. */
function whyRun(index: PlanIndex, changed: ReadonlyMap<number, RunReason>): Map<number, RunReason> {
  const reasons = new Map<number, RunReason>();
  const membersChange = new Set<number>();
  /** Installations that run, and what stands on them. */
  const installed = new Set<number>();
  for (const nr of index.ordered) {
    if (joining(nr) > 0) membersChange.add(nr.id);
    const standsOnIt = index.parents(nr.id).some((parent) => parent.nodeId === nr.nodeId && installed.has(parent.id));
    const reason = reasonOf(nr, standsOnIt);
    if (reason !== undefined) reasons.set(nr.id, reason);
    if (standsOnIt || (reason !== undefined && isDestructive(index, nr) && nr.install !== 'completed')) installed.add(nr.id);
  }
  return reasons;

  function reasonOf(nr: PlanNodeRole, standsOnIt: boolean): RunReason | undefined {
    if (index.commits(nr)) return nr.committed ? 'again' : 'bound';
    if (!nr.committed || nr.state === 'PROPOSED' || nr.state === 'ERROR') return undefined;
    if (nr.state !== 'ACTIVE') return joining(nr) > 0 ? 'members' : nr.deploymentId === index.snapshot.deployment.id ? 'underway' : undefined;
    if (nr.barrier && (joining(nr) > 0 || pendingAfter(nr) > nr.slack)) return 'members';
    if (isDestructive(index, nr)) return undefined;
    if (standsOnIt && nr.succeeded && index.role(nr.roleId).validity !== 'always') return 'installed';
    if (changed.has(nr.id)) return changed.get(nr.id);
    return index.parents(nr.id).some((parent) => membersChange.has(parent.id) && index.readsWallOf(nr, parent)) ? 'members' : undefined;
  }

  function joining(nr: PlanNodeRole): number {
    return nr.barrier ? index.parents(nr.id).filter((parent) => index.commits(parent) && !parent.committed).length : 0;
  }

  /** Members that leave ACTIVE, and new ones, are pending. */
  function pendingAfter(nr: PlanNodeRole): number {
    return nr.pending + joining(nr) + index.parents(nr.id).filter((parent) => parent.state === 'ACTIVE' && reasons.has(parent.id)).length;
  }
}

/** 1 for what can run at once, else one more than the latest of its parents that run. */
function waveOf(index: PlanIndex, running: ReadonlySet<number>): Map<number, number> {
  const waves = new Map<number, number>();
  for (const nr of index.ordered)
    if (running.has(nr.id))
      waves.set(
        nr.id,
        index.parents(nr.id).reduce((latest, parent) => Math.max(latest, (waves.get(parent.id) ?? 0) + 1), 1),
      );
  return waves;
}

/** ACTIVE noderoles that read, directly or through each other, what running ones leave behind. */
function followers(index: PlanIndex, running: ReadonlySet<number>): number[] {
  const told = new Set<number>();
  for (const nr of index.ordered) {
    if (running.has(nr.id) || nr.state !== 'ACTIVE' || nr.barrier || isDestructive(index, nr)) continue;
    const sources = [...index.parents(nr.id).filter((parent) => index.readsWallOf(nr, parent)), ...index.linked(nr.id)];
    if (sources.some((source) => running.has(source.id) || told.has(source.id))) told.add(nr.id);
  }
  return [...told];
}

function groupWaves(index: PlanIndex, reasons: ReadonlyMap<number, RunReason>, waves: ReadonlyMap<number, number>): PlanGroup[][] {
  const members: number[][] = [];
  for (const [id, wave] of waves) (members[wave - 1] ??= []).push(id);
  return members.map((ids) => group(index, ids, (id) => reasons.get(id) ?? 'underway'));
}

function group(index: PlanIndex, ids: readonly number[], reason: (id: number) => RunReason): PlanGroup[] {
  const groups = new Map<string, PlanGroup>();
  for (const id of ids) {
    const nr = index.get(id);
    const role = index.role(nr.roleId).name;
    const key = `${role} ${reason(id)}`;
    const found = groups.get(key) ?? { role, reason: reason(id), nodes: [] };
    found.nodes.push(index.node(nr.nodeId).name);
    groups.set(key, found);
  }
  return [...groups.values()].map((found) => ({ ...found, nodes: found.nodes.sort(byName) }));
}

function groupHeld(index: PlanIndex, held: ReadonlyMap<number, Held>): Plan['held'] {
  const groups = new Map<string, string[]>();
  for (const [id, { why }] of held) groups.set(why, [...(groups.get(why) ?? []), index.name(index.get(id))]);
  return [...groups].map(([why, noderoles]) => ({ why, noderoles: noderoles.sort(byName) }));
}

function refusals({ snapshot, ordered, ...index }: PlanIndex): PlanRefusal[] {
  const { deployment } = snapshot;
  const own = ordered.filter((nr) => nr.deploymentId === deployment.id);
  if (own.length === 0) return [{ code: 'deployment-empty', message: `nothing is bound in ${deployment.name}`, parents: [] }];
  const proposed = own.some((nr) => nr.state === 'PROPOSED' || nr.proposed !== null) || snapshot.deploymentRoles.some((pair) => pair.proposed !== null);
  if (!proposed && deployment.committed)
    return [{ code: 'nothing-to-commit', message: `nothing was bound or changed in ${deployment.name} since its last commit`, parents: [] }];
  const torn = own.filter((nr) => nr.state === 'PROPOSED' && (nr.lost.length > 0 || nr.removing));
  if (torn.length > 0) {
    const message = 'these lost a parent or are being removed; what lost a parent must be unbound and bound anew';
    return [{ code: 'parents-lost', message, parents: torn.map((nr) => index.name(nr)).sort(byName) }];
  }
  const parents = snapshot.proposedOutside.filter((id) => !snapshot.along.has(id)).map((id) => index.get(id));
  if (parents.length === 0) return [];
  const names = parents.map((nr) => `${index.name(nr)} in ${index.deployment(nr.deploymentId).name}`).sort(byName);
  return [{ code: 'parents-proposed', message: 'parents in other deployments are proposed; commit those first, or take them along', parents: names }];
}
