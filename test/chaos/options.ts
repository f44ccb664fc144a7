/** The command line of `npm run chaos`. */
import { parseArgs } from 'node:util';
import type { Store } from './schedule.js';

export type Options = { seed: number; nodes: number; roles: number; seconds: number; backend: Store; keep: boolean };

const USAGE = `npm run chaos -- [--seed N | --seeds COUNT] [--nodes 200] [--roles 10] [--seconds 75] [--backend redis|postgres] [--keep]`;

/** One set of options for each history to make. Throws Error with the usage. */
export function readOptions(args: string[], now: number): Options[] {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      nodes: { type: 'string', default: '200' },
      roles: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '75' },
      backend: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) throw new Error(USAGE);
  const whole = (name: string, text: string, from: number, to: number) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < from || value > to) throw new Error(`--${name} ${text}: a whole number from ${from} to ${to}\n${USAGE}`);
    return value;
  };
  if (values.backend !== undefined && values.backend !== 'redis' && values.backend !== 'postgres')
    throw new Error(`--backend ${values.backend}: redis or postgres\n${USAGE}`);
  const first = values.seed === undefined ? now % 1_000_000 : whole('seed', values.seed, 0, 2 ** 31 - 1);
  const count = values.seeds === undefined ? 1 : whole('seeds', values.seeds, 1, 1000);
  return Array.from({ length: count }, (_, n) => ({
    seed: first + n,
    nodes: whole('nodes', values.nodes, 1, 5000),
    roles: whole('roles', values.roles, 3, 50),
    seconds: whole('seconds', values.seconds, 1, 3600),
    // Several seeds take turns, so that both back ends are seen.
    backend: (values.backend as Store | undefined) ?? (count > 1 && n % 2 === 1 ? 'postgres' : 'redis'),
    keep: values.keep,
  }));
}
