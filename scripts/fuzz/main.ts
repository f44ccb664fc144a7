/** `npm run fuzz`: says what it does, how fast, and with which seed the same packets come again. Status 1 when something broke or memory rose. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.js';
import { whatRose, type MemorySample } from './memory.js';
import { targets } from './targets.js';

const USAGE = `npm run fuzz -- ${Object.keys(targets).join('|')} [--packets N] [--seed S]\n`;
/** Seconds between two lines of progress. */
const SAY_EVERY_SECONDS = 5;
/** Rises of fewer samples than this mean nothing. */
const SAMPLES_TO_JUDGE = 8;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { packets: { type: 'string' }, seed: { type: 'string' } } });
const name = positionals[0] ?? '';
const target = targets[name];
const packets = Number(values.packets ?? target?.packets);
const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff));
if (target === undefined || positionals.length !== 1 || !Number.isSafeInteger(packets) || packets < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write(USAGE);
  process.exit(2);
}

const begun = performance.now();
const seconds = (): number => (performance.now() - begun) / 1000;
const rate = (count: number): string => `${Math.round(count / seconds()).toLocaleString('en')}/s`;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const memory = (sample: MemorySample | undefined): string =>
  sample === undefined ? '' : `heap ${megabytes(sample.heap)}, resident ${megabytes(sample.resident)}`;

process.stdout.write(`fuzz ${name}: ${packets.toLocaleString('en')} packets, seed ${seed}\n`);
let said = 0;
const result = fuzz(target.make, {
  packets,
  seed,
  onRound(done, answered) {
    if (seconds() - said < SAY_EVERY_SECONDS) return;
    said = seconds();
    process.stdout.write(`  ${done.toLocaleString('en')} packets, ${answered.toLocaleString('en')} answered, ${rate(done)}\n`);
  },
});
const cpu = process.cpuUsage();
const perPacket = (cpu.user + cpu.system) / result.packets;
process.stdout.write(
  `${result.packets.toLocaleString('en')} packets in ${seconds().toFixed(1)} s (${rate(result.packets)}, ${perPacket.toFixed(1)} us of CPU each), ` +
    `${result.answered.toLocaleString('en')} answered; ${memory(result.samples.at(-1))}\n`,
);
const problems = result.samples.length < SAMPLES_TO_JUDGE ? [] : whatRose(result.samples);
if (result.failure !== undefined) {
  const { failure } = result;
  problems.push(`packet ${failure.hex}\n${failure.error}\nagain: npm run fuzz -- ${name} --seed ${failure.seed} --packets ${failure.packets}`);
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`fuzz ${name} seed ${seed}: ${problems.length === 0 ? 'sound' : 'BROKEN'}\n`);
process.exit(problems.length === 0 ? 0 : 1);
