import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isRefusal, next, NodeRoleState, stateCode, type NodeRoleEvent, type NodeRoleView } from '../../../src/noderoles/state.js';

const states = Object.values(NodeRoleState);
const eventKinds: NodeRoleEvent['kind'][] = [
  'commit',
  'parent-entered-active',
  'parent-left-active',
  'parent-changed',
  'member-joined',
  'member-left',
  'error-wave',
  'claim',
  'succeed',
  'fail-retryable',
  'fail-final',
  'supersede',
  'release',
  'poke',
  'cancel',
  'retry',
  'redeploy',
  'rerun',
  'repropose',
];

const view = (state: NodeRoleState, more: Partial<NodeRoleView> = {}): NodeRoleView => ({
  state,
  pendingParents: state === 'BLOCKED' ? 1 : 0,
  slack: 0,
  barrier: false,
  wantGen: 1,
  runGen: state === 'TRANSITION' ? 1 : null,
  destructive: false,
  stopping: false,
  ...more,
});
/** An event of the kind; what else it carries is the plainest. */
const event = (kind: NodeRoleEvent['kind']): NodeRoleEvent => {
  if (kind === 'member-joined') return { kind, slack: 0 };
  return kind === 'member-left' ? { kind, slack: 0, pending: false } : { kind };
};
const to = (state: NodeRoleState, kind: NodeRoleEvent['kind'], more: Partial<NodeRoleView> = {}): string => {
  const answer = next(view(state, more), event(kind));
  return isRefusal(answer) ? 'refused' : answer.to;
};

describe('the transition table', () => {
  // Every state by every event, as engine-rules says it; '-' is "stays".
  const table: Record<NodeRoleEvent['kind'], Record<NodeRoleState, string>> = {
    commit: { PROPOSED: 'TODO', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: '-', ERROR: '-' },
    'parent-entered-active': { PROPOSED: 'refused', BLOCKED: 'TODO', TODO: 'refused', TRANSITION: 'refused', ACTIVE: 'refused', ERROR: 'refused' },
    'parent-left-active': { PROPOSED: '-', BLOCKED: '-', TODO: 'BLOCKED', TRANSITION: '-', ACTIVE: '-', ERROR: '-' },
    'parent-changed': { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'TODO', ERROR: '-' },
    'member-joined': { PROPOSED: '-', BLOCKED: '-', TODO: 'BLOCKED', TRANSITION: '-', ACTIVE: 'BLOCKED', ERROR: '-' },
    'member-left': { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'TODO', ERROR: '-' },
    'error-wave': { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'BLOCKED', ERROR: '-' },
    claim: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'TRANSITION', TRANSITION: 'refused', ACTIVE: 'refused', ERROR: 'refused' },
    succeed: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'ACTIVE', ACTIVE: 'refused', ERROR: 'refused' },
    'fail-retryable': { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'TODO', ACTIVE: 'refused', ERROR: 'refused' },
    'fail-final': { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'ERROR', ACTIVE: 'refused', ERROR: 'refused' },
    supersede: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'TODO', ACTIVE: 'refused', ERROR: 'refused' },
    release: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'TODO', ACTIVE: 'refused', ERROR: 'refused' },
    poke: { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'TODO', ERROR: '-' },
    cancel: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: 'refused', TRANSITION: 'ERROR', ACTIVE: 'refused', ERROR: 'refused' },
    retry: { PROPOSED: 'refused', BLOCKED: 'refused', TODO: '-', TRANSITION: 'refused', ACTIVE: 'refused', ERROR: 'TODO' },
    rerun: { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'TODO', ERROR: 'TODO' },
    redeploy: { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: 'TODO', ACTIVE: 'TODO', ERROR: 'TODO' },
    repropose: { PROPOSED: '-', BLOCKED: 'PROPOSED', TODO: 'PROPOSED', TRANSITION: 'PROPOSED', ACTIVE: 'PROPOSED', ERROR: 'PROPOSED' },
  };

  it.each(eventKinds.flatMap((kind) => states.map((state) => [kind, state, table[kind][state]] as const)))('%s of %s: %s', (kind, state, expected) => {
    expect(to(state, kind)).toBe(expected === '-' ? state : expected);
  });

  it('commit of a noderole with a pending parent blocks it', () => expect(to('PROPOSED', 'commit', { pendingParents: 2 })).toBe('BLOCKED'));
  it('rule 3: success under a parent that left ACTIVE meanwhile is BLOCKED, not ACTIVE', () =>
    expect(to('TRANSITION', 'succeed', { pendingParents: 1 })).toBe('BLOCKED'));
  it('rule 8: success with older inputs than wanted runs again', () => expect(to('TRANSITION', 'succeed', { wantGen: 2, runGen: 1 })).toBe('TODO'));
  it('rule 8: another wall of a parent is wanted by a run that froze the old one', () =>
    expect(next(view('TRANSITION'), { kind: 'parent-changed' })).toMatchObject({ to: 'TRANSITION', wantGen: 2 }));
  it('rule 15: a poke never reruns a destructive role that is ACTIVE', () => expect(to('ACTIVE', 'poke', { destructive: true })).toBe('ACTIVE'));
  it('rule 15: a redeploy reruns a destructive role that is ACTIVE, and takes the run of one that is running', () => {
    expect(next(view('ACTIVE', { destructive: true }), { kind: 'redeploy' })).toMatchObject({ to: 'TODO', wantGen: 2, childrenDelta: 1, run: 'keep' });
    expect(next(view('TRANSITION', { destructive: true }), { kind: 'redeploy' })).toMatchObject({ to: 'TODO', wantGen: 2, childrenDelta: 0, run: 'stop' });
  });
  it('rule 15: a retry is refused while nobody knows whether the installation has touched the disk; a redeploy is not', () => {
    expect(to('ERROR', 'retry', { destructive: true, installUnproven: true })).toBe('refused');
    expect(to('ERROR', 'rerun', { destructive: true, installUnproven: true })).toBe('refused');
    expect(to('ERROR', 'redeploy', { destructive: true, installUnproven: true })).toBe('TODO');
  });
  it('rule 17: a retry is refused while the last run is being stopped', () => expect(to('ERROR', 'retry', { stopping: true })).toBe('refused'));
  it('has the numbers of OpenCrowbar on the wire', () => expect(stateCode).toEqual({ ERROR: -1, ACTIVE: 0, TODO: 1, TRANSITION: 2, BLOCKED: 3, PROPOSED: 4 }));

  it('rule 24: a barrier closes with its members, anything else stays ACTIVE', () => {
    expect(to('ACTIVE', 'parent-left-active', { barrier: true })).toBe('BLOCKED');
    expect(to('ACTIVE', 'parent-left-active')).toBe('ACTIVE');
  });
  it('rule 24: a barrier with a quorum does without as many members as it has slack', () => {
    const quorum = { barrier: true, slack: 1 };
    expect(to('ACTIVE', 'parent-left-active', quorum)).toBe('ACTIVE');
    expect(to('ACTIVE', 'parent-left-active', { ...quorum, pendingParents: 1 })).toBe('BLOCKED');
    expect(to('BLOCKED', 'parent-entered-active', { ...quorum, pendingParents: 2 })).toBe('TODO');
    expect(to('TRANSITION', 'succeed', { ...quorum, pendingParents: 1 })).toBe('ACTIVE');
  });
  it('rule 24: a new member makes the barrier tell its children again', () =>
    expect(next(view('ACTIVE', { barrier: true }), { kind: 'member-joined', slack: 1 })).toMatchObject({
      to: 'TODO',
      pendingParents: 1,
      wantGen: 2,
      childrenDelta: 1,
    }));

  const anyView = fc.record({
    state: fc.constantFrom(...states),
    pendingParents: fc.nat(5),
    slack: fc.nat(2),
    barrier: fc.boolean(),
    wantGen: fc.integer({ min: 1, max: 5 }),
    runGen: fc.option(fc.integer({ min: 1, max: 5 })),
    destructive: fc.boolean(),
    stopping: fc.boolean(),
  });
  const anyEvent = fc.constantFrom(...eventKinds).map(event);

  it('never leaves TODO with more pending parents than its slack, whatever happens', () => {
    fc.assert(
      fc.property(anyView, anyEvent, (v, happens) => {
        fc.pre(v.state !== 'TODO' || v.pendingParents <= v.slack);
        const answer = next(v, happens);
        return isRefusal(answer) || answer.to !== 'TODO' || answer.pendingParents <= answer.slack;
      }),
    );
  });

  it('counts children once for each departure from ACTIVE and each arrival', () => {
    fc.assert(
      fc.property(anyView, anyEvent, (v, happens) => {
        const answer = next(v, happens);
        if (isRefusal(answer)) return true;
        const expected = v.state === 'ACTIVE' && answer.to !== 'ACTIVE' ? 1 : v.state !== 'ACTIVE' && answer.to === 'ACTIVE' ? -1 : 0;
        return answer.childrenDelta === expected;
      }),
    );
  });
});
