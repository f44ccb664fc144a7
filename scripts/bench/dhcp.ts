/**
 * DHCP against Kea and ISC dhcpd from Debian: exchanges a second, how long one takes, how soon a change is answered, how soon a
 * server that starts answers. One relay on loopback with every machine behind it, the same for all servers.
 */
import { prepare } from '../lib/prepare.mjs';
import type { Bench, Row, Tools } from './bench.js';
import { measureChange, type Change } from './dhcp/change.js';
import { startKea } from './dhcp/kea.js';
import { makeLink, runStorm, startDhcpd, whyNoFabric } from './dhcp/links.js';
import { startLoad, type Load, type LoadOrder, type LoadResult } from './dhcp/load.js';
import { FIRST_UNRESERVED, GIADDR } from './dhcp/network.js';
import { seedMachines, startPrybar } from './dhcp/prybar.js';
import { cpuSeconds, cpuSecondsOfFamily, load, peakResidentMb } from './lib/machine.js';
import { freePort } from './lib/ports.js';
import { startPostgres, type PostgresServer } from './lib/servers.js';

/** Exchanges always under way: enough to keep any server busy, and fewer than the 64 a thread that Kea queues on two cores before it drops. */
const WINDOW = 120;
const WARM_UP_SECONDS = 30;
const CHANGES = 30;
const LARGE = 100_000;
const STORM = 500;
/** A host changed by SQL until Kea 2.2 with its PostgreSQL host backend answered with it, on the machine the aims were set on. */
const KEA_CHANGE_MS = 2.7;

type Measured = LoadResult & { cpuMicros: number; cpu: string };
type Seen = { reserved: Measured; pool: Measured; calm: Measured };

/** One server under load: what it answers, what an exchange costs it. */
type Subject = { name: string; port: number; usage: () => Record<string, number> };

class DhcpBench {
  readonly rows: Row[] = [];

  constructor(
    private readonly tools: Tools,
    private readonly options: { machines: number; seconds: number; only: Set<string> | undefined },
  ) {}

  wants(...names: string[]): boolean {
    return names.some((name) => this.options.only?.has(name) ?? true);
  }

  say(name: string, about: string): void {
    this.tools.say(`- ${name}: ${about} (load ${load().split(' ')[0]})`);
  }

  /** Runs one order and divides the CPU time by the exchanges. */
  async measure(subject: Subject, generator: Load, order: Partial<LoadOrder>): Promise<Measured> {
    const before = subject.usage();
    const result = await generator.run({ port: subject.port, seconds: this.options.seconds, ...order });
    const used = Object.entries(subject.usage()).map(([name, seconds]): [string, number] => [name, ((seconds - (before[name] ?? 0)) * 1e6) / result.done]);
    const cpu = used.map(([name, micros]) => `${name} ${Math.round(micros)}`).join(', ');
    this.tools.say(
      `    ${subject.name}: ${Math.round(result.perSecond)} DORA/s, ${result.lost} of ${result.begun} lost, CPU us: ${cpu}, generator ${Math.round(result.ownCpuMicros)}` +
        (order.keepLatencies === true
          ? `; ${result.medianMs.toFixed(2)} ms median, ${result.p99Ms.toFixed(2)} ms p99, ${result.mostMs.toFixed(1)} ms most`
          : ''),
    );
    return { ...result, cpuMicros: used[0]?.[1] ?? 0, cpu };
  }

  /** Every machine once, so that files are read and leases written; then the most it answers, from each kind of machine; then calm. */
  async throughput(subject: Subject, generator: Load, calmPerSecond: (reserved: Measured) => number): Promise<Seen> {
    const { machines } = this.options;
    for (let seen = 0, round = 0; seen < machines && round < WARM_UP_SECONDS; round += 1)
      seen += (await generator.run({ port: subject.port, window: WINDOW, firstClient: seen, clients: machines - seen, seconds: 1 })).done;
    const reserved = await this.measure(subject, generator, { window: WINDOW, clients: machines });
    const pool = await this.measure(subject, generator, { window: WINDOW, clients: machines, firstClient: FIRST_UNRESERVED });
    const calm = await this.measure(subject, generator, { perSecond: calmPerSecond(reserved), clients: machines, keepLatencies: true });
    return { reserved, pool, calm };
  }

  compareRates(name: string, ours: Measured, base: Measured, baseName: string, aim: number): void {
    const ratio = ours.perSecond / base.perSecond;
    const dropped = ours.lost / Math.max(1, ours.begun);
    this.rows.push({
      name,
      ours: `${Math.round(ours.perSecond)} DORA/s`,
      baseline: `${baseName} ${Math.round(base.perSecond)} DORA/s`,
      ratio,
      aim: `>= ${aim}x`,
      reached: ratio >= aim && dropped < 0.01,
      cpuMicros: ours.cpuMicros,
      note: `${(dropped * 100).toFixed(2)} % lost; CPU us an exchange: ${ours.cpu}; ${baseName} ${base.cpu}`,
    });
  }

  changed(machines: number, change: Change, more = ''): void {
    this.compareTimes(
      `boot change through the API to the DHCP answer, ${machines} machines`,
      change.medianMs,
      KEA_CHANGE_MS,
      'Kea with hosts in PostgreSQL, as measured before',
      1.5,
      Infinity,
      `the API's own answer took ${change.verbMedianMs.toFixed(1)} ms; from the commit of the row alone ${change.commitMedianMs.toFixed(1)} ms; ` +
        `longest time without an answer ${change.gapMs.toFixed(1)} ms, ${change.quietGapMs.toFixed(1)} ms while nothing changed; worst ${change.worstMs.toFixed(1)} ms${more}`,
    );
  }

  compareTimes(name: string, ours: number, base: number, baseName: string, aim: number, limitMs = Infinity, note = ''): void {
    const ratio = ours / base;
    this.rows.push({
      name,
      ours: `${ours.toFixed(2)} ms`,
      baseline: `${baseName} ${base.toFixed(2)} ms`,
      ratio,
      aim: `<= ${aim}x${limitMs === Infinity ? '' : `, < ${limitMs} ms`}`,
      reached: ratio <= aim && ours < limitMs,
      cpuMicros: null,
      note,
    });
  }
}

/** What needs root; without it the run says what it left out. */
async function onLinks(bench: DhcpBench, postgres: PostgresServer, ours: Seen, tools: Tools): Promise<void> {
  const reason = await whyNoFabric();
  if (reason !== undefined) return tools.say(`left out: ISC dhcpd and clients that broadcast: ${reason}`);
  const fabric = await makeLink(tools);
  if (bench.wants('dhcpd')) {
    bench.say('dhcpd', 'ISC dhcpd, dynamic pool, its leases synced to disk');
    const dhcpd = await startDhcpd(fabric, tools);
    const seen = await bench.measure({ name: 'dhcpd', port: 67, usage: () => ({ dhcpd: cpuSecondsOfFamily(dhcpd.pid) }) }, dhcpd.load, {
      host: '10.201.1.1',
      window: WINDOW,
    });
    await dhcpd.stop();
    bench.compareRates('dynamic pool, durable before the ACK', ours.pool, seen, 'dhcpd', 4);
  }
  if (bench.wants('storm')) {
    bench.say('storm', `${STORM} machines that broadcast, switched on at once`);
    const seen = await runStorm(fabric, postgres, STORM);
    bench.rows.push({
      name: `${STORM} broadcast clients at once, each address probed by ARP`,
      ours: `${seen.acknowledged} of ${seen.machines}`,
      baseline: '',
      ratio: null,
      aim: '',
      reached: null,
      cpuMicros: null,
      note: `OFFER after ${Math.round(seen.medianOfferMs)} ms median, ${Math.round(seen.slowestOfferMs)} ms at most; the last ACK after ${Math.round(seen.slowestAckMs)} ms`,
    });
  }
  await fabric.remove();
}

const number = (value: string | true | undefined, fallback: number): number => (typeof value === 'string' ? Number(value) : fallback);

export const dhcp: Bench = {
  name: 'dhcp',
  about: 'DHCP exchanges per second, latency, change and start against Kea and ISC dhcpd',
  options: {
    only: 'comma separated: kea, change, large, dhcpd, storm; our own throughput is always measured',
    machines: 'machines with a reservation; default 10000',
    seconds: 'length of each measurement; default 5',
  },
  async run(options, tools) {
    await prepare({ until: 'build' });
    const machines = number(options['machines'], 10_000);
    const only = typeof options['only'] === 'string' ? new Set(options['only'].split(',')) : undefined;
    const bench = new DhcpBench(tools, { machines, seconds: number(options['seconds'], 5), only });
    const postgres = await startPostgres(tools);
    const relayPort = await freePort();
    let kea: Seen | undefined;
    let keaStartMs = 0;
    if (bench.wants('kea')) {
      bench.say('kea', `memfile, ${machines} reservations`);
      const server = await startKea({ reservations: machines, port: await freePort(), relayPort }, tools);
      keaStartMs = server.answeredAfterMs;
      const generator = await startLoad(GIADDR, relayPort, { port: server.port });
      kea = await bench.throughput({ name: 'kea', port: server.port, usage: () => ({ kea: cpuSeconds(server.pid) }) }, generator, (seen) => seen.perSecond / 2);
      await generator.stop();
      await server.stop();
    }
    const ports = async () => ({ dhcp: await freePort(), tftp: await freePort(), http: await freePort(), dns: await freePort() });
    const startWith = async (count: number) => {
      const database = await seedMachines(postgres, count);
      return { database, server: await startPrybar(postgres, database, await ports(), tools) };
    };
    bench.say('prybar', `its boot process on PostgreSQL, ${machines} reservations`);
    const { database, server } = await startWith(machines);
    const startMs = server.answeredAfterMs - server.loadedAfterMs;
    tools.say(`    code loaded after ${Math.round(server.loadedAfterMs)} ms, first answer ${Math.round(startMs)} ms later`);
    const generator = await startLoad(GIADDR, relayPort, { port: server.port });
    const ours = await bench.throughput(
      { name: 'prybar', port: server.port, usage: () => server.usage() },
      generator,
      (seen) => (kea?.reserved ?? seen).perSecond / 2,
    );
    await generator.stop();
    const change = bench.wants('change') ? await measureChange(server, await freePort(), CHANGES, tools) : undefined;
    await server.stop();
    await database.drop();
    if (kea !== undefined) {
      bench.compareRates(`${machines} reservations`, ours.reserved, kea.reserved, 'Kea', 1.5);
      bench.compareRates('dynamic pool, durable before the ACK', ours.pool, kea.pool, 'Kea (not durable)', 0.7);
      bench.compareTimes("latency at half of Kea's most, median", ours.calm.medianMs, kea.calm.medianMs, 'Kea', 1.5);
      bench.compareTimes("latency at half of Kea's most, p99", ours.calm.p99Ms, kea.calm.p99Ms, 'Kea', 3, 5);
      bench.compareTimes(
        'cold start to the first answer',
        startMs,
        keaStartMs,
        'Kea',
        1,
        Infinity,
        `after the process is up; its code takes ${Math.round(server.loadedAfterMs)} ms to load`,
      );
    }
    if (change !== undefined) bench.changed(machines, change);
    if (bench.wants('large')) {
      bench.say('large', `${LARGE} reservations`);
      const large = await startWith(LARGE);
      const change = await measureChange(large.server, await freePort(), CHANGES, tools);
      const startedMs = Math.round(large.server.answeredAfterMs - large.server.loadedAfterMs);
      bench.changed(
        LARGE,
        change,
        `; first answer ${startedMs} ms after the process was up; server ${Math.round(peakResidentMb(large.server.pid))} MB at most`,
      );
      await large.server.stop();
      await large.database.drop();
    }
    if (bench.wants('dhcpd', 'storm')) await onLinks(bench, postgres, ours, tools);
    return { rows: bench.rows, settings: postgres.settings };
  },
};
