import { describe, expect, it } from '@jest/globals';
import type { PublishedEvent } from '../../../src/events/events.js';
import { backoffMs, matchEvents, type Subscribing } from '../../../src/hooks/match.js';
import type { HookName } from '../../../src/hooks/hooks.js';

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

describe('matchEvents (engine-rules 19)', () => {
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
