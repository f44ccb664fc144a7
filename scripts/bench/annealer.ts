/**
 * The annealer against the queues underneath: how many noderoles a second, what one costs, how that grows, how long an idle
 * system takes, how much memory. Real processes, real queue, every run with its rows, events and a log line.
 */
import { prepare } from '../lib/prepare.mjs';
import { measureBullmq, measureGraphile, type Baseline } from './annealer/baselines.js';
import { seedChains, seedRandom } from './annealer/graph.js';
import { measureCommit, measureLatency, quantile } from './annealer/latency.js';
import type { ProductOptions, Servers } from './annealer/product.js';
import { measureThroughput, type Throughput } from './annealer/throughput.js';
import type { Bench, Row, Tools } from './bench.js';
import { load } from './lib/machine.js';
import { startPostgres, startRedis } from './lib/servers.js';

const rate = (value: number, unit: string) => `${Math.round(value)} ${unit}/s`;
const number = (value: string | true | undefined, fallback: number) => (typeof value === 'string' ? Number(value) : fallback);

/** Scenarios that are over in seconds. */
const SHORT = new Set(['small', 'postgres']);

class AnnealerBench {
  readonly rows: Row[] = [];
  private readonly graphile: Baseline[] = [];
  private bullmq: Baseline | undefined;
  private readonly measured = new Map<string, Throughput>();

  constructor(
    private readonly servers: Servers,
    private readonly tools: Tools,
    private readonly options: { quick: boolean; only: Set<string> | undefined; settings: Record<string, string> },
  ) {}

  wants(name: string): boolean {
    return this.options.only?.has(name) ?? true;
  }

  private say(name: string, about: string): void {
    this.tools.say(`- ${name}: ${about} (load ${load().split(' ')[0]})`);
  }

  /** Several times in a run: what else the machine does changes meanwhile. */
  async baselineGraphile(): Promise<void> {
    const jobs = this.options.quick ? 10_000 : 30_000;
    this.say('graphile', `graphile-worker, ${jobs} plain jobs at concurrency 10`);
    const seen = await measureGraphile(this.servers.postgres, jobs, 0, this.tools);
    this.tools.say(`    ${rate(seen.perSecond, 'jobs')}, ${Math.round(seen.cpuMicros)} us CPU a job`);
    this.graphile.push(seen);
  }

  async baselineBullmq(): Promise<void> {
    const jobs = this.options.quick ? 5_000 : 15_000;
    this.say('bullmq', `BullMQ on PostgreSQL, ${jobs} no-op jobs at concurrency 10`);
    this.bullmq = await measureBullmq(this.servers.postgres, jobs, 10, this.tools);
    this.tools.say(`    ${rate(this.bullmq.perSecond, 'jobs')}, ${Math.round(this.bullmq.cpuMicros)} us CPU a job`);
  }

  private mean(): Baseline {
    const sum = this.graphile.reduce((total, one) => ({ perSecond: total.perSecond + one.perSecond, cpuMicros: total.cpuMicros + one.cpuMicros }), {
      perSecond: 0,
      cpuMicros: 0,
    });
    return { perSecond: sum.perSecond / this.graphile.length, cpuMicros: sum.cpuMicros / this.graphile.length };
  }

  async throughput(name: string, about: string, options: ProductOptions, seed: Parameters<typeof measureThroughput>[2]): Promise<void> {
    if (!this.wants(name)) return;
    this.say(name, about);
    const rounds: Throughput[] = [];
    // What lasts two seconds is a matter of luck once: in the middle of three it is not.
    for (let round = 0; round < (SHORT.has(name) && !this.options.quick ? 3 : 1); round += 1) {
      const seen = await measureThroughput(this.servers, { ...options, settings: this.options.settings }, seed, this.tools);
      this.tools.say(`    ${rate(seen.perSecond, 'noderoles')}, ${Math.round(seen.cpuMicros)} us CPU a noderole (${seen.parts})`);
      rounds.push(seen);
    }
    const median = rounds.sort((one, other) => one.perSecond - other.perSecond)[rounds.length >> 1];
    if (median) this.measured.set(name, median);
  }

  /** Rows against graphile-worker, once all its measurements are in. */
  compare(name: string, title: string, aim: number | null): void {
    const seen = this.measured.get(name);
    if (!seen || this.graphile.length === 0) return;
    const base = this.mean();
    const ratio = seen.perSecond / base.perSecond;
    this.rows.push({
      name: title,
      ours: rate(seen.perSecond, 'noderoles'),
      baseline: `graphile-worker ${rate(base.perSecond, 'jobs')}`,
      ratio,
      aim: aim === null ? '' : `>= ${aim.toFixed(1)}x`,
      reached: aim === null ? null : ratio >= aim,
      cpuMicros: seen.cpuMicros,
      note: `CPU us a noderole: ${seen.parts}; graphile-worker with its PostgreSQL ${Math.round(base.cpuMicros)} a job`,
    });
  }

  compareBullmq(name: string, title: string, aim: number): void {
    const seen = this.measured.get(name);
    if (!seen || !this.bullmq) return;
    const ratio = seen.perSecond / this.bullmq.perSecond;
    this.rows.push({
      name: title,
      ours: rate(seen.perSecond, 'noderoles'),
      baseline: `BullMQ ${rate(this.bullmq.perSecond, 'jobs')}`,
      ratio,
      aim: `>= ${aim.toFixed(1)}x`,
      reached: ratio >= aim,
      cpuMicros: seen.cpuMicros,
      note: `CPU us a noderole: ${seen.parts}; BullMQ with its PostgreSQL ${Math.round(this.bullmq.cpuMicros)} a job`,
    });
  }

  /** Cost against another scenario of ours, by CPU time, which a busy machine changes least. */
  compareCost(name: string, to: string, title: string, aim: number): void {
    const [seen, base] = [this.measured.get(name), this.measured.get(to)];
    if (!seen || !base) return;
    const ratio = seen.cpuMicros / base.cpuMicros;
    this.rows.push({
      name: title,
      ours: `${Math.round(seen.cpuMicros)} us`,
      baseline: `${Math.round(base.cpuMicros)} us`,
      ratio,
      aim: `<= ${aim.toFixed(2)}x`,
      // One in twenty is what two equal runs differ by.
      reached: ratio <= aim + 0.05,
      cpuMicros: null,
      note: `by the clock ${(base.perSecond / seen.perSecond).toFixed(2)}x`,
    });
  }

  async commit(nodes: number, roles: number): Promise<void> {
    if (!this.wants('commit')) return;
    this.say('commit', `a deployment of ${nodes * roles} noderoles, from the verb to the first job`);
    const seen = await measureCommit(this.servers, nodes, roles, this.tools);
    this.rows.push({
      name: `commit of ${nodes * roles} noderoles to the first job started`,
      ours: `${(seen.toFirstJobMs / 1000).toFixed(2)} s`,
      baseline: '',
      ratio: null,
      aim: '< 3 s',
      reached: seen.toFirstJobMs < 3_000,
      cpuMicros: null,
      note: `the verb itself took ${(seen.verbMs / 1000).toFixed(2)} s`,
    });
  }

  async latency(backend: 'redis' | 'postgres', samples: number): Promise<void> {
    if (!this.wants('latency')) return;
    this.say('latency', `${samples} noderoles in one line on ${backend}, nothing else to do`);
    const seen = await measureLatency(this.servers, backend, samples, this.tools);
    const p99 = quantile(seen, 0.99);
    this.rows.push({
      name: `parent ACTIVE to child's job started, p99, ${backend === 'redis' ? 'Redis' : 'PostgreSQL'}`,
      ours: `${p99.toFixed(1)} ms`,
      baseline: '',
      ratio: null,
      aim: '< 50 ms',
      reached: p99 < 50,
      cpuMicros: null,
      note: `p50 ${quantile(seen, 0.5).toFixed(1)} ms, most ${seen.at(-1)?.toFixed(1)} ms, ${seen.length} samples`,
    });
  }

  memory(name: string): void {
    const seen = this.measured.get(name);
    if (!seen) return;
    this.rows.push({
      name: `server memory under ${seen.noderoles} noderoles`,
      ours: `${Math.round(seen.proportionalMb)} MB`,
      baseline: '',
      ratio: null,
      aim: '< 400 MB',
      reached: seen.proportionalMb < 400,
      cpuMicros: null,
      note: `one process with everything in it; proportional share (PSS), the highest seen; resident with shared pages: ${Object.entries(seen.peakMb)
        .map(([process, mb]) => `${process} ${Math.round(mb)}`)
        .join(', ')}`,
    });
  }
}

export const annealer: Bench = {
  name: 'annealer',
  about: 'noderoles per second against graphile-worker and BullMQ, cost, latency, memory',
  options: {
    quick: 'a tenth of everything, for a look: its verdicts mean nothing',
    only: 'comma separated: small, large, huge, random, postgres, memory, commit, latency',
    nodes: 'nodes of the large chain scenario; default 10000',
    roles: 'roles of the chain scenarios; default 10',
    workers: 'processes that execute runs in the chain scenarios; default 1',
    'fast-slots': 'PRYBAR_FAST_SLOTS of the worker processes; default: the product decides',
  },
  async run(options, tools) {
    await prepare({ until: 'build' });
    const quick = options['quick'] === true;
    const scale = quick ? 10 : 1;
    const roles = number(options['roles'], 10);
    const nodes = number(options['nodes'], 10_000 / scale);
    const postgres = await startPostgres(tools);
    const redis = await startRedis(tools);
    const settings: Record<string, string> = typeof options['fast-slots'] === 'string' ? { PRYBAR_FAST_SLOTS: options['fast-slots'] } : {};
    const only = typeof options['only'] === 'string' ? new Set(options['only'].split(',')) : undefined;
    const bench = new AnnealerBench({ postgres, redis }, tools, { quick, only, settings });
    const onRedis: ProductOptions = { backend: 'redis', runs: number(options['workers'], 1) };
    const needsGraphile = ['small', 'large', 'huge', 'random'].some((name) => bench.wants(name));

    if (needsGraphile) await bench.baselineGraphile();
    await bench.throughput('small', `${1_000 / scale} x ${roles} chains on Redis`, onRedis, (db) => seedChains(db, 1_000 / scale, roles));
    await bench.throughput('large', `${nodes} x ${roles} chains on Redis`, onRedis, (db) => seedChains(db, nodes, roles));
    if (needsGraphile && !quick) await bench.baselineGraphile();
    await bench.throughput('random', `${5_000 / scale} x ${roles}, 4 parents each, a fan-in, two settlers`, { ...onRedis, runs: 2 }, (db) =>
      seedRandom(db, { nodes: 5_000 / scale, roles, parents: 4, fanIn: 5_000 / scale }),
    );
    await bench.throughput('huge', `${100_000 / scale} x 5 chains on Redis`, onRedis, (db) => seedChains(db, 100_000 / scale, 5));
    if (needsGraphile && !quick) await bench.baselineGraphile();
    if (bench.wants('postgres')) await bench.baselineBullmq();
    await bench.throughput('postgres', `${1_000 / scale} x ${roles} chains, queue on PostgreSQL`, { backend: 'postgres', runs: 1 }, (db) =>
      seedChains(db, 1_000 / scale, roles),
    );
    await bench.throughput('memory', `${10_000 / scale} x 10 chains on Redis, everything in one process`, { ...onRedis, whole: true }, (db) =>
      seedChains(db, 10_000 / scale, 10, true),
    );
    await bench.commit(1_000 / scale, 10);
    await bench.latency('redis', 300);
    await bench.latency('postgres', 300);

    bench.compare('small', `${1_000 / scale} x ${roles} chains, Redis`, 1.5);
    bench.compare('large', `${nodes} x ${roles} chains, Redis`, 1.5);
    bench.compare('huge', `${100_000 / scale} x 5 chains, Redis`, null);
    bench.compare('random', `random graph, 4 parents, fan-in ${5_000 / scale}, two settlers`, 1.0);
    bench.compareBullmq('postgres', `${1_000 / scale} x ${roles} chains, queue on PostgreSQL`, 0.5);
    bench.compareCost('large', 'small', 'CPU a noderole, large to small', 1.0);
    bench.compareCost('huge', 'small', 'CPU a noderole, huge to small', 1.25);
    bench.memory('memory');
    return { rows: bench.rows, settings: { ...postgres.settings, ...settings } };
  },
};
