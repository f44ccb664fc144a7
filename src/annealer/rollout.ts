/**
 * A rolling change: which noderoles of a rollout may be claimed, which wait and why, when its phase changes and when it
 * stops by itself. PURE. The same rule stands as SQL in prisma/functions/18_rollout.sql, where the claim asks it under the
 * lock of the rollout; a property test holds one against the other, and `why` explains with this one.
 *
 * What is limited is a group: a role, a failure domain (a hint of the node), or the whole deployment. A node that begins
 * work of a group takes a place in it and keeps it while something of that group on the node is TRANSITION, or TODO and
 * its turn. When all that is left waits for others, the place is given back: a node that kept its place while it waits for one that waits for
 * a place would wait for ever. To go on it takes a place again.
 */
import type { NodeRoleState } from '../noderoles/state.js';

/** `running`, `paused` and `aborted` hold claims back; the others have no say any more. */
export type RolloutStatus = 'running' | 'paused' | 'aborted' | 'done' | 'superseded' | 'removed';
/** Canaries go alone first, with everything they wait for. */
export type RolloutPhase = 'canary' | 'fleet';

/** A failure that the operator has seen and accepted by `resume` counts no more. */
export type Fault = 'none' | 'accepted' | 'new';

export type Member = {
  id: number;
  nodeId: number;
  group: string;
  canary: boolean;
  /** Claimed at least once in this rollout. */
  begun: boolean;
  state: NodeRoleState;
  /** It is in ERROR, or BLOCKED by one that is. */
  fault: Fault;
  /** TODO, but soft order keeps it behind another. */
  yields?: boolean;
};

export type RolloutView = {
  status: RolloutStatus;
  phase: RolloutPhase;
  reason: string | null;
  /** Percent of the nodes that have ended; more failures than that pause the rollout. */
  pauseAbove: number;
  /** Nodes that must have ended before the rate means anything. */
  minSample: number;
  /** Nodes that may be in flight, by group. */
  max: Map<string, number>;
  members: Member[];
  /** Group and node as `placeKey` spells them. */
  places: Set<string>;
};

export type Assessed = Pick<RolloutView, 'status' | 'phase' | 'reason' | 'places'> & { changed: boolean };

export const placeKey = (group: string, nodeId: number): string => `${nodeId} ${group}`;

const isMoving = (state: NodeRoleState): boolean => state === 'TODO' || state === 'TRANSITION';

type NodeStanding = { nodeId: number; canary: boolean; begun: boolean; done: boolean; moving: boolean; failed: boolean; faulty: boolean };

/** The nodes of these members, each with how far it is. What was taken back (PROPOSED) is not waited for. */
function standings(members: Member[], countUnbegun: boolean): NodeStanding[] {
  const byNode = new Map<number, Member[]>();
  for (const member of members) if (member.state !== 'PROPOSED') byNode.set(member.nodeId, [...(byNode.get(member.nodeId) ?? []), member]);
  return [...byNode].map(([nodeId, all]) => {
    const moving = all.some((member) => isMoving(member.state));
    const begun = all.some((member) => member.begun);
    return {
      nodeId,
      canary: all.some((member) => member.canary),
      begun,
      done: all.every((member) => member.state === 'ACTIVE'),
      moving,
      faulty: all.some((member) => member.fault !== 'none'),
      failed:
        all.some((member) => member.state === 'ERROR' && member.fault === 'new') ||
        (!moving && (begun || countUnbegun) && all.some((member) => member.state === 'BLOCKED' && member.fault === 'new')),
    };
  });
}

/**
 * Places as they are now: given back where nothing moves, taken where something already runs. What is TODO but may not go
 * before others have gone (the canaries, soft order) keeps no place: those others may be waiting for it.
 */
function placesNow(view: RolloutView): Set<string> {
  const keeps = (member: Member) =>
    member.state === 'TRANSITION' || (member.state === 'TODO' && (view.phase === 'fleet' || member.canary) && member.yields !== true);
  const moving = new Set(view.members.filter(keeps).map((member) => placeKey(member.group, member.nodeId)));
  const places = new Set([...view.places].filter((key) => moving.has(key)));
  for (const member of view.members) if (member.state === 'TRANSITION') places.add(placeKey(member.group, member.nodeId));
  return places;
}

/** What becomes of the rollout now: its places, its phase, whether it pauses by itself or is done. */
export function assess(view: RolloutView): Assessed {
  const places = placesNow(view);
  const stays: Assessed = { status: view.status, phase: view.phase, reason: view.reason, places, changed: false };
  if (view.members.every((member) => member.state === 'ACTIVE' || member.state === 'PROPOSED'))
    return { ...stays, status: 'done', reason: null, changed: true };
  if (view.status !== 'running') return stays;

  const inCanary = view.phase === 'canary';
  const nodes = standings(inCanary ? view.members.filter((member) => member.canary) : view.members, inCanary);
  const failed = nodes.filter((node) => node.failed).length;
  const sample = nodes.filter((node) => node.done || node.failed).length;
  if (failed > 0 && sample >= Math.min(view.minSample, nodes.length) && failed * 100 > view.pauseAbove * sample)
    return { ...stays, status: 'paused', reason: `${failed} of ${sample} ${inCanary ? 'canaries' : 'nodes'} failed`, changed: true };
  if (inCanary && nodes.every((node) => node.done || (node.faulty && !node.moving))) return { ...stays, phase: 'fleet', changed: true };
  return stays;
}

/** How many more nodes may begin in the noderole's group; Infinity for one whose node has a place. Zero: it waits. */
export function roomFor(view: RolloutView, member: Member): number {
  const eligible =
    (view.status === 'running' && (view.phase === 'fleet' || member.canary)) ||
    (view.status === 'aborted' && view.members.some((other) => other.nodeId === member.nodeId && other.begun));
  if (!eligible) return 0;
  if (view.places.has(placeKey(member.group, member.nodeId))) return Infinity;
  return Math.max(0, (view.max.get(member.group) ?? 0) - inFlight(view, member.group));
}

/** Nodes that hold a place in the group. */
export function inFlight(view: RolloutView, group: string): number {
  const members = new Set(view.members.filter((member) => member.group === group).map((member) => placeKey(group, member.nodeId)));
  return [...view.places].filter((key) => members.has(key)).length;
}

/** Of noderoles in the order in which they would be claimed (one a machine), those that may be: no group goes over its limit. */
export function admit(view: RolloutView, inOrder: Member[]): Member[] {
  const turns = new Map<string, number>();
  return inOrder.filter((member) => {
    const room = roomFor(view, member);
    if (room === Infinity || room === 0) return room > 0;
    const turn = (turns.get(member.group) ?? 0) + 1;
    turns.set(member.group, turn);
    return turn <= room;
  });
}

export type Progress = { nodes: number; done: number; failed: number; in_flight: number; waiting: number; canaries: number; canaries_done: number };

/** How far it is, in nodes. A node is counted once: failed before in flight before done. */
export function progress(view: RolloutView): Progress {
  const nodes = standings(view.members, false);
  const held = new Set([...view.places].map((key) => Number(key.split(' ')[0])));
  const failed = nodes.filter((node) => node.faulty && !node.done);
  const flying = nodes.filter((node) => !failed.includes(node) && held.has(node.nodeId));
  const done = nodes.filter((node) => node.done);
  const canaries = standings(
    view.members.filter((member) => member.canary),
    true,
  );
  return {
    nodes: nodes.length,
    done: done.length,
    failed: failed.length,
    in_flight: flying.length,
    waiting: nodes.length - done.length - failed.length - flying.length,
    canaries: canaries.length,
    canaries_done: canaries.filter((node) => node.done).length,
  };
}

/** Why a noderole of the rollout waits, and what would let it go; null when the rollout does not hold it. */
export function explainHold(view: RolloutView, member: Member, deployment: string): { text: string; unblock: string } | null {
  if (roomFor(view, member) > 0) return null;
  if (view.status === 'paused')
    return {
      text: `the rollout is paused: ${view.reason ?? 'by an operator'}`,
      unblock: `Look at what failed, then resume with: prybar rollout resume ${deployment}`,
    };
  if (view.status === 'aborted')
    return {
      text: `the rollout was aborted${view.reason === null ? '' : `: ${view.reason}`}; what had not begun is held back`,
      unblock: `Commit the deployment again (or an older revision of it), or let the rest go without limits: prybar rollout remove ${deployment}`,
    };
  const { canaries, canaries_done: done } = progress(view);
  if (view.status === 'running' && view.phase === 'canary' && !member.canary)
    return {
      text: `canary phase: waits for ${canaries - done} of ${canaries} canaries`,
      unblock: `It goes on when they are ACTIVE: prybar rollout show ${deployment}`,
    };
  const max = view.max.get(member.group) ?? 0;
  return {
    text: `${inFlight(view, member.group)} of ${max} nodes of ${member.group} are in flight`,
    unblock: 'It goes on when one of them is ACTIVE or in ERROR.',
  };
}
