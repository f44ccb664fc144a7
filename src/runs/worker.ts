/** What executes runs in a process: one queue worker per class of jobs, one executor for all, and the heartbeat of its slots. */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import type { Pool } from '../db/client.js';
import type { JigRegistry } from '../jigs/contract.js';
import type { QueueBackend } from '../queue/backend.js';
import { isClaimDue } from '../noderoles/claim.js';
import { runJob, runQueue, type JobClass } from '../queue/jobs.js';
import type { Doorbell } from '../queue/produce.js';
import type { Logger } from '../shared/logger.js';
import { Executor } from './execute.js';
import { SlotHeartbeat } from './slots.js';

/** How many jobs of each class one process runs at once; agent work and installs wait without a slot, so few suffice. BMCs are slow, and each is another. */
const slotsOf = (fast: number): [JobClass, number][] => [
  ['fast', fast],
  ['ssh', 20],
  ['power', 32],
  ['image', 2],
];

/** The queue's lock is not our lease: it only must not expire while a jig runs (engine-rules 4). */
const LOCK_MS = 60_000;
/** What a settle claims in its own commit; more is left to the annealer. */
const CLAIM_PER_SETTLE = 500;
const GRACE_MS = 5_000;

/** On PostgreSQL a batch of rings costs some 15 ms however few they are (two temporary tables): more of them at once. Milliseconds. */
const GATHER_MS = { redis: 0, postgres: 40 } as const;

/** A pass takes what was left behind by all settles of this long. */
const KICK_EVERY_MS = 20;

export type RunsWorkerOptions = {
  pool: Pool;
  backend: QueueBackend;
  doorbell: Doorbell;
  jigs: JigRegistry;
  leaseSeconds: number;
  /** Characters of log that one turn of a run may write. */
  logLimit?: number;
  fastSlots: number;
  /** How long a close waits for the jigs under way before it aborts them. Milliseconds, default 5 000. */
  graceMs?: number;
  log: Logger;
};

/**
 * Asks the annealer for a pass where one is worth its cost; now, and once more after the pause when it was asked to
 * meanwhile: many settles are one kick.
 */
function roomTeller(pool: Pool, doorbell: Doorbell, log: Logger): (jobClasses: string[]) => void {
  const pending = new Set<string>();
  let pausing = false;
  const tell = async (jobClasses: string[]) => {
    if (await isClaimDue(pool, jobClasses)) await doorbell.kick();
  };
  const go = () => {
    const jobClasses = [...pending];
    pending.clear();
    pausing = true;
    tell(jobClasses).catch((err: unknown) => log.warn({ err }, 'kick lost'));
    setTimeout(() => {
      pausing = false;
      if (pending.size > 0) go();
    }, KICK_EVERY_MS).unref();
  };
  return (jobClasses) => {
    for (const jobClass of jobClasses) pending.add(jobClass);
    if (!pausing) go();
  };
}

/** Starts taking runs. `close` stops taking, waits for what is under way, then aborts it. */
export async function startRunsWorker(options: RunsWorkerOptions): Promise<{ name: string; close(): Promise<void> }> {
  const { pool, backend, doorbell, jigs, leaseSeconds, fastSlots, log } = options;
  const name = `${os.hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  const executor = new Executor({
    pool,
    jigs,
    worker: name,
    leaseSeconds,
    ...(options.logLimit === undefined ? {} : { logLimit: options.logLimit }),
    ring: (rings) => doorbell.ring(rings),
    onRoom: roomTeller(pool, doorbell, log),
    kick: () => doorbell.kick(),
    claimPerSettle: CLAIM_PER_SETTLE,
    gatherMs: GATHER_MS[backend.kind],
    log,
  });
  const classes = slotsOf(fastSlots);
  const take = async (data: unknown, jobClass: JobClass): Promise<void> => {
    const job = runJob.safeParse(data);
    if (job.success) return executor.handle(job.data, jobClass);
    // Somebody changed it in the queue: the run it was for is rung again.
    log.warn({ jobClass, problem: `${job.error.issues[0]?.path.join('.')}: ${job.error.issues[0]?.message}` }, 'job dropped: its data is not that of a run');
  };
  const workers = classes.map(([jobClass, slots]) =>
    backend.worker(runQueue(jobClass), (data) => take(data, jobClass), { concurrency: slots, lockMs: LOCK_MS }),
  );
  const beats = classes.map(([jobClass, slots]) => new SlotHeartbeat(pool, { worker: `${name}:${jobClass}`, jobClass, slots }, log));
  for (const beat of beats) await beat.start();
  await doorbell.kick();
  return {
    name,
    async close() {
      const overdue = setTimeout(() => executor.leases.abortAll('the worker is shutting down'), options.graceMs ?? GRACE_MS);
      // At once: while the slots are signed off, a job that ends must not be followed by another.
      await Promise.all([...workers.map((worker) => worker.close()), ...beats.map((beat) => beat.close())]);
      await executor.idle();
      clearTimeout(overdue);
      executor.leases.stop();
    },
  };
}
