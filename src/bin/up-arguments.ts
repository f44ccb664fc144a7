/** The arguments of `npm start` and `prybar up`. */
import { parseArgs } from 'node:util';
import { ConfigError } from '../shared/errors.js';

export type UpArguments = {
  /** Simulated machines; 0 for none. */
  rack: number;
  /** Whether the rack's machines get the demo deployment. */
  demo: boolean;
  untilActive: boolean;
  /** With untilActive: seconds after which it gives up. */
  timeoutSeconds: number;
  interfaces: string | undefined;
  /** Directory of the operator's own barclamps. */
  barclamps: string | undefined;
  /** Every service in a process of its own. */
  split: boolean;
  plain: boolean;
  seed: string | undefined;
};

const DEFAULT_RACK = 12;
const MAX_RACK = 16_000;

/** Throws ConfigError that names the argument and what it may be. */
export function readUpArguments(argv: string[]): UpArguments {
  const values = parse(argv);
  const number = (name: string, text: string, max: number): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > max)
      throw new ConfigError(`--${name}: '${text}' is not a whole number from 1 to ${max}`, `for example --${name} ${Math.min(max, 50)}`);
    return value;
  };
  if (values['no-rack'] && values.rack !== undefined) throw new ConfigError('--rack and --no-rack: only one of them', 'leave one out');
  if (values['no-demo'] && values['until-active']) throw new ConfigError('--until-active: with --no-demo there is no deployment to wait for', 'leave one out');
  const onSegment = values.interface !== undefined;
  if (onSegment && !values.interface?.trim()) throw new ConfigError('--interface: it names no interface', 'for example --interface eth1');
  return {
    // A real segment gets no simulated machines unless they are asked for.
    rack: values['no-rack'] ? 0 : values.rack === undefined ? (onSegment ? 0 : DEFAULT_RACK) : number('rack', values.rack, MAX_RACK),
    demo: !values['no-demo'],
    untilActive: values['until-active'] ?? false,
    timeoutSeconds: values.timeout === undefined ? 600 : number('timeout', values.timeout, 86_400),
    interfaces: values.interface,
    barclamps: values.barclamps,
    split: values.split ?? false,
    plain: values.plain ?? false,
    seed: values.seed,
  };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      strict: true,
      options: {
        rack: { type: 'string' },
        'no-rack': { type: 'boolean' },
        'no-demo': { type: 'boolean' },
        'until-active': { type: 'boolean' },
        timeout: { type: 'string' },
        interface: { type: 'string' },
        barclamps: { type: 'string' },
        split: { type: 'boolean' },
        plain: { type: 'boolean' },
        seed: { type: 'string' },
      },
    }).values;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new ConfigError(
      message ?? 'bad arguments',
      'known are --rack N, --no-rack, --no-demo, --until-active, --timeout SECONDS, --interface NAMES, --barclamps DIR, --split, --plain, --seed TEXT',
      { cause },
    );
  }
}
