/**
 * The engine's core under some seeds; and with one rule at a time broken on purpose, which the simulation must find. Many more seeds: npm run simulate -- --seeds 5000.
 */
import { describe, expect, it } from '@jest/globals';
import { pickRunnable } from '../../../src/annealer/model.js';
import { isRefusal, next, type Move, type NodeRoleEvent } from '../../../src/noderoles/state.js';
import { nextRun, type RunEvent, type RunLife } from '../../../src/runs/life.js';
import { describeFailure, search, shrink } from './report.js';
import { DISTURBANCES, optionsOf, simulate, type Options } from './simulate.js';
import { RULES, type Rules } from './world.js';

const SEEDS = Number(process.env.PRYBAR_TEST_SIMULATIONS ?? 30);
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

/** Where a mistake shows rarely: a long history of one machine, with only what it needs to disturb it. */
const RARE: Partial<Options> = { disturbances: ['doubled-messages', 'waits', 'operators'], nodes: 1, roles: 4, durationMs: 400_000 };

const mistakes: [what: string, more: Partial<Omit<Options, 'rules'>> & { rules?: Partial<Rules> }, found: RegExp][] = [
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
      ...RARE,
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
    {
      disturbances: RARE.disturbances ?? [],
      rules: { nextRun: lived((run, event) => (event.kind === 'end' ? nextRun(run, { ...event, atAgent: false }) : undefined)) },
    },
    /double run/,
  ],
  [
    'the fence is not looked at when a run is settled',
    {
      ...RARE,
      rules: {
        nextRun: lived((run, event) =>
          event.kind === 'wait' || event.kind === 'end' ? nextRun(run, { ...event, fence: run.status === 'RUNNING' ? run.fence : event.fence }) : undefined,
        ),
      },
    },
    /double run|noderole|counter/,
  ],
  ['the clock of a worker goes at half the speed', { disturbances: DISTURBANCES, drift: 0.9 }, /double run/],
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
    const rules = { ...RULES, next: moved('succeed', (move) => ({ childrenDelta: move.childrenDelta === -1 ? 1 : 0 })) };
    const failure = search(1, 200, { rules });
    expect(failure?.options).toMatchObject({ disturbances: [], nodes: 1 });
    expect(describeFailure(shrink(failure?.seed ?? 0, failure?.options ?? optionsOf(0)))).toContain('replay: npm run simulate -- --seed');
  });
});
