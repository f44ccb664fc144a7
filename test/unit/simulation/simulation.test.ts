/**
 * The engine's core under a hundred seeds, and under one thousand virtual mistakes of our own: the simulation must find
 * each rule that is broken on purpose. Many more seeds: npm run simulate -- --seeds 5000.
 */
import { describe, expect, it } from '@jest/globals';
import { pickRunnable } from '../../../src/annealer/model.js';
import { isRefusal, next, type Move, type NodeRoleEvent } from '../../../src/noderoles/state.js';
import { nextRun, type RunEvent, type RunLife } from '../../../src/runs/life.js';
import { describeFailure, search, shrink } from './report.js';
import { optionsOf, simulate } from './simulate.js';
import { RULES, type Rules } from './world.js';

const SEEDS = Number(process.env.PRYBAR_TEST_SIMULATIONS ?? 80);
const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0xffffff);

describe('the core on a virtual clock', () => {
  it(`keeps every promise and comes to rest all ACTIVE, whatever disturbs it (${SEEDS} seeds from ${SEED})`, () => {
    const failure = search(SEED, SEEDS, {});
    expect(failure && describeFailure(failure)).toBeNull();
  });

  it('is the same history for the same seed, to the last transaction', () => {
    const [one, other] = [simulate(optionsOf(7)), simulate(optionsOf(7))];
    expect(other.log).toEqual(one.log);
    expect(simulate(optionsOf(8)).log).not.toEqual(one.log);
  });

  it('comes to rest at once when nothing disturbs it', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { violations, restMs } = simulate(optionsOf(seed, { disturbances: [], durationMs: 120_000 }));
      expect({ seed, violations, isQuick: restMs !== null && restMs < 5000 }).toEqual({ seed, violations: [], isQuick: true });
    }
  });
});

/** `next` with its answer changed for one kind of event. */
const moved =
  (kind: NodeRoleEvent['kind'], change: (move: Move) => Partial<Move>): Rules['next'] =>
  (view, event) => {
    const move = next(view, event);
    return event.kind === kind && !isRefusal(move) ? { ...move, ...change(move) } : move;
  };
const lived =
  (change: (run: RunLife, event: RunEvent) => RunLife | null | undefined): Rules['nextRun'] =>
  (run, event) => {
    const changed = change(run, event);
    return changed === undefined ? nextRun(run, event) : changed;
  };

const mistakes: [what: string, more: { rules?: Partial<Rules>; drift?: number }, found: RegExp][] = [
  ['a slot is given back while its executor may be at work', { rules: { stopMarginMs: -4000 } }, /double run/],
  [
    'a stop counts as proven at once',
    {
      rules: {
        nextRun: lived((run, event) => {
          const life = nextRun(run, event);
          return life?.status === 'STOPPING' ? { ...life, status: 'ENDED', outcome: 'stopped' } : undefined;
        }),
      },
    },
    /double run/,
  ],
  [
    'a wait that is settled twice counts as a proof',
    {
      rules: {
        nextRun: lived((run, event) =>
          event.kind === 'wait' && run.status === 'STOPPING' && run.fence === event.fence + 1 ? { ...run, status: 'ENDED', outcome: 'stopped' } : undefined,
        ),
      },
    },
    /double run/,
  ],
  [
    'a run ends though the agent is at its work',
    { rules: { nextRun: lived((run, event) => (event.kind === 'end' ? nextRun(run, { ...event, atAgent: false }) : undefined)) } },
    /double run/,
  ],
  [
    'the fence is not looked at when a run is settled',
    {
      rules: {
        nextRun: lived((run, event) =>
          event.kind === 'wait' || event.kind === 'end' ? nextRun(run, { ...event, fence: run.status === 'RUNNING' ? run.fence : event.fence }) : undefined,
        ),
      },
    },
    /double run|noderole|counter/,
  ],
  ['the clock of a worker goes at half the speed', { drift: 0.9 }, /double run/],
  [
    'taken machines are not looked at',
    { rules: { pick: (candidates, snapshot) => pickRunnable(candidates, { ...snapshot, busyKeys: new Set() }) } },
    /two live slots/,
  ],
  [
    'newer inputs are forgotten at a success',
    { rules: { next: (view, event) => next(event.kind === 'succeed' ? { ...view, runGen: 1_000_000 } : view, event) } },
    /its inputs are/,
  ],
  [
    'pending parents are forgotten at a success',
    {
      rules: {
        next: (view, event) => {
          const move = next(event.kind === 'succeed' ? { ...view, pendingParents: 0 } : view, event);
          return event.kind === 'succeed' && !isRefusal(move) ? { ...move, pendingParents: view.pendingParents } : move;
        },
      },
    },
    /order/,
  ],
  ['children are not told that a parent left', { rules: { next: moved('poke', () => ({ childrenDelta: 0 })) } }, /counter/],
  ['children are told twice', { rules: { next: moved('succeed', (move) => ({ childrenDelta: move.childrenDelta === -1 ? 1 : 0 })) } }, /counter/],
  ['a cancelled run goes on', { rules: { next: moved('cancel', () => ({ run: 'keep' })) } }, /deciding is/],
  ['wakes are lost for good', { rules: { nextRun: lived((_run, event) => (event.kind === 'wake' ? null : undefined)) } }, /did not come to rest/],
  ['lost rings are not made again', { rules: { nextRun: lived((_run, event) => (event.kind === 'ring' ? null : undefined)) } }, /did not come to rest/],
  ['leases never end', { rules: { nextRun: lived((_run, event) => (event.kind === 'lease-over' ? null : undefined)) } }, /did not come to rest/],
];

describe('finds a mistake in the rules', () => {
  it.each(mistakes)('%s', (_what, { rules, ...more }, found) => {
    let failure = null;
    for (let from = 1; from <= 1500 && failure === null; from += 50) {
      for (let seed = from; seed < from + 50 && failure === null; seed++) {
        const result = simulate(optionsOf(seed, { ...more, rules: { ...RULES, ...rules } }));
        if (result.violations.some((what) => found.test(what))) failure = { seed, what: result.violations[0] };
      }
    }
    expect(failure?.what).toMatch(found);
  });

  it('and makes the history smaller that shows it', () => {
    const rules = { ...RULES, nextRun: lived((_run, event) => (event.kind === 'ring' ? null : undefined)) };
    const failure = search(1, 200, { rules });
    expect(failure?.options.disturbances).toEqual(['lost-messages']);
    expect(describeFailure(shrink(failure?.seed ?? 0, failure?.options ?? optionsOf(0)))).toContain('replay: npm run simulate -- --seed');
  });
});
