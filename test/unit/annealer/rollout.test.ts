import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { admit, assess, explainHold, inFlight, placeKey, progress, roomFor, type Member, type RolloutView } from '../../../src/annealer/rollout.js';

const member = (id: number, more: Partial<Member> = {}): Member => ({
  id,
  nodeId: id,
  group: 'g',
  canary: false,
  begun: false,
  state: 'TODO',
  fault: 'none',
  ...more,
});
const view = (members: Member[], more: Partial<RolloutView> = {}): RolloutView => ({
  status: 'running',
  phase: 'fleet',
  reason: null,
  pauseAbove: 100,
  minSample: 1,
  max: new Map([['g', 2]]),
  members,
  places: new Set(),
  ...more,
});

type Shape = { members: { node: number; group: number; canary: boolean; parents: number[] }[]; max: number[]; perNode: boolean; choices: number[] };
const shape: fc.Arbitrary<Shape> = fc.record({
  members: fc.array(
    fc.record({ node: fc.nat(4), group: fc.nat(2), canary: fc.constantFrom(false, false, true), parents: fc.array(fc.nat(11), { maxLength: 2 }) }),
    { minLength: 3, maxLength: 12, size: 'max' },
  ),
  max: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
  perNode: fc.boolean(),
  choices: fc.array(fc.nat(100), { minLength: 20, maxLength: 20 }),
});

describe('a rollout from begin to end', () => {
  it('never has more nodes in flight than a group allows, begins nothing before the canaries, and always finishes', () => {
    fc.assert(
      fc.property(shape, (it) => {
        const parents = it.members.map(({ parents }, n) => [...new Set(parents.filter((parent) => parent < n))]);
        // Canaries take along what they wait for, as rollout_begin does.
        const canary = it.members.map((one) => it.members.some((other) => other.node === one.node && other.canary));
        for (let n = it.members.length - 1; n >= 0; n--) if (canary[n]) for (const parent of parents[n]) canary[parent] = true;
        const members: Member[] = it.members.map((one, n) =>
          member(n, {
            nodeId: one.node,
            group: `g${it.perNode ? one.node % 3 : one.group}`,
            canary: canary[n],
            state: parents[n].length === 0 ? 'TODO' : 'BLOCKED',
          }),
        );
        let now = view(members, { phase: canary.includes(true) ? 'canary' : 'fleet', max: new Map(it.max.map((n, group) => [`g${group}`, n])) });
        for (let step = 0; now.status === 'running'; step++) {
          expect(step).toBeLessThan(200);
          now = { ...now, ...assess(now) };
          const busy = new Set(members.filter((one) => one.state === 'TRANSITION').map((one) => one.nodeId));
          const first = members.filter((one) => one.state === 'TODO' && roomFor(now, one) > 0 && !busy.has(one.nodeId) && busy.add(one.nodeId));
          for (const one of admit(now, first)) {
            if (now.phase === 'canary') expect(one.canary).toBe(true);
            one.state = 'TRANSITION';
            one.begun = true;
            now.places.add(placeKey(one.group, one.nodeId));
          }
          for (const [group, max] of now.max) expect(inFlight(now, group)).toBeLessThanOrEqual(max);
          // Any of what runs may end next; at least one does.
          const running = members.filter((one) => one.state === 'TRANSITION');
          running.forEach((one, n) => {
            if (n === (it.choices[step % 20] ?? 0) % running.length || (it.choices[(step + n) % 20] ?? 0) % 3 === 0) one.state = 'ACTIVE';
          });
          for (const one of members)
            if (one.state === 'BLOCKED' && (parents[one.id] ?? []).every((parent) => members[parent]?.state === 'ACTIVE')) one.state = 'TODO';
        }
        expect(now.status).toBe('done');
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a rollout decides', () => {
  it('pauses when more than the allowed share of those that ended has failed, once the sample is there', () => {
    const failed = (id: number) => member(id, { state: 'ERROR', fault: 'new', begun: true });
    const done = (id: number) => member(id, { state: 'ACTIVE', begun: true });
    const waiting = member(9);
    const of = (members: Member[]) => assess(view([...members, waiting], { pauseAbove: 50, minSample: 3 }));
    expect(of([failed(1), failed(2)]).status).toBe('running');
    expect(of([failed(1), done(2), done(3)]).status).toBe('running');
    expect(of([failed(1), failed(2), done(3)])).toMatchObject({ status: 'paused', reason: '2 of 3 nodes failed' });
  });

  it('counts a failure that was accepted no more', () => {
    const accepted = member(1, { state: 'ERROR', fault: 'accepted', begun: true });
    expect(assess(view([accepted, member(2)], { pauseAbove: 0 })).status).toBe('running');
  });

  it('takes a node that is only kept by a failure elsewhere for failed, when it has begun', () => {
    const blocked = (begun: boolean) => member(1, { state: 'BLOCKED', fault: 'new', begun });
    expect(assess(view([blocked(true), member(2)], { pauseAbove: 0 })).status).toBe('paused');
    expect(assess(view([blocked(false), member(2)], { pauseAbove: 0 })).status).toBe('running');
  });

  it('gives back the place of a node on which only BLOCKED is left, and keeps that of one that backs off', () => {
    const places = new Set([placeKey('g', 1), placeKey('g', 2)]);
    expect([...assess(view([member(1, { state: 'BLOCKED' }), member(2)], { places })).places]).toEqual([placeKey('g', 2)]);
  });

  it('paused, nothing may go, also what has a place; aborted, only nodes that have begun', () => {
    const places = new Set([placeKey('g', 1)]);
    const [begun, fresh] = [member(1, { begun: true }), member(2)];
    const room = (status: RolloutView['status']) => [begun, fresh].map((one) => roomFor(view([begun, fresh], { status, places }), one));
    expect(room('paused')).toEqual([0, 0]);
    expect(room('aborted')).toEqual([Infinity, 0]);
    expect(room('running')).toEqual([Infinity, 1]);
  });

  it('says in words who is waited for', () => {
    const canary = member(1, { canary: true, state: 'TRANSITION', begun: true });
    const other = member(2);
    expect(explainHold(view([canary, other], { phase: 'canary' }), other, 'shop')?.text).toBe('canary phase: waits for 1 of 1 canaries');
    const full = view([canary, other], { max: new Map([['g', 1]]), places: new Set([placeKey('g', 1)]) });
    expect(explainHold(full, other, 'shop')?.text).toBe('1 of 1 nodes of g are in flight');
    expect(explainHold(view([other]), other, 'shop')).toBeNull();
  });

  it('counts each node once in its progress', () => {
    const members = [
      member(1, { state: 'ACTIVE' }),
      member(2, { state: 'TRANSITION', begun: true }),
      member(3, { state: 'ERROR', fault: 'new' }),
      member(4),
      member(5, { state: 'PROPOSED' }),
    ];
    expect(progress(view(members, { places: new Set([placeKey('g', 2)]) }))).toEqual({
      nodes: 4,
      done: 1,
      failed: 1,
      in_flight: 1,
      waiting: 1,
      canaries: 0,
      canaries_done: 0,
    });
  });
});
