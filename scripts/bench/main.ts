/** `npm run bench -- <name> [options]`: runs one bench, prints its table. The benches: registry.ts; how to read them: docs/bench.md. */
import { writeFileSync } from 'node:fs';
import { main } from '../lib/step.mjs';
import type { Bench, Row } from './bench.js';
import { describeMachine, load } from './lib/machine.js';
import { writeReadme } from './lib/readme.js';
import { formatTable } from './lib/table.js';
import { benches } from './registry.js';

const say = (line: string) => void process.stderr.write(`${line}\n`);

function usage(): string {
  const list = benches.map(
    (bench) =>
      `  ${bench.name}: ${bench.about}\n${Object.entries(bench.options)
        .map(([name, about]) => `      --${name.padEnd(18)} ${about}`)
        .join('\n')}`,
  );
  return `npm run bench -- <name> [options]\n\n${list.join('\n')}\n\n  all: --json (the result as JSON on stdout), --out <file> (the same into a file), --readme (replaces the table in README.md)`;
}

/** `--key value` and `--flag`; what follows an option and does not begin with `--` is its value. */
function readArguments(args: string[]): { name: string | undefined; options: Record<string, string | true> } {
  const options: Record<string, string | true> = {};
  let name: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at];
    if (!word.startsWith('--')) {
      name ??= word;
      continue;
    }
    const next = args[at + 1];
    const hasValue = next !== undefined && !next.startsWith('--');
    options[word.slice(2)] = hasValue ? next : true;
    if (hasValue) at++;
  }
  return { name, options };
}

const COMMON = ['json', 'out', 'readme'];

async function runBench(bench: Bench, options: Record<string, string | true>): Promise<void> {
  const unknown = Object.keys(options).find((name) => !COMMON.includes(name) && bench.options[name] === undefined);
  if (unknown !== undefined) throw new Error(`--${unknown} is no option of ${bench.name}\n\n${usage()}`);
  const undos: (() => Promise<unknown>)[] = [];
  const undoAll = async () => {
    for (const undo of undos.splice(0).reverse()) await undo().catch((error: unknown) => say(`  not cleaned up: ${String(error)}`));
  };
  // Ctrl-C must not leave a database server and a dozen processes behind.
  const onSignal = () => void undoAll().then(() => process.exit(130));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const machine: Record<string, string> = { ...describeMachine(), 'load before': load() };
  const startedAt = new Date();
  try {
    const { rows, settings } = await bench.run(options, { say, onEnd: (undo) => void undos.push(undo) });
    machine['load after'] = load();
    report(bench.name, { date: startedAt.toISOString(), machine, settings, rows }, options);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await undoAll();
  }
}

function report(
  name: string,
  result: { date: string; machine: Record<string, string>; settings: Record<string, string>; rows: Row[] },
  options: Record<string, string | true>,
): void {
  const pairs = (values: Record<string, string>) =>
    Object.entries(values)
      .map(([key, value]) => `${key} ${value}`)
      .join('; ');
  const text = `${formatTable(result.rows)}\n\n${result.date.slice(0, 16).replace('T', ' ')} UTC. ${pairs(result.machine)}. ${pairs(result.settings)}.`;
  const json = `${JSON.stringify(result, null, 2)}\n`;
  process.stdout.write(options.json ? json : `${text}\n`);
  if (typeof options.out === 'string') writeFileSync(options.out, json);
  if (options.readme) writeReadme(name, text);
}

await main(async () => {
  const { name, options } = readArguments(process.argv.slice(2));
  const bench = benches.find((known) => known.name === name);
  if (!bench) {
    process.stderr.write(`${usage()}\n`);
    return name === undefined ? 0 : 2;
  }
  await runBench(bench, options);
  return 0;
});
