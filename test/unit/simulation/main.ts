/** `npm run simulate -- --seeds 5000`: thousands of histories of the engine's core on a virtual clock (docs/chaos.md). */
import { parseArgs } from 'node:util';
import { describeFailure, disturbancesOf, search } from './report.js';
import type { Options } from './simulate.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    nodes: { type: 'string' },
    roles: { type: 'string' },
    duration: { type: 'string' },
    with: { type: 'string' },
  },
});
const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
const more: Partial<Options> = {
  ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }),
  ...(values.roles === undefined ? {} : { roles: Number(values.roles) }),
  ...(values.duration === undefined ? {} : { durationMs: Number(values.duration) }),
  ...(values.with === undefined ? {} : { disturbances: disturbancesOf(values.with) }),
};
const from = number(values.seed) ?? Number(values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isInteger(from) || !Number.isInteger(count) || count < 1) {
  process.stderr.write('npm run simulate -- [--seeds COUNT] [--from SEED] [--seed SEED] [--nodes N] [--roles N] [--duration MS] [--with disturbance,...]\n');
  process.exit(2);
}

const LINE_MS = 5000;
const begun = Date.now();
let said = begun;
const sum = { histories: 0, steps: 0, turns: 0, virtualMs: 0 };
const failure = search(from, count, more, (result) => {
  sum.histories++;
  sum.steps += result.log.length;
  sum.turns += result.turns;
  sum.virtualMs += result.world.now;
  if (Date.now() - said < LINE_MS) return;
  said = Date.now();
  process.stdout.write(`  seed ${from + sum.histories - 1}: ${sum.histories} histories, ${sum.turns} turns of jigs, ${sum.steps} transactions\n`);
});
const took = `${Math.round((Date.now() - begun) / 1000)} s for ${Math.round(sum.virtualMs / 3_600_000)} virtual hours`;
if (failure) process.stdout.write(`${describeFailure(failure)}\n`);
process.stdout.write(
  `simulate seeds ${from} to ${from + count - 1}: ${failure ? `seed ${failure.seed} breaks` : 'sound'}; ${sum.histories} histories, ${sum.turns} turns of jigs, ${sum.steps} transactions, ${took}\n`,
);
process.exit(failure ? 1 : 0);
