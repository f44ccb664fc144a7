import { describe, expect, it } from '@jest/globals';
import type { PublishedEvent } from '../../../src/events/events.js';
import { bodyOf, concernsOf, isSent, needsConcerns, type Subscription } from '../../../src/webhooks/filter.js';

const all: Subscription = { id: 1, name: 'w', kinds: [], states: [], deploymentId: null, nodeId: null, roleId: null, fromPos: 10 };
const event = (more: Partial<PublishedEvent> = {}): PublishedEvent => ({
  pos: 11,
  n: 0,
  at: new Date('2026-11-21T10:00:00Z'),
  kind: 'noderole-changed',
  subjectType: 'noderole',
  subjectId: 5,
  version: 3,
  causeDepth: 0,
  data: { from: 'TODO', to: 'ERROR', node_id: 7, role_id: 8, deployment_id: 9 },
  ...more,
});
const nodeRoles = new Map([[5, { nodeId: 7, roleId: 8, deploymentId: 9 }]]);
const nodes = new Map([[7, 9]]);
const sent = (webhook: Partial<Subscription>, e = event()) => isSent({ ...all, ...webhook }, e, concernsOf(e, nodeRoles, nodes));

describe('which events a webhook is sent', () => {
  it.each([
    ['everything, when it restricts nothing', {}, true],
    ['its kinds', { kinds: ['run-ended', 'noderole-changed'] }, true],
    ['not other kinds', { kinds: ['run-ended'] }, false],
    ['the states it names', { states: ['ERROR'] }, true],
    ['not other states', { states: ['ACTIVE', 'BLOCKED'] }, false],
    ['its deployment, node and role together', { deploymentId: 9, nodeId: 7, roleId: 8 }, true],
    ['not another deployment', { deploymentId: 1 }, false],
    ['not another node', { nodeId: 1 }, false],
    ['not another role', { roleId: 1 }, false],
    ['nothing from before it was made', { fromPos: 11 }, false],
  ])('%s', (_what, webhook, expected) => {
    expect(sent(webhook)).toBe(expected);
  });

  it('knows role and deployment of a run by its noderole, and the deployment of a node', () => {
    const run = event({ kind: 'run-ended', subjectType: 'run', subjectId: 77, data: { noderole_id: 5, node_id: 7 } });
    expect(sent({ roleId: 8, deploymentId: 9 }, run)).toBe(true);
    expect(sent({ roleId: 9 }, run)).toBe(false);
    const node = event({ kind: 'node-changed', subjectType: 'node', subjectId: 7, data: { changed: ['alive'] } });
    expect(sent({ nodeId: 7, deploymentId: 9 }, node)).toBe(true);
    expect(sent({ roleId: 8 }, node)).toBe(false);
    const deployment = event({ kind: 'deployment-committed', subjectType: 'deployment', subjectId: 9, data: {} });
    expect(sent({ deploymentId: 9 }, deployment)).toBe(true);
  });

  it('a filter on states sends changes of noderoles only', () => {
    expect(sent({ states: ['ERROR'] }, event({ kind: 'alarm', data: { to: 'ERROR' } }))).toBe(false);
  });

  it('never tells a webhook of its own troubles, but tells the others', () => {
    const alarm = event({ kind: 'alarm', subjectType: 'webhook', subjectId: 1, data: {} });
    expect(sent({ id: 1 }, alarm)).toBe(false);
    expect(sent({ id: 2 }, alarm)).toBe(true);
  });

  it('asks the database only for filters that need it', () => {
    expect(needsConcerns([all, { ...all, kinds: ['alarm'], states: ['ERROR'] }])).toBe(false);
    expect(needsConcerns([all, { ...all, nodeId: 7 }])).toBe(true);
  });

  it('sends the event in the words of the stream', () => {
    expect(JSON.parse(bodyOf({ uid: 'u', webhook: 'w', eventId: 'e.11.0', event: event() }))).toEqual({
      id: 'u',
      webhook: 'w',
      event: {
        id: 'e.11.0',
        kind: 'noderole-changed',
        at: '2026-11-21T10:00:00.000Z',
        subject_type: 'noderole',
        subject_id: 5,
        version: 3,
        data: { from: 'TODO', to: 'ERROR', node_id: 7, role_id: 8, deployment_id: 9 },
      },
    });
  });
});
