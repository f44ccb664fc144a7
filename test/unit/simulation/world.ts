/**
 * The engine in memory: what the database holds, moved by the pure decisions alone (`state.ts`, `life.ts`, `model.ts`).
 * Each method is one transaction of the real engine, and is written down in `log`, so that the same history can be asked
 * of the SQL (test/integration/engine/replay.test.ts). Times are virtual milliseconds of the database's clock.
 */
import { pickRunnable, type Candidate, type NodeView } from '../../../src/annealer/model.js';
import { isRefusal, next as nextState, type NodeRoleEvent, type NodeRoleState } from '../../../src/noderoles/state.js';
import { newRun, nextRun, type RunEvent, type RunLife } from '../../../src/runs/life.js';

export type RoleShape = { destructive: boolean; stay: boolean; boot: boolean; maxAttempts: number; backoffMs: number; softAfter: number[] };
export type NodeRole = {
  id: number;
  node: number;
  role: number;
  cohort: number;
  state: NodeRoleState;
  p: number;
  slack: number;
  barrier: boolean;
  quorum: number | null;
  want: number;
  committed: boolean;
  failures: number;
  notBefore: number | null;
  run: number | null;
  errorEpoch: number;
  /** Proposed data, null when none is. */
  proposed: number | null;
  data: number;
  wall: number;
  okHash: string | null;
  okEpoch: number;
};
export type Run = {
  id: number;
  noderole: number;
  node: number;
  key: string;
  attempt: number;
  life: RunLife;
  gen: number | null;
  hash: string | null;
  epoch: number;
  wait: Wait | null;
};
export type Wait = { key: string; minGeneration: number; deadline: number };
export type Job = { run: number; fence: number };
export type Outcome =
  | { kind: 'done'; wall: number }
  | { kind: 'skip' }
  | { kind: 'supersede' }
  | { kind: 'lost' }
  | { kind: 'fail'; retryable: boolean }
  | { kind: 'wait'; key: string; minGeneration: number; deadlineMs: number; keeps: 'node' | 'nothing' };
export type Settlement = { run: number; fence: number; outcome: Outcome };
export type StartAnswer = { run: number; fence: number; how: 'run' | 'skip' | 'supersede' } | null;
/** A transaction as it was asked for, at its time. */
export type Entry = { at: number; op: string; args: unknown[] };

/** The decisions, replaceable one by one: to see that the simulation finds a rule that is broken. */
export type Rules = { next: typeof nextState; nextRun: typeof nextRun; pick: typeof pickRunnable; stopMarginMs: number; leaseMs: number; ringAgainMs: number };
export const RULES: Rules = { next: nextState, nextRun, pick: pickRunnable, stopMarginMs: 2000, leaseMs: 4000, ringAgainMs: 3000 };

export class World {
  now = 0;
  nodes = new Map<number, NodeView & { epoch: number }>();
  roles: RoleShape[] = [];
  noderoles = new Map<number, NodeRole>();
  children = new Map<number, number[]>();
  parents = new Map<number, number[]>();
  runs = new Map<number, Run>();
  private readonly alive = new Set<Run>();
  facts = new Map<string, number>();
  /** What agents were given, by run: a run that they may be at is not proven to have stopped. */
  work = new Map<number, 'taken' | 'revoked' | 'done'>();
  waves: { noderole: number; root: number; epoch: number }[] = [];
  committed = false;
  paused = false;
  /** How many runs the workers take at once. */
  slots = 1000;
  log: Entry[] = [];
  /** Moves of noderoles, for whoever watches. */
  onMove: (row: NodeRole, from: NodeRoleState) => void = () => undefined;
  onEnd: (run: Run) => void = () => undefined;

  constructor(readonly rules: Rules = RULES) {}

  addNode(id: number, kind: NodeView['kind']): void {
    this.nodes.set(id, { id, kind, alive: true, available: true, deleting: false, bootClass: 'discovery', epoch: 0 });
  }

  addNodeRole(id: number, node: number, role: number, parents: number[], barrier: { quorum: number | null } | null): void {
    const cohort = Math.max(-1, ...parents.map((parent) => this.row(parent).cohort)) + 1;
    this.noderoles.set(id, {
      ...{ id, node, role, cohort, state: 'PROPOSED', p: 0, slack: 0, barrier: barrier !== null, quorum: barrier?.quorum ?? null, want: 1, committed: false },
      ...{ failures: 0, notBefore: null, run: null, errorEpoch: 0, proposed: null, data: 0, wall: 0, okHash: null, okEpoch: 0 },
    });
    this.parents.set(id, parents);
    this.children.set(id, []);
    for (const parent of parents) this.children.get(parent)?.push(id);
  }

  row(id: number): NodeRole {
    const row = this.noderoles.get(id);
    if (row === undefined) throw new Error(`no noderole ${id}`);
    return row;
  }

  run(id: number): Run {
    const run = this.runs.get(id);
    if (run === undefined) throw new Error(`no run ${id}`);
    return run;
  }

  shape(row: NodeRole): RoleShape {
    return this.roles[row.role] ?? { destructive: false, stay: false, boot: false, maxAttempts: 3, backoffMs: 0, softAfter: [] };
  }

  live(): Run[] {
    return [...this.alive];
  }

  /** Claims for every node; answers the jobs to ring. */
  claim(): Job[] {
    this.write('claim');
    const jobs: Job[] = [];
    const busyKeys = new Set(this.live().flatMap((run) => (run.life.holdsSlot ? [run.key] : [])));
    // Runs whose wait kept nothing come back first.
    for (const run of this.live()) {
      const node = this.nodes.get(run.node);
      if (run.life.status !== 'WAKING' || run.life.holdsSlot || busyKeys.has(run.key) || !node?.alive || !node.available) continue;
      if (this.step(run, { kind: 'take-slot', now: this.now })) {
        busyKeys.add(run.key);
        jobs.push({ run: run.id, fence: run.life.fence });
      }
    }
    const queued = this.live().filter((run) => (run.life.status === 'QUEUED' || run.life.status === 'WAKING') && run.life.holdsSlot).length;
    const candidates = [...this.noderoles.values()].map((row): Candidate => ({
      ...{ id: row.id, nodeId: row.node, roleId: row.role, state: row.state, cohort: row.cohort, notBefore: row.notBefore },
      ...{ deploymentCommitted: this.committed, deploymentPaused: this.paused, jobClass: 'fast', runsIn: 'any', deploymentId: 1 },
      ...{ softAfter: this.shape(row).softAfter, softAfterDeployment: [], blockedForGood: this.isBlockedForGood(row) },
    }));
    const picked = this.rules.pick(candidates, {
      nodes: this.nodes,
      busyKeys,
      room: new Map([['fast', 2 * this.slots - queued]]),
      total: Infinity,
      now: this.now,
    });
    for (const { id } of picked) {
      const row = this.row(id);
      const run = this.insertRun(row);
      row.notBefore = null;
      this.own(id, { kind: 'claim' });
      row.run = run.id;
      jobs.push({ run: run.id, fence: run.life.fence });
    }
    return jobs;
  }

  /** Starts a job; null: it is stale. */
  start(job: Job): StartAnswer {
    this.write('start', job);
    const run = this.runs.get(job.run);
    if (run === undefined) return null;
    const first = run.gen === null;
    if (!this.step(run, { kind: 'start', fence: job.fence, now: this.now, leaseMs: this.rules.leaseMs })) return null;
    const row = this.row(run.noderole);
    const hash = this.inputsOf(row);
    run.epoch = this.nodes.get(run.node)?.epoch ?? 0;
    if (first) Object.assign(run, { gen: row.want, hash });
    const { fence } = run.life;
    if (first && row.p > row.slack) return { run: run.id, fence, how: 'supersede' };
    const shape = this.shape(row);
    const remembered = !shape.destructive && row.okHash === hash && (!shape.boot || row.okEpoch === run.epoch);
    return { run: run.id, fence, how: first && remembered ? 'skip' : 'run' };
  }

  renew(run: number, fence: number): boolean {
    this.write('renew', run, fence);
    const found = this.runs.get(run);
    return found !== undefined && this.step(found, { kind: 'renew', fence, now: this.now, leaseMs: this.rules.leaseMs });
  }

  /** Settles a batch. A result that comes too late changes nothing, or proves that its executor has stopped. */
  settle(batch: Settlement[]): void {
    this.write('settle', batch);
    const ends: { run: Run; outcome: Outcome; word: string }[] = [];
    const changed: number[] = [];
    for (const { run: id, fence, outcome } of batch) {
      const run = this.runs.get(id);
      if (run === undefined) continue;
      const isTaken = run.life.status === 'RUNNING' && run.life.fence === fence;
      if (outcome.kind === 'wait') {
        const isTrue = (this.facts.get(outcome.key) ?? 0) >= outcome.minGeneration;
        const isWaiting = this.step(run, { kind: 'wait', fence, keeps: outcome.keeps, isTrue, atAgent: this.isAtAgent(run), now: this.now }) && isTaken;
        if (isWaiting && !isTrue) run.wait = { key: outcome.key, minGeneration: outcome.minGeneration, deadline: this.now + outcome.deadlineMs };
        continue;
      }
      const row = this.noderoles.get(run.noderole);
      const hadTries = row !== undefined && row.failures + 1 < this.shape(row).maxAttempts;
      const isRetryable = outcome.kind === 'fail' && outcome.retryable && hadTries;
      const word = { done: 'succeeded', skip: 'skipped', supersede: 'superseded', lost: 'lease-lost', fail: isRetryable ? 'retryable' : 'failed' }[
        outcome.kind
      ];
      const isEnded = this.step(run, { kind: 'end', fence, outcome: word, atAgent: this.isAtAgent(run) }) && isTaken;
      if (isEnded && this.work.get(id) === 'taken') this.work.set(id, 'revoked');
      if (isEnded && row?.run === run.id) ends.push({ run, outcome, word });
    }
    const deltas = ends.map(({ run, outcome, word }) => this.settled(run, outcome, word, changed));
    ends.forEach(({ run }, n) => this.tell(run.noderole, deltas[n] ?? 0));
    for (const { run } of ends) if (this.row(run.noderole).state === 'BLOCKED') this.joinWaves(run.noderole);
    const told = new Set(changed.flatMap((id) => this.children.get(id) ?? []));
    for (const child of [...told].sort((a, b) => a - b)) if (!this.row(child).barrier) this.move(child, { kind: 'parent-changed' });
  }

  /** An operator's verb or another single event; false: the table refuses. */
  apply(id: number, event: NodeRoleEvent): boolean {
    this.write('apply', id, event);
    return this.move(id, event);
  }

  /** Redeploys what is destructive, runs anything else again: whatever its inputs are. */
  applyAnew(id: number): boolean {
    const row = this.row(id);
    const isDone = this.apply(id, { kind: this.shape(row).destructive ? 'redeploy' : 'rerun' });
    if (isDone) row.okHash = null;
    return isDone;
  }

  propose(id: number, data: number): void {
    this.write('propose', id, data);
    this.row(id).proposed = data;
  }

  commit(): void {
    this.write('commit');
    this.committed = true;
    const rows = [...this.noderoles.values()];
    const touched = rows.filter((row) => row.proposed !== null);
    for (const row of touched) Object.assign(row, { data: row.proposed, proposed: null });
    const fresh = rows.filter((row) => row.state === 'PROPOSED');
    const joined = new Set<number>();
    const first = fresh.filter((row) => !row.committed);
    for (const row of first) row.committed = true;
    for (const row of first) {
      for (const child of this.children.get(row.id) ?? []) {
        const isMember = this.row(child).barrier && !joined.has(child);
        joined.add(child);
        const delta = this.own(child, isMember ? { kind: 'member-joined', slack: this.slackOf(child) } : { kind: 'parent-left-active' });
        if (isMember) this.row(child).okHash = null;
        this.tell(child, delta ?? 0);
      }
    }
    for (const row of fresh) this.own(row.id, { kind: 'commit' });
    for (const row of fresh) if (row.state === 'BLOCKED') this.joinWaves(row.id);
    for (const row of touched) {
      if (fresh.includes(row)) row.want++;
      else this.move(row.id, { kind: 'poke' });
    }
  }

  recall(): void {
    this.write('recall');
    this.committed = false;
  }

  setNode(id: number, what: { alive?: boolean; available?: boolean }): void {
    this.write('node', id, what);
    Object.assign(this.nodes.get(id) ?? {}, what);
  }

  boot(id: number): void {
    this.write('boot', id);
    const node = this.nodes.get(id);
    if (node !== undefined) node.epoch++;
  }

  raiseFact(key: string, generation: number): void {
    this.write('fact', key, generation);
    this.facts.set(key, Math.max(generation, this.facts.get(key) ?? 0));
    for (const run of this.live()) {
      if (run.wait === null || run.wait.key !== key || (this.facts.get(key) ?? 0) < run.wait.minGeneration) continue;
      if (this.step(run, { kind: 'wake' })) run.wait = null;
    }
  }

  expireLeases(): void {
    this.write('expireLeases');
    for (const run of this.live()) {
      if (!this.step(run, { kind: 'lease-over', now: this.now })) continue;
      const row = this.noderoles.get(run.noderole);
      if (row?.run !== run.id) continue;
      row.okHash = null;
      this.move(row.id, { kind: 'release' });
    }
  }

  expireWaits(): void {
    this.write('expireWaits');
    for (const run of this.live()) if (run.wait !== null && run.wait.deadline < this.now && this.step(run, { kind: 'wake' })) run.wait = null;
  }

  proveStopped(): void {
    this.write('proveStopped');
    for (const run of this.live()) if (!this.isAtAgent(run)) this.step(run, { kind: 'prove', now: this.now, marginMs: this.rules.stopMarginMs });
  }

  /** The agent of a machine takes the work of a run that waits for it; false: it is not to be had. */
  takeWork(run: number): boolean {
    // A jig that has offered work waits for it and nothing else until it is done (the contract of `ctx.agent`).
    if (this.runs.get(run)?.wait?.key !== `work:${run}` || this.work.has(run)) return false;
    this.work.set(run, 'taken');
    return true;
  }

  /** Whether the agent may go on. */
  renewWork(run: number): boolean {
    return this.work.get(run) === 'taken';
  }

  /** The agent has it in hand no more: it is done, or was told to stop. */
  leaveWork(run: number, isDone: boolean): void {
    const isTaken = this.work.get(run) === 'taken';
    this.work.set(run, 'done');
    if (isDone && isTaken) this.raiseFact(`work:${run}`, 1);
  }

  private isAtAgent(run: Run): boolean {
    const work = this.work.get(run.id);
    return work === 'taken' || work === 'revoked';
  }

  /** Rings that were decided and not made, or not heard. */
  ringAgain(): Job[] {
    this.write('ringAgain');
    return this.live().flatMap((run) =>
      this.step(run, { kind: 'ring', now: this.now, olderThanMs: this.rules.ringAgainMs }) ? [{ run: run.id, fence: run.life.fence }] : [],
    );
  }

  propagate(limit = 100): void {
    this.write('propagate');
    const work = [...this.waves.entries()]
      .sort(([a, one], [b, other]) => this.row(one.noderole).cohort - this.row(other.noderole).cohort || a - b)
      .slice(0, limit);
    for (const [, wave] of work) {
      this.waves.splice(this.waves.indexOf(wave), 1);
      const root = this.row(wave.root);
      const carrier = this.row(wave.noderole);
      if (root.state !== 'ERROR' || root.errorEpoch !== wave.epoch || (carrier.state !== 'ERROR' && carrier.state !== 'BLOCKED')) continue;
      for (const child of this.children.get(wave.noderole) ?? []) {
        const row = this.row(child);
        if (row.p <= row.slack || (row.state !== 'ACTIVE' && row.state !== 'BLOCKED')) continue;
        if (row.state === 'ACTIVE' && this.shape(row).stay) continue;
        if (row.state === 'ACTIVE') this.tell(child, this.own(child, { kind: 'error-wave' }) ?? 0);
        this.addWave(child, wave.root, wave.epoch);
      }
    }
  }

  /** What a run of it would be given now. */
  inputsOf(row: NodeRole): string {
    // A barrier says who its members are, not what they left: prisma/functions/25_start.sql gives it no walls.
    const walls = row.barrier ? [] : (this.parents.get(row.id) ?? []).map((parent) => this.row(parent).wall);
    return `${row.data}:${walls.join(',')}`;
  }

  /** Counters by their definition. */
  truth(row: NodeRole): number {
    return (this.parents.get(row.id) ?? []).filter((parent) => this.row(parent).committed && this.row(parent).state !== 'ACTIVE').length;
  }

  /** BLOCKED, and nothing will release it by itself: above it stands an ERROR, or a parent that was taken back. */
  private isBlockedForGood(row: NodeRole): boolean {
    if (row.state !== 'BLOCKED') return false;
    const seen = new Set<number>();
    const open = [row.id];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const id of this.parents.get(at) ?? []) {
        const parent = this.row(id);
        if (seen.has(id) || !parent.committed || parent.state === 'ACTIVE') continue;
        if (parent.state === 'ERROR' || parent.state === 'PROPOSED') return true;
        seen.add(id);
        if (parent.state === 'BLOCKED') open.push(id);
      }
    }
    return false;
  }

  private slackOf(barrier: number): number {
    const { quorum } = this.row(barrier);
    const members = (this.parents.get(barrier) ?? []).filter((parent) => this.row(parent).committed).length;
    return quorum === null ? 0 : Math.max(0, members - quorum);
  }

  private insertRun(row: NodeRole): Run {
    const node = this.nodes.get(row.node);
    const key = node?.kind === 'machine' ? String(row.node) : `${row.node}:${row.role}`;
    const run: Run = {
      id: this.runs.size + 1,
      noderole: row.id,
      node: row.node,
      key,
      attempt: row.failures + 1,
      life: newRun(this.now),
      gen: null,
      hash: null,
      epoch: 0,
      wait: null,
    };
    this.runs.set(run.id, run);
    this.alive.add(run);
    return run;
  }

  private settled(run: Run, outcome: Outcome, word: string, changed: number[]): number {
    const row = this.row(run.noderole);
    const failed = word === 'failed' || word === 'retryable';
    if (word === 'retryable') row.notBefore = this.now + this.shape(row).backoffMs * 2 ** Math.min(10, row.failures);
    if (failed) row.failures++;
    if (failed || outcome.kind === 'lost') row.okHash = null;
    if (outcome.kind === 'done' || outcome.kind === 'skip') Object.assign(row, { failures: 0, okHash: run.hash, okEpoch: run.epoch });
    if (outcome.kind === 'done' && outcome.wall !== row.wall) {
      row.wall = outcome.wall;
      changed.push(row.id);
    }
    if (outcome.kind === 'supersede') return this.own(row.id, { kind: 'supersede' }) ?? 0;
    if (outcome.kind === 'lost') return this.own(row.id, { kind: 'release' }) ?? 0;
    if (!failed) return this.own(row.id, { kind: 'succeed' }) ?? 0;
    return this.own(row.id, { kind: word === 'retryable' ? 'fail-retryable' : 'fail-final' }) ?? 0;
  }

  /** One event with all that follows from it. */
  private move(id: number, event: NodeRoleEvent): boolean {
    const delta = this.own(id, event);
    if (delta === null) return false;
    if (this.row(id).state === 'BLOCKED') this.joinWaves(id);
    this.tell(id, delta);
    return true;
  }

  /** The noderole's own part of an event: what its children have to be told, or null when the table refuses. */
  private own(id: number, event: NodeRoleEvent): number | null {
    const row = this.row(id);
    const run = row.run === null ? null : this.run(row.run);
    const stopping = this.live().some((live) => live.noderole === id && live.life.status === 'STOPPING');
    const view = { state: row.state, pendingParents: row.p, slack: row.slack, barrier: row.barrier, wantGen: row.want, runGen: run?.gen ?? null };
    const move = this.rules.next({ ...view, destructive: this.shape(row).destructive, stopping }, event);
    if (isRefusal(move)) return null;
    const from = row.state;
    Object.assign(row, { state: move.to, p: move.pendingParents, slack: move.slack, want: move.wantGen });
    if (move.run !== 'keep' && run !== null) {
      this.step(run, { kind: 'stop', outcome: 'cancelled' });
      row.okHash = null;
    }
    if (event.kind === 'retry' || event.kind === 'repropose') Object.assign(row, { failures: 0, notBefore: null });
    if (move.to !== 'TRANSITION') row.run = null;
    if (move.to === 'ERROR' && from !== 'ERROR') {
      row.errorEpoch++;
      this.addWave(id, id, row.errorEpoch);
    }
    if (from !== move.to) this.onMove(row, from);
    return move.childrenDelta;
  }

  private tell(id: number, delta: number): void {
    if (delta === 0) return;
    for (const child of this.children.get(id) ?? [])
      this.tell(child, this.own(child, { kind: delta < 0 ? 'parent-entered-active' : 'parent-left-active' }) ?? 0);
  }

  private addWave(noderole: number, root: number, epoch: number): void {
    if ((this.children.get(noderole) ?? []).length === 0) return;
    if (noderole !== root && this.waves.some((wave) => wave.noderole === noderole && wave.root === root && wave.epoch === epoch)) return;
    this.waves.push({ noderole, root, epoch });
  }

  /** A noderole that became BLOCKED otherwise than by a wave takes on the waves of the errors above it. */
  private joinWaves(id: number): void {
    const seen = new Set<number>();
    const open = [id];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const parent of this.parents.get(at) ?? []) {
        const row = this.row(parent);
        if (seen.has(parent) || (row.state !== 'BLOCKED' && row.state !== 'ERROR')) continue;
        seen.add(parent);
        if (row.state === 'BLOCKED') open.push(parent);
        else this.addWave(id, parent, row.errorEpoch);
      }
    }
  }

  /** One event of a run's life; whether it changed anything. */
  private step(run: Run, event: RunEvent): boolean {
    const life = this.rules.nextRun(run.life, event);
    if (life === null) return false;
    const hadEnded = run.life.status === 'ENDED';
    run.life = life;
    if (life.status !== 'WAITING') run.wait = null;
    if (event.kind === 'stop' && this.work.get(run.id) === 'taken') this.work.set(run.id, 'revoked');
    if (life.status === 'ENDED') this.alive.delete(run);
    if (life.status === 'ENDED' && !hadEnded) this.onEnd(run);
    return true;
  }

  private write(op: string, ...args: unknown[]): void {
    this.log.push({ at: this.now, op, args });
  }
}
