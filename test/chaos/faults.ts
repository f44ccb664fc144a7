/** Does what the schedule says. Each fault is started and not waited for: they overlap, as they do in life. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../support/random.js';
import type { Fault, Store } from './schedule.js';
import type { World } from './world.js';

export class Faults {
  private readonly underWay = new Set<Promise<void>>();
  private restarting: Promise<void> = Promise.resolve();
  readonly done = new Map<string, number>();

  constructor(
    private readonly world: World,
    private readonly random: Random,
  ) {}

  begin(fault: Fault): void {
    const name = fault.kind === 'restart-postgres' ? `${fault.kind} (${fault.how})` : fault.kind;
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    const work = this.perform(fault).catch((error: unknown) => {
      process.stderr.write(`  fault ${name} could not be done: ${error instanceof Error ? error.message : String(error)}\n`);
    });
    this.underWay.add(work);
    void work.finally(() => this.underWay.delete(work));
  }

  /** Resolves when every fault is over and the proxies let everything through. */
  async calm(): Promise<void> {
    await Promise.all(this.underWay);
    for (const store of ['postgres', 'redis'] as const) {
      this.proxy(store)?.slow(0);
      this.proxy(store)?.silence(false);
    }
  }

  private proxy(store: Store) {
    return store === 'redis' ? this.world.redis?.proxy : this.world.postgres.proxy;
  }

  private async perform(fault: Fault): Promise<void> {
    const { world } = this;
    switch (fault.kind) {
      case 'kill':
        world.processes.get(fault.process)?.kill(fault.downMs);
        return;
      case 'freeze':
        await world.processes.get(fault.process)?.freeze(fault.forMs);
        return;
      case 'flush-redis':
        await world.redis?.flush();
        return;
      case 'kill-redis':
        return this.oneAtATime(async () => world.redis?.restart(fault.downMs));
      case 'restart-postgres':
        return this.oneAtATime(() => world.postgres.restart(fault.how));
      case 'terminate':
        await world.db.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'chaos-harness' AND pid <> pg_backend_pid() AND pid % 100 < $1`,
          [fault.percent],
        );
        return;
      case 'cut':
        this.proxy(fault.store)?.cut();
        return;
      case 'slow':
        this.proxy(fault.store)?.slow(fault.delayMs);
        await sleep(fault.forMs);
        this.proxy(fault.store)?.slow(0);
        return;
      case 'silence':
        this.proxy(fault.store)?.silence(true);
        await sleep(fault.forMs);
        this.proxy(fault.store)?.silence(false);
        return;
      case 'reboot':
        world.machines.reboot(fault.machines, this.random);
        return;
      case 'unplug':
        world.machines.unplug(fault.machines, fault.forMs, this.random);
    }
  }

  private oneAtATime(work: () => Promise<unknown>): Promise<void> {
    this.restarting = this.restarting.catch(() => undefined).then(async () => void (await work()));
    return this.restarting;
  }
}
