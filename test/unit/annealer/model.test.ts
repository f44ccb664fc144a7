import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exclusiveKey, pickRunnable, type Candidate, type NodeView, type Snapshot } from '../../../src/annealer/model.js';

const node = (id: number, more: Partial<NodeView> = {}): NodeView => ({
  id,
  kind: 'machine',
  alive: true,
  available: true,
  deleting: false,
  bootClass: 'discovery',
  ...more,
});
const candidate = (id: number, nodeId: number, more: Partial<Candidate> = {}): Candidate => ({
  id,
  nodeId,
  roleId: id,
  state: 'TODO',
  cohort: 0,
  notBefore: null,
  deploymentCommitted: true,
  deploymentPaused: false,
  jobClass: 'fast',
  runsIn: 'any',
  deploymentId: 1,
  softAfter: [],
  softAfterDeployment: [],
  blockedForGood: false,
  ...more,
});
const snapshot = (nodes: NodeView[], more: Partial<Snapshot> = {}): Snapshot => ({
  nodes: new Map(nodes.map((n) => [n.id, n])),
  busyKeys: new Set(),
  room: new Map([['fast', 100]]),
  total: Infinity,
  now: 1000,
  ...more,
});

describe('what runs next', () => {
  it('is the first of a machine in (cohort, id) order, and only one', () => {
    const picked = pickRunnable([candidate(1, 1, { cohort: 2 }), candidate(2, 1, { cohort: 1 }), candidate(3, 1, { cohort: 1 })], snapshot([node(1)]));
    expect(picked.map((c) => c.id)).toEqual([2]);
  });

  it('rule 7: roles of the admin node do not exclude each other', () => {
    expect(pickRunnable([candidate(1, 1), candidate(2, 1)], snapshot([node(1, { kind: 'admin' })])).map((c) => c.id)).toEqual([1, 2]);
  });

  it.each<[string, Partial<Candidate>, Partial<NodeView>, Partial<Snapshot>]>([
    ['the node is not alive', {}, { alive: false }, {}],
    ['the node is not available', {}, { available: false }, {}],
    ['the node is being deleted', {}, { deleting: true }, {}],
    ['the deployment is not committed', { deploymentCommitted: false }, {}, {}],
    ['the deployment is paused', { deploymentPaused: true }, {}, {}],
    ['it backs off', { notBefore: 1001 }, {}, {}],
    ['the node booted something else', { runsIn: 'installed' }, {}, {}],
    ['another run holds the machine', {}, {}, { busyKeys: new Set(['1']) }],
    ['no worker of its class is alive', { jobClass: 'ssh' }, {}, {}],
    ['it is not TODO', { state: 'BLOCKED' }, {}, {}],
  ])('is not a noderole when %s', (_why, c, n, s) => {
    expect(pickRunnable([candidate(1, 1, c)], snapshot([node(1, n)], s))).toEqual([]);
  });

  it('never holds a machine twice and never exceeds the room of a class', () => {
    const candidates = fc.array(fc.record({ nodeId: fc.integer({ min: 1, max: 5 }), cohort: fc.nat(3), jobClass: fc.constantFrom('fast', 'ssh') }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(candidates, fc.nat(5), fc.nat(5), (list, fast, ssh) => {
        const nodes = [1, 2, 3, 4, 5].map((id) => node(id));
        const shot = snapshot(nodes, {
          room: new Map([
            ['fast', fast],
            ['ssh', ssh],
          ]),
        });
        const picked = pickRunnable(
          list.map((c, i) => candidate(i + 1, c.nodeId, c)),
          shot,
        );
        const keys = picked.map((c) => exclusiveKey(nodes[c.nodeId - 1], c.roleId));
        return (
          new Set(keys).size === keys.length &&
          picked.filter((c) => c.jobClass === 'fast').length <= fast &&
          picked.filter((c) => c.jobClass === 'ssh').length <= ssh
        );
      }),
    );
  });
});
