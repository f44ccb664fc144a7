/** What must hold after every step of a simulated history, and at its rest. */
import type { NodeRoleState } from '../../../src/noderoles/state.js';
import type { NodeRole, Run, World } from './world.js';

/** A turn of a jig in a worker, or work in the hands of a machine's agent. */
export type Acting = { run: number; key: string; by: string };

export class Properties {
  readonly violations: string[] = [];
  private readonly ends = new Map<number, number>();

  constructor(private readonly world: World) {
    world.onMove = (row, from) => this.moved(row, from);
    world.onEnd = (run) => this.ended(run);
  }

  broken(what: string): void {
    this.violations.push(`at ${this.world.now} ms: ${what}`);
  }

  /** `acting`: the turns that touch a machine at this moment. */
  check(acting: Acting[]): void {
    this.overlaps(acting);
    const { world } = this;
    const keys = new Map<string, Run>();
    const deciding = new Map<number, Run>();
    for (const run of world.live()) {
      if (run.life.holdsSlot) {
        const other = keys.get(run.key);
        if (other !== undefined) this.broken(`two live slots of ${run.key}: run ${other.id} (${other.life.status}) and run ${run.id} (${run.life.status})`);
        keys.set(run.key, run);
      }
      if (run.life.status !== 'STOPPING') {
        if (deciding.has(run.noderole)) this.broken(`two runs decide noderole ${run.noderole}`);
        deciding.set(run.noderole, run);
      }
      if ((run.life.status === 'WAITING') !== (run.wait !== null)) this.broken(`run ${run.id} is ${run.life.status}, wait: ${run.wait !== null}`);
    }
    for (const row of world.noderoles.values()) {
      if (row.p !== world.truth(row)) this.broken(`counter of noderole ${row.id}: ${row.p} is not ${world.truth(row)}`);
      if (row.state === 'TODO' && row.p > row.slack) this.broken(`noderole ${row.id} is TODO with ${row.p} pending parents`);
      const run = deciding.get(row.id);
      if ((row.state === 'TRANSITION') !== (run !== undefined) || (run?.id ?? null) !== row.run)
        this.broken(`noderole ${row.id} is ${row.state} with run ${row.run}, deciding is ${run?.id ?? 'none'}`);
    }
  }

  /** Everything is ACTIVE, over parents that are, and every run has ended once. */
  checkRest(): void {
    const { world } = this;
    for (const row of world.noderoles.values()) {
      if (row.state !== 'ACTIVE') this.broken(`at rest noderole ${row.id} is ${row.state}`);
      const inputs = world.inputsOf(row);
      if (!world.shape(row).destructive && row.okHash !== inputs)
        this.broken(`at rest noderole ${row.id} succeeded with ${row.okHash}, its inputs are ${inputs}`);
      for (const parent of world.parents.get(row.id) ?? [])
        if (world.row(parent).state !== 'ACTIVE') this.broken(`at rest noderole ${row.id} is ACTIVE below ${parent}`);
    }
    for (const run of world.runs.values()) if (this.ends.get(run.id) !== 1) this.broken(`run ${run.id} ended ${this.ends.get(run.id) ?? 0} times`);
  }

  unfinished(): string {
    const { world } = this;
    const rows = [...world.noderoles.values()].filter((row) => row.state !== 'ACTIVE').map((row) => `${row.id} ${row.state} p=${row.p}`);
    return `${rows.slice(0, 8).join(', ')}; live runs: ${
      world
        .live()
        .map((run) => `${run.id} ${run.life.status}`)
        .join(', ') || 'none'
    }; waves: ${world.waves.length}`;
  }

  /** The machine's own view (rule 1): at most one turn touches it. */
  private overlaps(acting: Acting[]): void {
    const first = new Map<string, Acting>();
    for (const turn of acting) {
      const other = first.get(turn.key);
      // A run that goes on reads what its agent is at; it does not touch the machine then.
      if (other !== undefined && other.run !== turn.run)
        this.broken(`double run on ${turn.key}: run ${other.run} by ${other.by} and run ${turn.run} by ${turn.by}`);
      first.set(turn.key, turn);
    }
  }

  private moved(row: NodeRole, from: NodeRoleState): void {
    if (row.state !== 'TRANSITION' && row.state !== 'ACTIVE') return;
    const { world } = this;
    const open = (world.parents.get(row.id) ?? []).filter((parent) => world.row(parent).committed && world.row(parent).state !== 'ACTIVE');
    if (open.length > row.slack)
      this.broken(`order: noderole ${row.id} went ${from} -> ${row.state} while its parent ${open[0]} was ${world.row(open[0] ?? 0).state}`);
  }

  private ended(run: Run): void {
    this.ends.set(run.id, (this.ends.get(run.id) ?? 0) + 1);
    if (this.ends.get(run.id) !== 1) this.broken(`run ${run.id} ended twice`);
  }
}
