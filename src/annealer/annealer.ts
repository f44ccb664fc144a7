/** The annealer of a process: passes on demand, one at a time, and a sweep from its own timer, whatever becomes of the queue. */
import type { Doorbell } from '../queue/produce.js';
import type { Logger } from '../shared/logger.js';
import { annealPass } from './anneal.js';
import { Sweeper, type SweepDeps } from './sweep.js';

export class Annealer {
  private timer: NodeJS.Timeout | undefined;
  private pass: Promise<void> | undefined;
  private again = false;
  private sweeping: Promise<void> | undefined;
  private readonly sweeper: Sweeper;
  private readonly log: Logger;

  constructor(private readonly deps: SweepDeps & { doorbell: Doorbell; sweepMs: number }) {
    this.sweeper = new Sweeper(deps);
    this.log = deps.log;
  }

  start(): void {
    this.timer = setInterval(() => void this.sweep(), this.deps.sweepMs);
  }

  /** Sweeps, then runs a pass; one asked for during a sweep is that sweep. */
  sweep(): Promise<void> {
    this.sweeping ??= this.sweepAndAnneal().finally(() => (this.sweeping = undefined));
    return this.sweeping;
  }

  /** Runs a pass; one asked for during a pass makes that pass run once more. Resolves when nothing more is asked for. */
  anneal(): Promise<void> {
    this.again = true;
    this.pass ??= this.drain();
    return this.pass;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
    await this.pass;
  }

  private async sweepAndAnneal(): Promise<void> {
    await this.sweeper.sweep();
    await this.anneal();
  }

  private async drain(): Promise<void> {
    while (this.again) {
      this.again = false;
      try {
        await annealPass(this.deps.db.pool, (rings) => this.deps.doorbell.ring(rings));
      } catch (err) {
        // The next sweep is a second away and will find the same work.
        this.log.warn({ err }, 'anneal pass failed');
      }
    }
    // In the turn that found nothing more asked for: a kick that comes between could be given to a pass that is over.
    this.pass = undefined;
  }
}
