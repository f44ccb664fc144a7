import { describe, expect, it } from '@jest/globals';
import type { PublishedEvent } from '../../../src/events/events.js';
import { backoffMs, matchEvents, rolesHeard, type Subscribing } from '../../../src/hooks/match.js';
import { HOOK_NAMES, VETO_HOOK_NAMES, type HookName } from '../../../src/hooks/hooks.js';

const role = (name: string, id: number, hooks: HookName[], cohort = 0): Subscribing => ({ name, id, cohort, hooks: new Set(hooks) });
const event = (more: Partial<PublishedEvent>): PublishedEvent => ({
  pos: 1,
  n: 0,
  at: new Date(0),
  kind: 'node-changed',
  subjectType: 'node',
  subjectId: 7,
  version: 1,
  causeDepth: 0,
  data: { changed: ['bootenv'] },
  ...more,
});
const none = new Set<number>();

describe('rule 19: matchEvents', () => {
  it('puts events of one key together: union of what changed, highest version, newest data, deepest cause', () => {
    const events = [
      event({ version: 3, causeDepth: 2, data: { changed: ['bootenv'], mark: 'new' } }),
      event({ version: 2, data: { changed: ['alive', 'bootenv'], mark: 'old' } }),
    ];
    const [only, ...rest] = matchEvents(events, [role('dhcp-database', 1, ['onNodeChange'])], none);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ version: 3, changed: ['alive', 'bootenv'], causeDepth: 2, data: { mark: 'new' } });
  });

  it('keeps create, change and delete of one node apart', () => {
    const events = [event({ kind: 'node-created' }), event({}), event({ kind: 'node-deleted' })];
    const hooks = matchEvents(events, [role('r', 1, ['onNodeCreate', 'onNodeChange', 'onNodeDelete'])], none).map((delivery) => delivery.hook);
    expect(hooks).toEqual(['onNodeCreate', 'onNodeChange', 'onNodeDelete']);
  });

  it('tells only the own role of a noderole that it became active, and everybody of a milestone', () => {
    const roles = [role('mine', 5, ['onActive', 'onMilestone']), role('other', 6, ['onActive', 'onMilestone'])];
    const active = event({ kind: 'noderole-changed', subjectType: 'noderole', data: { from: 'TRANSITION', to: 'ACTIVE', role_id: 5 } });
    expect(matchEvents([active], roles, none).map((d) => `${d.role} ${d.hook}`)).toEqual(['mine onActive']);
    expect(matchEvents([active], roles, new Set([5])).map((d) => `${d.role} ${d.hook}`)).toEqual(['mine onActive', 'mine onMilestone', 'other onMilestone']);
  });

  it('has to be given changes of state of those roles alone that have a hook for them, and of milestones when somebody has one', () => {
    const roles = [role('dhcp-database', 1, ['onNodeChange']), role('mine', 5, ['onActive']), { ...role('unknown', 0, ['onError']), id: null }];
    expect(rolesHeard(roles, new Set([9]))).toEqual([5]);
    expect(rolesHeard([...roles, role('watcher', 6, ['onMilestone'])], new Set([9]))).toEqual([5, 9]);
  });

  it('tells a node move besides the change', () => {
    const hooks = matchEvents([event({ data: { changed: ['deployment'] } })], [role('r', 1, ['onNodeChange', 'onNodeMove'])], none).map((d) => d.hook);
    expect(hooks).toEqual(['onNodeChange', 'onNodeMove']);
  });

  it('begins with the lowest cohort', () => {
    const roles = [role('late', 1, ['onNodeChange'], 4), role('early', 2, ['onNodeChange'], 1)];
    expect(matchEvents([event({})], roles, none).map((d) => d.role)).toEqual(['early', 'late']);
  });

  it('calls nobody for kinds without hooks, and ignores kinds of newer versions', () => {
    const roles = [role('r', 1, ['onNodeChange'])];
    expect(matchEvents([event({ kind: 'boot-phase' }), event({ kind: 'unheard-of' })], roles, none)).toEqual([]);
  });
});

describe('backoffMs', () => {
  it('doubles up to five minutes, with a jitter of half', () => {
    expect(backoffMs(1, 0)).toBe(250);
    expect(backoffMs(1, 1)).toBe(500);
    expect(backoffMs(4, 1)).toBe(4_000);
    expect(backoffMs(30, 1)).toBe(300_000);
  });
});

describe('the complete list of hooks (DESIGN section 5)', () => {
  const at = (kind: string, data: Record<string, unknown>): PublishedEvent => ({
    pos: 1,
    n: 0,
    at: new Date(0),
    kind,
    subjectType: 'x',
    subjectId: 1,
    version: 1,
    causeDepth: 0,
    data,
  });
  const moved = (to: string) => at('noderole-changed', { to, role_id: 7 });
  it.each<[HookName, PublishedEvent]>([
    ['onNodeCreate', at('node-created', {})],
    ['onNodeChange', at('node-changed', { changed: ['alive'] })],
    ['onNodeDelete', at('node-deleted', {})],
    ['onNodeMove', at('node-changed', { changed: ['deployment'] })],
    ['onProposed', moved('PROPOSED')],
    ['onTodo', moved('TODO')],
    ['onTransition', moved('TRANSITION')],
    ['onActive', moved('ACTIVE')],
    ['onBlocked', moved('BLOCKED')],
    ['onError', moved('ERROR')],
    ['onDeploymentCreate', at('deployment-created', {})],
    ['onDeploymentDelete', at('deployment-deleted', {})],
    ['onNetworkCreate', at('network-changed', { change: 'created' })],
    ['onNetworkChange', at('network-changed', { change: 'changed' })],
    ['onNetworkDelete', at('network-changed', { change: 'deleted' })],
    ['onAllocationCreate', at('allocation-changed', { change: 'created' })],
    ['onAllocationDelete', at('allocation-changed', { change: 'deleted' })],
    ['onMilestone', moved('ACTIVE')],
  ])('%s has its event', (hook, event) => {
    const role = { name: 'r', id: 7, cohort: 0, hooks: new Set([hook]) };
    expect(matchEvents([event], [role], new Set([7])).map((delivery) => delivery.hook)).toEqual([hook]);
  });

  it('is the list that roles may declare', () => {
    expect([...HOOK_NAMES, ...VETO_HOOK_NAMES]).toHaveLength(20);
  });
});
