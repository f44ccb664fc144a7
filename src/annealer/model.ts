/**
 * What runs next, and why not this one: the claim's rule in words and as a pure function. The same rule stands as SQL in
 * prisma/functions/20_claim.sql; a property test holds one against the other, and `why.ts` says each gate in words.
 */
import type { NodeRoleState } from '../noderoles/state.js';

export type Candidate = {
  id: number;
  nodeId: number;
  roleId: number;
  state: NodeRoleState;
  cohort: number;
  /** Milliseconds since the epoch; null when nothing holds it back. */
  notBefore: number | null;
  deploymentCommitted: boolean;
  deploymentPaused: boolean;
  jobClass: string;
  /** any | discovery | installed */
  runsIn: string;
  deploymentId: number;
  /** Roles that go first on the same node, and anywhere in the deployment, as long as there is something to wait for. */
  softAfter: readonly number[];
  softAfterDeployment: readonly number[];
  /** BLOCKED, and somewhere above it stands an ERROR or a parent that was taken back. */
  blockedForGood: boolean;
};

export type NodeView = { id: number; kind: 'machine' | 'admin' | 'phantom'; alive: boolean; available: boolean; deleting: boolean; bootClass: string | null };

/** Keys of live slots: node id for machines, `node:role` otherwise (engine-rules 7). */
export type Snapshot = {
  nodes: Map<number, NodeView>;
  busyKeys: Set<string>;
  /** What each class of jobs still takes, and what the cap of all together leaves. */
  room: Map<string, number>;
  total: number;
  now: number;
};

const inOrder = (a: Candidate, b: Candidate) => a.cohort - b.cohort || a.id - b.id;

/** What excludes another run: the machine, or the role on an admin or phantom node. */
export function exclusiveKey(node: NodeView, roleId: number): string {
  return node.kind === 'machine' ? String(node.id) : `${node.id}:${roleId}`;
}

/** Gates that are not state, as codes; `why` turns them into sentences. */
export type Gate =
  | 'not-todo'
  | 'node-not-alive'
  | 'node-not-available'
  | 'node-deleting'
  | 'not-committed'
  | 'paused'
  | 'backing-off'
  | 'wrong-environment'
  | 'soft-predecessor'
  | 'slot-taken'
  | 'no-worker';

/** The noderole that this one waits for softly, the first in order (engine-rules 24). */
export function softPredecessor(candidate: Candidate, all: readonly Candidate[]): Candidate | undefined {
  return all
    .filter(
      (other) =>
        other.id !== candidate.id &&
        ((other.nodeId === candidate.nodeId && candidate.softAfter.includes(other.roleId)) ||
          (other.deploymentId === candidate.deploymentId && candidate.softAfterDeployment.includes(other.roleId))) &&
        (other.state === 'TODO' || other.state === 'TRANSITION' || (other.state === 'BLOCKED' && !other.blockedForGood)),
    )
    .sort(inOrder)[0];
}

/** The gates that keep this noderole from being claimed now, apart from its turn. Empty: it may run. */
export function gates(candidate: Candidate, snapshot: Snapshot, all: readonly Candidate[] = []): Gate[] {
  const node = snapshot.nodes.get(candidate.nodeId);
  if (!node) return ['node-deleting'];
  const closed: Gate[] = [];
  if (candidate.state !== 'TODO') closed.push('not-todo');
  if (!node.alive) closed.push('node-not-alive');
  if (!node.available) closed.push('node-not-available');
  if (node.deleting) closed.push('node-deleting');
  if (!candidate.deploymentCommitted) closed.push('not-committed');
  if (candidate.deploymentPaused) closed.push('paused');
  if (candidate.notBefore !== null && candidate.notBefore > snapshot.now) closed.push('backing-off');
  if (candidate.runsIn !== 'any' && node.kind === 'machine' && candidate.runsIn !== node.bootClass) closed.push('wrong-environment');
  if (softPredecessor(candidate, all)) closed.push('soft-predecessor');
  if (snapshot.busyKeys.has(exclusiveKey(node, candidate.roleId))) closed.push('slot-taken');
  if ((snapshot.room.get(candidate.jobClass) ?? 0) <= 0) closed.push('no-worker');
  return closed;
}

/** The noderoles to start: per machine the first in (cohort, id) order that no gate holds; per class as many as it has room for, and no more than the cap of all together leaves. */
export function pickRunnable(candidates: Candidate[], snapshot: Snapshot): Candidate[] {
  const open = candidates.filter((candidate) => gates(candidate, snapshot, candidates).length === 0).sort(inOrder);
  const taken = new Set<string>();
  const room = new Map(snapshot.room);
  return open
    .filter((candidate) => {
      const node = snapshot.nodes.get(candidate.nodeId);
      if (!node) return false;
      const key = exclusiveKey(node, candidate.roleId);
      if (taken.has(key)) return false;
      taken.add(key);
      const left = room.get(candidate.jobClass) ?? 0;
      if (left <= 0) return false;
      room.set(candidate.jobClass, left - 1);
      return true;
    })
    .slice(0, snapshot.total);
}
