/**
 * Where a noderole changes state: the only transition table. PURE.
 *
 * PROPOSED   bound, not committed. Entered by bind and by repropose; left by commit. Nothing runs.
 * BLOCKED    committed, and at least one committed hard parent is not ACTIVE. Left when the last one is, to TODO.
 * TODO       committed and every parent ACTIVE: the claim may take it when its node is free. CHECK: pending parents = 0.
 * TRANSITION one live run is deciding it. Entered by the claim alone; left by that run's end.
 * ACTIVE     its jig succeeded with the inputs that are wanted. Left when inputs move on (poke), when a boot ends its
 *            validity, when an ERROR wave reaches it, or when an operator takes it back.
 * ERROR      its jig failed for good, or an operator cancelled it. Left by retry, redeploy or repropose only.
 *
 * `pendingParents` counts committed hard parents that are not ACTIVE, in every state; whoever enters or leaves ACTIVE
 * moves the counters of the direct children (`childrenDelta`). Ready means: not more of them than `slack`, which is 0 but
 * for the barrier of a cluster role with a quorum (engine-rules 24). The same rules stand as SQL in prisma/functions for
 * batches (claim, settle, commit); property tests hold that SQL against this table.
 */
export const NodeRoleState = {
  PROPOSED: 'PROPOSED',
  BLOCKED: 'BLOCKED',
  TODO: 'TODO',
  TRANSITION: 'TRANSITION',
  ACTIVE: 'ACTIVE',
  ERROR: 'ERROR',
} as const;
export type NodeRoleState = (typeof NodeRoleState)[keyof typeof NodeRoleState];

/** Numbers on the wire, as OpenCrowbar had them. */
export const stateCode: Record<NodeRoleState, number> = { ERROR: -1, ACTIVE: 0, TODO: 1, TRANSITION: 2, BLOCKED: 3, PROPOSED: 4 };

export type NodeRoleEvent =
  | { kind: 'commit' }
  | { kind: 'parent-entered-active' }
  | { kind: 'parent-left-active' }
  /** A member of this barrier was committed for the first time (it is not ACTIVE yet), or was removed: `pending` tells whether the removed one was. */
  | { kind: 'member-joined'; slack: number }
  | { kind: 'member-left'; slack: number; pending: boolean }
  /** A parent left another wall than before: what was frozen from it is old. */
  | { kind: 'parent-changed' }
  | { kind: 'error-wave' }
  | { kind: 'claim' }
  | { kind: 'succeed' }
  | { kind: 'fail-retryable' }
  | { kind: 'fail-final' }
  | { kind: 'supersede' }
  | { kind: 'release' }
  | { kind: 'poke' }
  | { kind: 'cancel' }
  | { kind: 'retry' }
  /** Run again whatever the inputs say: a poke, and of ERROR also a retry. */
  | { kind: 'rerun' }
  /** Install anew: a new install id, whatever the old one was. */
  | { kind: 'redeploy' }
  | { kind: 'repropose' };

/** What the table looks at. `runGen` is the generation of inputs that the current run froze, null when none is running. */
export type NodeRoleView = {
  state: NodeRoleState;
  pendingParents: number;
  /** How many parents may be pending while it is ready. */
  slack: number;
  /** It gathers the members of a cluster role. */
  barrier: boolean;
  wantGen: number;
  runGen: number | null;
  destructive: boolean;
  /** A run of this noderole is STOPPING: its end is not proven yet. */
  stopping: boolean;
  /** What its run is in the middle of and may not be broken off; null or absent when it may (engine-rules 17). */
  unabortable?: string | null;
  /** Its installation has or may have touched the disk, and nobody knows how it ended (engine-rules 15). */
  installUnproven?: boolean;
};

/** What becomes of it. `run: 'stop'`: take the live run from its executor, `stop-later`: when its unabortable step is over; `wave`: start an ERROR wave at this noderole. */
export type Move = {
  to: NodeRoleState;
  pendingParents: number;
  slack: number;
  wantGen: number;
  childrenDelta: -1 | 0 | 1;
  run: 'keep' | 'stop' | 'stop-later';
  wave: boolean;
};

/** Refused by the table: `reason` is a sentence for the operator. */
export type Refusal = { refused: string };

/** Where a committed noderole goes when nothing keeps it: TODO when not more parents are pending than its slack, else BLOCKED. */
export function ready(pendingParents: number, slack: number): 'TODO' | 'BLOCKED' {
  return pendingParents <= slack ? 'TODO' : 'BLOCKED';
}

/** The table: every state by every event. Pure; the same view and event always give the same answer. */
export function next(view: NodeRoleView, event: NodeRoleEvent): Move | Refusal {
  const { state, pendingParents: p, slack } = view;
  const stay: Move = { to: state, pendingParents: p, slack, wantGen: view.wantGen, childrenDelta: 0, run: 'keep', wave: false };
  const leaves = (to: NodeRoleState): Move => ({ ...stay, to, childrenDelta: state === 'ACTIVE' && to !== 'ACTIVE' ? 1 : 0 });

  switch (event.kind) {
    case 'commit':
      return state === 'PROPOSED' ? { ...stay, to: ready(p, slack) } : stay;

    case 'parent-entered-active': {
      if (p === 0) return { refused: 'no parent was pending' };
      return { ...stay, pendingParents: p - 1, to: state === 'BLOCKED' ? ready(p - 1, slack) : state };
    }

    case 'parent-left-active': {
      const pending = { ...stay, pendingParents: p + 1 };
      if (state === 'TODO') return { ...pending, to: ready(p + 1, slack) };
      // A barrier closes with its members; everything else stays ACTIVE.
      return view.barrier && state === 'ACTIVE' && p + 1 > slack ? { ...pending, to: 'BLOCKED', childrenDelta: 1 } : pending;
    }

    case 'member-joined':
      return memberChanged({ ...stay, pendingParents: p + 1, slack: event.slack });

    case 'member-left':
      return memberChanged({ ...stay, pendingParents: event.pending ? p - 1 : p, slack: event.slack });

    case 'parent-changed':
      // The others read it when they start; a destructive role that is ACTIVE stays, as after a poke.
      return state === 'ACTIVE' || state === 'TRANSITION' ? next(view, { kind: 'poke' }) : stay;

    case 'error-wave':
      return state === 'ACTIVE' ? { ...leaves('BLOCKED'), wave: true } : stay;

    case 'claim':
      return state === 'TODO' ? { ...stay, to: 'TRANSITION' } : { refused: `only TODO is claimed, it is ${state}` };

    case 'succeed': {
      if (state !== 'TRANSITION') return { refused: `a result of a run that no longer decides it (${state})` };
      if (p > slack) return { ...stay, to: 'BLOCKED' };
      if (view.runGen === null || view.wantGen > view.runGen) return { ...stay, to: 'TODO' };
      return { ...stay, to: 'ACTIVE', childrenDelta: -1 };
    }

    case 'fail-retryable':
    case 'supersede':
    case 'release':
      return state === 'TRANSITION' ? { ...stay, to: ready(p, slack) } : { refused: `a result of a run that no longer decides it (${state})` };

    case 'fail-final':
      return state === 'TRANSITION' ? { ...stay, to: 'ERROR', wave: true } : { refused: `a result of a run that no longer decides it (${state})` };

    case 'poke': {
      if (state === 'PROPOSED') return stay;
      const wanted = { ...stay, wantGen: view.wantGen + 1 };
      return state === 'ACTIVE' && !view.destructive ? { ...wanted, to: ready(p, slack), childrenDelta: 1 } : wanted;
    }

    case 'cancel':
      if (state === 'TRANSITION' && view.unabortable) return { ...stay, run: 'stop-later' };
      return state === 'TRANSITION'
        ? { ...stay, to: 'ERROR', run: 'stop', wave: true }
        : { refused: `nothing of it is running (${state}); to keep it from running, recall its deployment or unbind it` };

    case 'retry': {
      if (view.stopping) return { refused: 'its last run is still being stopped; retry when the node is free' };
      if (view.installUnproven && state === 'ERROR')
        return { refused: 'its installation may have touched the disk; the machine has to report that it is installed, or redeploy it, which erases the disk' };
      if (state === 'ERROR') return { ...stay, to: ready(p, slack) };
      return state === 'TODO' ? stay : { refused: `only ERROR is retried, it is ${state}` };
    }

    case 'rerun': {
      if (state !== 'ERROR') return next(view, { kind: 'poke' });
      const retried = next(view, { kind: 'retry' });
      return isRefusal(retried) ? retried : { ...retried, wantGen: view.wantGen + 1 };
    }

    case 'redeploy': {
      if (state === 'PROPOSED') return stay;
      return { ...leaves(ready(p, slack)), wantGen: view.wantGen + 1, run: state === 'TRANSITION' ? 'stop' : 'keep' };
    }

    case 'repropose': {
      if (state === 'PROPOSED') return stay;
      if (state === 'TRANSITION' && view.unabortable)
        return { refused: `its run is in a step that cannot be broken off (${view.unabortable}); cancel it, which takes effect when that is over` };
      return { ...leaves('PROPOSED'), run: state === 'TRANSITION' ? 'stop' : 'keep' };
    }
  }
}

/** The members are others: a barrier that is ACTIVE closes until it has told its children. */
function memberChanged(move: Move): Move {
  const wanted = { ...move, wantGen: move.wantGen + 1 };
  if (move.to === 'PROPOSED' || move.to === 'TRANSITION' || move.to === 'ERROR') return wanted;
  return { ...wanted, to: ready(move.pendingParents, move.slack), childrenDelta: move.to === 'ACTIVE' ? 1 : 0 };
}

/** Whether the table refused. */
export function isRefusal(answer: Move | Refusal): answer is Refusal {
  return 'refused' in answer;
}
