/** Rings: puts jobs for runs and kicks for the annealer. Called after commit only, never inside a transaction. */
import type { QueueBackend, JobQueue } from './backend.js';
import { annealDeduplication, annealQueue, runJobId, runQueue, sweepQueue, sweepSchedulerId, type Ring } from './jobs.js';

/** The doorbell: losing a ring costs one sweep, never work. */
export class Doorbell {
  private readonly queues = new Map<string, JobQueue>();

  constructor(private readonly backend: QueueBackend) {}

  /** Puts one job per ring, grouped by class. */
  async ring(rings: Ring[]): Promise<void> {
    const byClass = groupByClass(rings);
    await Promise.all(
      [...byClass].map(([jobClass, group]) =>
        this.open(runQueue(jobClass)).addBulk(
          group.map(({ runId, dispatch, fence }) => ({ name: 'run', data: { runId, dispatch, fence }, opts: { jobId: runJobId({ runId, dispatch, fence }) } })),
        ),
      ),
    );
  }

  /** Asks for an anneal pass. A kick that comes during a pass causes one more (engine-rules 5). */
  async kick(): Promise<void> {
    await this.open(annealQueue).addBulk([{ name: 'anneal', data: {}, opts: { deduplication: annealDeduplication } }]);
  }

  /** Has the queue itself ask for a sweep every so often. Safe to repeat, and repeated: a flushed store forgets it. */
  async scheduleSweeps(everyMs: number): Promise<void> {
    await this.open(sweepQueue).schedule(sweepSchedulerId, everyMs, { name: 'sweep', data: {} });
  }

  async close(): Promise<void> {
    await Promise.all([...this.queues.values()].map((queue) => queue.close()));
  }

  private open(name: string): JobQueue {
    let queue = this.queues.get(name);
    if (!queue) this.queues.set(name, (queue = this.backend.queue(name)));
    return queue;
  }
}

function groupByClass(rings: Ring[]): Map<string, Ring[]> {
  const groups = new Map<string, Ring[]>();
  for (const ring of rings) {
    const group = groups.get(ring.jobClass);
    if (group) group.push(ring);
    else groups.set(ring.jobClass, [ring]);
  }
  return groups;
}
