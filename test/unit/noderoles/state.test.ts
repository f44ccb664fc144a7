import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isRefusal, next, NodeRoleState, stateCode, type NodeRoleEvent, type NodeRoleView } from '../../../src/noderoles/state.js';

const states = Object.values(NodeRoleState);
const eventKinds: NodeRoleEvent['kind'][] = [
  'commit',
  'parent-entered-active',
  'parent-left-active',
  'parent-changed',
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
  'repropose',
];

const view = (state: NodeRoleState, more: Partial<NodeRoleView> = {}): NodeRoleView => ({
  state,
  pendingParents: state === 'BLOCKED' ? 1 : 0,
  wantGen: 1,
  runGen: state === 'TRANSITION' ? 1 : null,
  destructive: false,
  stopping: false,
  ...more,
});
const to = (state: NodeRoleState, kind: NodeRoleEvent['kind'], more: Partial<NodeRoleView> = {}): string => {
  const answer = next(view(state, more), { kind });
  return isRefusal(answer) ? 'refused' : answer.to;
};

describe('the transition table', () => {
  // Every state by every event, as engine-rules says it; '-' is "stays".
  const table: Record<NodeRoleEvent['kind'], Record<NodeRoleState, string>> = {
    commit: { PROPOSED: 'TODO', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: '-', ERROR: '-' },
    'parent-entered-active': { PROPOSED: 'refused', BLOCKED: 'TODO', TODO: 'refused', TRANSITION: 'refused', ACTIVE: 'refused', ERROR: 'refused' },
    'parent-left-active': { PROPOSED: '-', BLOCKED: '-', TODO: 'BLOCKED', TRANSITION: '-', ACTIVE: '-', ERROR: '-' },
    'parent-changed': { PROPOSED: '-', BLOCKED: '-', TODO: '-', TRANSITION: '-', ACTIVE: 'TODO', ERROR: '-' },
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
  it('rule 17: a retry is refused while the last run is being stopped', () => expect(to('ERROR', 'retry', { stopping: true })).toBe('refused'));
  it('has the numbers of OpenCrowbar on the wire', () => expect(stateCode).toEqual({ ERROR: -1, ACTIVE: 0, TODO: 1, TRANSITION: 2, BLOCKED: 3, PROPOSED: 4 }));

  const anyView = fc.record({
    state: fc.constantFrom(...states),
    pendingParents: fc.nat(5),
    wantGen: fc.integer({ min: 1, max: 5 }),
    runGen: fc.option(fc.integer({ min: 1, max: 5 })),
    destructive: fc.boolean(),
    stopping: fc.boolean(),
  });
  const anyEvent = fc.constantFrom(...eventKinds).map((kind) => ({ kind }));

  it('never leaves TODO with a pending parent, whatever happens', () => {
    fc.assert(
      fc.property(anyView, anyEvent, (v, event) => {
        fc.pre(v.state !== 'TODO' || v.pendingParents === 0);
        const answer = next(v, event);
        return isRefusal(answer) || answer.to !== 'TODO' || answer.pendingParents === 0;
      }),
    );
  });

  it('counts children once for each departure from ACTIVE and each arrival', () => {
    fc.assert(
      fc.property(anyView, anyEvent, (v, event) => {
        const answer = next(v, event);
        if (isRefusal(answer)) return true;
        const expected = v.state === 'ACTIVE' && answer.to !== 'ACTIVE' ? 1 : v.state !== 'ACTIVE' && answer.to === 'ACTIVE' ? -1 : 0;
        return answer.childrenDelta === expected;
      }),
    );
  });
});
