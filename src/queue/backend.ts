/**
 * Which data store BullMQ runs on: Redis when a URL is given, PostgreSQL otherwise. The only file that knows BullMQ's
 * classes; the rest of Prybar sees `JobQueue` and `JobWorker`.
 */
import { createPostgresBackend, Queue as RedisQueue, withBackend, Worker as RedisWorker } from 'bullmq';
import type { Logger } from '../shared/logger.js';
import { bulkClient, ScriptedRedis } from './bulk-scripts.js';

export type QueueJob = { name: string; data: object; opts: { jobId?: string; deduplication?: { id: string; keepLastIfActive: boolean } } };

/** Where jobs are put. `schedule`: one job every so often from now on, however many processes ask for it. */
export type JobQueue = {
  addBulk(jobs: QueueJob[]): Promise<void>;
  schedule(id: string, everyMs: number, job: { name: string; data: object }): Promise<void>;
  close(): Promise<void>;
};

/** What takes them. `pause` stops taking and waits for what runs; `close` also lets go of the connections. */
export type JobWorker = { pause(): Promise<void>; close(force?: boolean): Promise<void>; readonly running: () => boolean };

export type WorkerTuning = { concurrency: number; lockMs: number };

export type QueueBackend = {
  kind: 'redis' | 'postgres';
  queue(name: string): JobQueue;
  worker(name: string, handler: (data: unknown) => Promise<void>, tuning: WorkerTuning): JobWorker;
  /** The queue as BullMQ knows it, to be looked at (`/queues`); whoever asks closes it. */
  inspect(name: string): InspectedQueue;
  /** Rejects when the store does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

/** BullMQ's queue, whatever it runs on. */
export type InspectedQueue = RedisQueue;

type AnyQueue = Pick<RedisQueue, 'add' | 'addBulk' | 'upsertJobScheduler' | 'close' | 'on'>;
type AnyWorker = Pick<RedisWorker, 'pause' | 'close' | 'on' | 'isRunning'>;

// Our tables are the history; a job that is kept would only swallow a later ring of the same id (engine-rules 5).
const forget = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;

// On Redis the worker says so: with each job it would be packed, stored, read and parsed again, twice a job.
const forgetAll = { removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } } as const;

// A job whose worker is gone is not given to another: BullMQ's lock and our lease are different clocks (engine-rules 4). The
// fence would refuse its start anyway; the sweep, which knows the lease, makes the next ring.
const neverTwice = { maxStalledCount: 0 } as const;

// Its addBulk makes two temporary tables each time, some 10 ms; a single job costs half a millisecond.
const BULK_FROM_ON_POSTGRES = 12;

/** Opens the back end. Connections are made by the queues and workers as they are asked for. */
export function openQueueBackend(options: { redisUrl: string | undefined; databaseUrl: string; prefix: string; log: Logger }): QueueBackend {
  const { log, prefix } = options;
  const full = (name: string) => `${prefix}-${name}`;
  const wrapQueue = (queue: AnyQueue, opts: Partial<typeof forget>, bulkFrom = 1): JobQueue => {
    queue.on('error', (err) => log.warn({ err }, 'queue error'));
    return {
      async addBulk(jobs) {
        const whole = jobs.map((job) => ({ ...job, opts: { ...opts, ...job.opts } }));
        if (whole.length >= bulkFrom) await queue.addBulk(whole);
        else await Promise.all(whole.map((job) => queue.add(job.name, job.data, job.opts)));
      },
      async schedule(id, everyMs, job) {
        await queue.upsertJobScheduler(id, { every: everyMs }, { ...job, opts });
      },
      close: () => queue.close(),
    };
  };
  const quiet = (queue: InspectedQueue): InspectedQueue => {
    queue.on('error', (err) => log.warn({ err }, 'queue error'));
    return queue;
  };
  const wrapWorker = (worker: AnyWorker): JobWorker => {
    worker.on('error', (err) => log.warn({ err }, 'queue worker error'));
    return { pause: () => worker.pause().then(() => undefined), close: (force) => worker.close(force), running: () => worker.isRunning() };
  };

  if (options.redisUrl !== undefined) {
    const redis = new ScriptedRedis(options.redisUrl, { maxRetriesPerRequest: null, enableReadyCheck: true });
    redis.on('error', (err) => log.warn({ err }, 'redis connection error'));
    const shared = { connection: bulkClient(redis), prefix: '{prybar}' };
    return {
      kind: 'redis',
      queue: (name) => wrapQueue(new RedisQueue(full(name), shared), {}),
      inspect: (name) => quiet(new RedisQueue(full(name), shared)),
      worker: (name, handler, tuning) =>
        wrapWorker(
          new RedisWorker(full(name), (job) => handler(job.data), {
            ...shared,
            concurrency: tuning.concurrency,
            lockDuration: tuning.lockMs,
            ...neverTwice,
            ...forgetAll,
            drainDelay: 1,
          }),
        ),
      ping: async () => void (await redis.ping()),
      close: async () => void (await redis.quit().catch(() => redis.disconnect())),
    };
  }

  const postgres = withBackend(createPostgresBackend);
  // A queue needs one connection to put jobs; a worker one per few jobs: above about ten, throughput falls (stack.md 4).
  const connection = (max: number) => ({ connectionString: options.databaseUrl, max });
  return {
    kind: 'postgres',
    queue: (name) => wrapQueue(new postgres.Queue(full(name), { connection: connection(2) }) as unknown as AnyQueue, forget, BULK_FROM_ON_POSTGRES),
    // The classes differ in the connection they take, not in what they answer.
    inspect: (name) => quiet(new postgres.Queue(full(name), { connection: connection(1) }) as unknown as InspectedQueue),
    worker: (name, handler, tuning) =>
      wrapWorker(
        new postgres.Worker(full(name), (job) => handler(job.data), {
          connection: connection(Math.min(4, tuning.concurrency)),
          concurrency: tuning.concurrency,
          lockDuration: tuning.lockMs,
          ...neverTwice,
        }) as unknown as AnyWorker,
      ),
    ping: async () => undefined,
    close: async () => undefined,
  };
}
