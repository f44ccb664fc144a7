/**
 * One history by its seed, on a virtual clock: workers with clocks of their own that drift, messages that are late, lost
 * or doubled, processes that die or stand still, machines that flap, operators that change their minds; then calm, and
 * everything must come to rest. The same options give the same history, to the millisecond.
 */
import { randomOf, type Random } from '../../support/random.js';
import { buildGraph, type Shape } from './graph.js';
import { Properties, type Acting } from './properties.js';
import { RULES, World, type Entry, type Job, type Outcome, type Rules, type Settlement } from './world.js';

/** What disturbs; each can be left out, to find what a failure needs. */
export const DISTURBANCES = [
  'lost-messages',
  'doubled-messages',
  'late-messages',
  'dead-workers',
  'frozen-workers',
  'drift',
  'dead-annealers',
  'flaps',
  'failures',
  'waits',
  'operators',
  'recalls',
] as const;
export type Disturbance = (typeof DISTURBANCES)[number];

export type Options = Shape & {
  seed: number;
  /** How long it is disturbed, virtual milliseconds. */
  durationMs: number;
  disturbances: readonly Disturbance[];
  /** How far a worker's clock may be from the database's: 0.1 is 10 %. */
  drift: number;
  rules: Rules;
  /** Only what the SQL can be asked for as well: no agents, no pauses between tries. */
  forSql?: boolean;
};
export type Result = { violations: string[]; log: Entry[]; world: World; restMs: number | null; turns: number };

/** What a seed stands for. Each leaves some disturbances out: where less happens, the rest meet more often. */
export const optionsOf = (seed: number, more: Partial<Options> = {}): Options => {
  const random = randomOf(seed ^ 0x51ab);
  const share = random.pick([0.3, 0.6, 1]);
  const disturbances = DISTURBANCES.filter(() => random.chance(share));
  return { seed, nodes: random.between(1, 5), roles: random.between(2, 7), durationMs: 40_000, disturbances, drift: 0.15, rules: RULES, ...more };
};

/** `renewedAt` and `sentAt`: on the worker's own clock. */
type Turn = { run: number; fence: number; key: string; renewedAt: number; aborted: boolean; over: boolean };
type Worker = { id: number; up: boolean; incarnation: number; frozenUntil: number; rate: number; offset: number; turns: Set<Turn> };

const CALM_LIMIT_MS = 900_000;
const GIVE_UP = 0.8;

export function simulate(options: Options): Result {
  return new Simulation(options).run();
}

class Simulation {
  private readonly world: World;
  private readonly random: Random;
  private readonly properties: Properties;
  private readonly agenda: { at: number; seq: number; act: () => void }[] = [];
  private readonly workers: Worker[];
  private readonly on: Set<Disturbance>;
  /** The key of the machine, by the run whose work its agent has in hand. */
  private readonly agents = new Map<number, string>();
  private seq = 0;
  private calm = false;
  private turns = 0;
  private wallOf = 0;
  private dataOf = 0;

  constructor(private readonly options: Options) {
    this.random = randomOf(options.seed);
    this.on = new Set(options.disturbances);
    this.world = new World(options.rules);
    this.properties = new Properties(this.world);
    buildGraph(this.world, this.random, options);
    if (options.forSql) for (const role of this.world.roles) if (role) role.backoffMs = 0;
    this.workers = Array.from({ length: 3 }, (_, id) => ({
      ...{ id, up: true, incarnation: 0, frozenUntil: 0, turns: new Set<Turn>() },
      rate: this.on.has('drift') ? 1 + (this.random.between(-1000, 1000) / 1000) * options.drift : 1,
      offset: this.random.between(0, 1_000_000),
    }));
  }

  run(): Result {
    const { world, options } = this;
    this.in(this.random.between(0, 500), () => this.commit());
    for (const annealer of [0, 1]) this.sweepForEver(annealer);
    for (const worker of this.workers) this.tickForEver(worker);
    this.disturbForEver();
    this.in(options.durationMs, () => this.calmDown());
    let restMs: number | null = null;
    while (this.properties.violations.length === 0) {
      const next = this.take();
      if (next === undefined || next.at > options.durationMs + CALM_LIMIT_MS) {
        this.properties.broken(`it did not come to rest within ${CALM_LIMIT_MS / 1000} s: ${this.properties.unfinished()}`);
        break;
      }
      world.now = next.at;
      next.act();
      this.properties.check(this.acting());
      if (this.calm && this.isAtRest()) {
        restMs = world.now - options.durationMs;
        this.properties.checkRest();
        break;
      }
    }
    return { violations: this.properties.violations, log: world.log, world, restMs, turns: this.turns };
  }

  // The agenda.

  private in(delayMs: number, act: () => void): void {
    const item = { at: this.world.now + Math.max(1, Math.round(delayMs)), seq: this.seq++, act };
    // Kept sorted from the end: the next is the last.
    let low = 0;
    let high = this.agenda.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.agenda[middle];
      if (other !== undefined && (other.at > item.at || (other.at === item.at && other.seq > item.seq))) low = middle + 1;
      else high = middle;
    }
    this.agenda.splice(low, 0, item);
  }

  private take() {
    return this.agenda.pop();
  }

  private has(what: Disturbance, probability: number): boolean {
    return !this.calm && this.on.has(what) && this.random.chance(probability);
  }

  /** How long a message is under way. */
  private transit(): number {
    return this.has('late-messages', 0.08) ? this.random.between(500, 12_000) : this.random.between(1, 30);
  }

  // The queue: rings and kicks.

  private ring(jobs: Job[]): void {
    for (const job of jobs) {
      if (this.has('lost-messages', 0.1)) continue;
      this.in(this.transit(), () => this.deliver(job));
      if (this.has('doubled-messages', 0.1)) this.in(this.transit(), () => this.deliver(job));
    }
  }

  private kick(): void {
    if (!this.has('lost-messages', 0.2)) this.in(this.transit(), () => this.ring(this.world.claim()));
  }

  private deliver(job: Job): void {
    const ready = this.workers.filter((worker) => this.runs(worker));
    // A queue without a worker forgets it here; the sweep rings again.
    if (ready.length === 0) return;
    const worker = this.random.pick(ready);
    const { incarnation } = worker;
    const sentAt = this.local(worker);
    this.in(this.transit(), () => {
      const answer = this.world.start(job);
      if (answer === null) return;
      this.in(this.transit(), () => this.begin(worker, incarnation, { run: answer.run, fence: answer.fence, sentAt, how: answer.how }));
    });
  }

  // Workers.

  private local(worker: Worker): number {
    return this.world.now * worker.rate + worker.offset;
  }

  private runs(worker: Worker): boolean {
    return worker.up && worker.frozenUntil <= this.world.now;
  }

  private isCertain(worker: Worker, turn: Turn): boolean {
    return !turn.aborted && this.local(worker) - turn.renewedAt <= GIVE_UP * this.options.rules.leaseMs;
  }

  /** Runs `act` in the worker as soon as it is not frozen, unless it has died since. */
  private inWorker(worker: Worker, incarnation: number, delayMs: number, act: () => void): void {
    this.in(delayMs, () => {
      if (!worker.up || worker.incarnation !== incarnation) return;
      if (worker.frozenUntil > this.world.now) this.inWorker(worker, incarnation, worker.frozenUntil - this.world.now, act);
      else act();
    });
  }

  private begin(worker: Worker, incarnation: number, job: { run: number; fence: number; sentAt: number; how: 'run' | 'skip' | 'supersede' }): void {
    this.inWorker(worker, incarnation, 0, () => {
      if (job.how !== 'run') return this.send(worker, { run: job.run, fence: job.fence, outcome: { kind: job.how } });
      const { key } = this.world.run(job.run);
      const turn: Turn = { run: job.run, fence: job.fence, key, renewedAt: job.sentAt, aborted: false, over: false };
      if (!this.isCertain(worker, turn)) return this.send(worker, { run: job.run, fence: job.fence, outcome: { kind: 'lost' } });
      worker.turns.add(turn);
      this.turns++;
      const outcome = this.outcomeOf(job.run);
      this.inWorker(worker, incarnation, this.random.chance(0.25) ? this.random.between(1000, 12_000) : this.random.between(1, 1000), () => {
        const isOurs = this.isCertain(worker, turn);
        this.finish(worker, turn);
        this.send(worker, { run: turn.run, fence: turn.fence, outcome: isOurs ? outcome : { kind: 'lost' } });
      });
    });
  }

  private finish(worker: Worker, turn: Turn): void {
    turn.over = true;
    worker.turns.delete(turn);
  }

  private outcomeOf(run: number): Outcome {
    if (this.has('failures', 0.15)) return { kind: 'fail', retryable: this.random.chance(0.8) };
    // A jig whose agent is at its work does not let go of the machine.
    if (!this.world.work.has(run) && this.has('waits', 0.35))
      return {
        kind: 'wait',
        ...this.random.pick([
          { key: `timer:${run}`, minGeneration: 1, keeps: 'nothing' as const },
          { key: `fact:${this.random.below(4)}`, minGeneration: this.random.between(1, 3), keeps: 'nothing' as const },
          { key: `fact:${this.random.below(4)}`, minGeneration: this.random.between(1, 3), keeps: 'node' as const },
          { key: this.options.forSql ? `timer:${run}` : `work:${run}`, minGeneration: 1, keeps: 'node' as const },
        ]),
        deadlineMs: this.random.between(500, 20_000),
      };
    return { kind: 'done', wall: this.random.chance(0.2) && !this.calm ? ++this.wallOf : (this.world.noderoles.get(this.world.run(run).noderole)?.data ?? 0) };
  }

  /** Sent until it is heard: an answer that is lost makes it come twice. */
  private send(worker: Worker, settlement: Settlement): void {
    const { incarnation } = worker;
    this.in(this.transit(), () => {
      const isHeard = !this.has('lost-messages', 0.1);
      if (isHeard) {
        this.world.settle([settlement]);
        const { outcome } = settlement;
        if (outcome.kind === 'wait' && outcome.key.startsWith('work:')) this.in(this.transit(), () => this.agent(settlement.run));
        this.kick();
      }
      // The pump tries again while it lives.
      if (!isHeard || this.has('doubled-messages', 0.1)) this.inWorker(worker, incarnation, this.random.between(20, 2000), () => this.send(worker, settlement));
    });
  }

  // Agents: supervisors on the machines. One holds its work until it is done or told to stop, whatever becomes of workers.

  private agent(run: number): void {
    const { world } = this;
    if (this.agents.has(run) || !world.takeWork(run)) return;
    this.agents.set(run, world.run(run).key);
    let left = this.random.between(1, 8);
    const renew = () =>
      this.in(this.random.between(300, 1500), () => {
        const mayGoOn = world.renewWork(run);
        if (mayGoOn && --left > 0) return renew();
        this.agents.delete(run);
        world.leaveWork(run, mayGoOn);
        this.kick();
      });
    renew();
  }

  private tickForEver(worker: Worker): void {
    this.in(1500 / worker.rate, () => {
      this.tickForEver(worker);
      if (!this.runs(worker)) return;
      for (const turn of worker.turns) {
        if (!this.isCertain(worker, turn)) turn.aborted = true;
        if (turn.aborted) continue;
        const sentAt = this.local(worker);
        const { incarnation } = worker;
        if (this.has('lost-messages', 0.1)) continue;
        this.in(this.transit(), () => {
          const isRenewed = this.world.renew(turn.run, turn.fence);
          if (this.has('lost-messages', 0.05)) return;
          this.inWorker(worker, incarnation, this.transit(), () => {
            if (isRenewed) turn.renewedAt = Math.max(turn.renewedAt, sentAt);
            else turn.aborted = true;
          });
        });
      }
      // Told to stop, it stops a little later.
      for (const turn of worker.turns) {
        if (!turn.aborted || turn.over) continue;
        turn.over = true;
        this.inWorker(worker, worker.incarnation, this.random.between(1, 300), () => {
          if (!worker.turns.has(turn)) return;
          this.finish(worker, turn);
          this.send(worker, { run: turn.run, fence: turn.fence, outcome: { kind: 'lost' } });
        });
      }
    });
  }

  /** The turns that act on a machine at this moment. A dead or frozen worker does not, nor one that gave up. */
  private acting(): Acting[] {
    const agents = [...this.agents].map(([run, key]) => ({ run, key, by: 'the agent' }));
    const workers = this.workers.flatMap((worker) =>
      this.runs(worker)
        ? [...worker.turns].flatMap((turn) => (!turn.over && this.isCertain(worker, turn) ? [{ run: turn.run, key: turn.key, by: `worker ${worker.id}` }] : []))
        : [],
    );
    return [...agents, ...workers];
  }

  // Annealers.

  private sweepForEver(annealer: number): void {
    this.in(this.has('dead-annealers', 0.05) ? this.random.between(2000, 15_000) : this.random.between(800, 1200), () => {
      const { world } = this;
      for (const step of [() => world.expireLeases(), () => world.expireWaits(), () => world.proveStopped(), () => world.propagate()])
        if (!this.has('lost-messages', 0.05)) step();
      this.ring(world.ringAgain());
      this.ring(world.claim());
      this.sweepForEver(annealer);
    });
  }

  // What disturbs.

  private disturbForEver(): void {
    this.in(this.random.between(20, 400), () => {
      if (this.calm) return;
      this.disturb();
      this.disturbForEver();
    });
  }

  private disturb(): void {
    const { world, random } = this;
    const worker = random.pick(this.workers);
    const rows = [...world.noderoles.values()];
    const row = random.pick(rows);
    const inState = (state: string) => rows.filter((candidate) => candidate.state === state);
    const node = random.pick([...world.nodes.values()].filter((candidate) => candidate.kind === 'machine'));
    const one = (list: typeof rows) => (list.length === 0 ? undefined : random.pick(list));
    const act = random.weighted({
      die: 1,
      freeze: 1,
      flap: 1,
      boot: 1,
      fact: 4,
      cancel: 8,
      retry: 12,
      repropose: 1,
      poke: 4,
      data: 4,
      commit: 5,
      recall: 0.3,
      available: 1,
      again: 2,
    });
    const operators = this.on.has('operators');
    switch (act) {
      case 'die':
        if (!this.on.has('dead-workers') || !worker.up) return;
        Object.assign(worker, { up: false, incarnation: worker.incarnation + 1, turns: new Set() });
        this.in(random.between(100, 20_000), () => (worker.up = true));
        return;
      case 'freeze':
        if (this.on.has('frozen-workers')) worker.frozenUntil = world.now + random.between(500, 20_000);
        return;
      case 'flap':
        if (!this.on.has('flaps')) return;
        world.setNode(node.id, { alive: false });
        this.in(random.between(100, 15_000), () => world.setNode(node.id, { alive: true }));
        return;
      case 'boot':
        if (this.on.has('flaps')) this.boot(node.id);
        return;
      case 'available':
        if (!operators) return;
        world.setNode(node.id, { available: false });
        this.in(random.between(100, 8000), () => world.setNode(node.id, { available: true }));
        return;
      case 'fact':
        world.raiseFact(`fact:${random.below(4)}`, random.between(1, 3));
        return this.kick();
      case 'recall':
        if (!this.on.has('recalls')) return;
        world.recall();
        this.in(random.between(100, 8000), () => this.commit());
        return;
      case 'cancel': {
        const running = one(inState('TRANSITION'));
        if (operators && running) world.apply(running.id, { kind: 'cancel' });
        return;
      }
      case 'retry': {
        const failed = one(inState('ERROR'));
        if (operators && failed && world.apply(failed.id, { kind: 'retry' })) this.kick();
        return;
      }
      case 'repropose':
        if (operators) world.apply(row.id, { kind: 'repropose' });
        return;
      case 'poke':
        if (operators && world.apply(row.id, { kind: 'poke' })) this.kick();
        return;
      case 'again':
        if (operators && !this.options.forSql && world.applyAnew(row.id)) this.kick();
        return;
      case 'data':
        if (operators) world.propose(row.id, ++this.dataOf);
        return;
      case 'commit':
        if (operators) this.commit();
    }
  }

  private commit(): void {
    this.world.commit();
    this.kick();
  }

  /** Another boot: roles whose success held for the last one are wanted again. */
  private boot(id: number): void {
    const { world } = this;
    const node = world.nodes.get(id);
    if (node === undefined) return;
    world.boot(id);
    for (const row of world.noderoles.values()) if (row.node === id && world.shape(row).boot && row.committed) world.apply(row.id, { kind: 'poke' });
  }

  /** Nothing disturbs any more; operators mend what went wrong until all is well. */
  private calmDown(): void {
    const { world } = this;
    this.calm = true;
    for (const worker of this.workers) Object.assign(worker, { up: true, frozenUntil: Math.min(worker.frozenUntil, world.now) });
    for (const node of world.nodes.values()) world.setNode(node.id, { alive: true, available: true });
    const mend = () => {
      const rows = [...world.noderoles.values()];
      if (!world.committed || rows.some((row) => row.state === 'PROPOSED' || row.proposed !== null)) this.commit();
      for (const row of rows) if (row.state === 'ERROR') world.apply(row.id, { kind: 'retry' });
      this.in(2000, mend);
    };
    mend();
  }

  private isAtRest(): boolean {
    const { world } = this;
    return (
      world.waves.length === 0 && world.live().length === 0 && [...world.noderoles.values()].every((row) => row.state === 'ACTIVE' && row.proposed === null)
    );
  }
}
