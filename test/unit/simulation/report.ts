/** A history that broke: found again smaller, and told so that a person can follow it. */
import { DISTURBANCES, optionsOf, simulate, type Options, type Result } from './simulate.js';

export type Failure = { seed: number; options: Options; result: Result };

/** The first violation's kind, without its numbers: a smaller history must break in the same way. */
const kindOf = (result: Result) => (result.violations[0] ?? '').replace(/\d+/g, '#').split(':')[1]?.trim();

/** Leaves out disturbances, time, machines and roles as long as it breaks in the same way. */
export function shrink(seed: number, found: Options): Failure {
  let options = found;
  let result = simulate(options);
  const kind = kindOf(result);
  const tryOut = (more: Partial<Options>): boolean => {
    const smaller = { ...options, ...more };
    const answer = simulate(smaller);
    if (answer.violations.length === 0 || kindOf(answer) !== kind) return false;
    options = smaller;
    result = answer;
    return true;
  };
  for (let again = true; again;) {
    again = false;
    for (const what of options.disturbances) again = tryOut({ disturbances: options.disturbances.filter((other) => other !== what) }) || again;
    if (options.durationMs > 1000) again = tryOut({ durationMs: Math.floor(options.durationMs / 2) }) || again;
    if (options.roles > 1) again = tryOut({ roles: options.roles - 1 }) || again;
    if (options.nodes > 1) again = tryOut({ nodes: options.nodes - 1 }) || again;
  }
  return { seed, options, result };
}

const LAST = 40;

export function describeFailure({ seed, options, result }: Failure): string {
  const { log } = result;
  return [
    `seed ${seed} breaks: ${result.violations[0]}`,
    `  it needs ${options.nodes} nodes, ${options.roles} roles, ${options.durationMs} ms and: ${options.disturbances.join(', ') || 'no disturbance'}`,
    `  replay: npm run simulate -- --seed ${seed} --nodes ${options.nodes} --roles ${options.roles} --duration ${options.durationMs} --with ${options.disturbances.join(',') || 'none'}`,
    ...log.slice(-LAST).map(({ at, op, args }) => `  ${String(at).padStart(8)} ms  ${op} ${args.map((arg) => JSON.stringify(arg)).join(' ')}`),
  ].join('\n');
}

/** Runs seeds one after the other; the first that breaks is shrunk and ends it. `each` is told after every seed. */
export function search(from: number, count: number, more: Partial<Options>, each: (result: Result) => void = () => undefined): Failure | null {
  for (let seed = from; seed < from + count; seed++) {
    const options = optionsOf(seed, more);
    const result = simulate(options);
    if (result.violations.length > 0) return shrink(seed, options);
    each(result);
  }
  return null;
}

export const disturbancesOf = (text: string) => DISTURBANCES.filter((what) => text.split(',').includes(what));
