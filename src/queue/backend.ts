/**
 * Which data store BullMQ runs on: Redis when a URL is given, PostgreSQL otherwise. The only file that knows BullMQ's
 * classes; the rest of Prybar sees `JobQueue` and `JobWorker`.
 */
import { createPostgresBackend, Queue as RedisQueue, withBackend, Worker as RedisWorker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from '../shared/logger.js';

export type QueueJob = { name: string; data: object; opts: { jobId?: string; deduplication?: { id: string; keepLastIfActive: boolean } } };

/** Where jobs are put. */
export type JobQueue = { addBulk(jobs: QueueJob[]): Promise<void>; close(): Promise<void> };

/** What takes them. `pause` stops taking and waits for what runs; `close` also lets go of the connections. */
export type JobWorker = { pause(): Promise<void>; close(force?: boolean): Promise<void>; readonly running: () => boolean };

export type WorkerTuning = { concurrency: number; lockMs: number };

export type QueueBackend = {
  kind: 'redis' | 'postgres';
  queue(name: string): JobQueue;
  worker(name: string, handler: (data: unknown) => Promise<void>, tuning: WorkerTuning): JobWorker;
  /** Rejects when the store does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

type AnyQueue = Pick<RedisQueue, 'addBulk' | 'close' | 'on'>;
type AnyWorker = Pick<RedisWorker, 'pause' | 'close' | 'on' | 'isRunning'>;

// Our tables are the history; a job that is kept would only swallow a later ring of the same id (engine-rules 5).
const forget = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;

/** Opens the back end. Connections are made by the queues and workers as they are asked for. */
export function openQueueBackend(options: { redisUrl: string | undefined; databaseUrl: string; prefix: string; log: Logger }): QueueBackend {
  const { log, prefix } = options;
  const full = (name: string) => `${prefix}-${name}`;
  const wrapQueue = (queue: AnyQueue): JobQueue => {
    queue.on('error', (err) => log.warn({ err }, 'queue error'));
    return {
      async addBulk(jobs) {
        await queue.addBulk(jobs.map((job) => ({ ...job, opts: { ...forget, ...job.opts } })));
      },
      close: () => queue.close(),
    };
  };
  const wrapWorker = (worker: AnyWorker): JobWorker => {
    worker.on('error', (err) => log.warn({ err }, 'queue worker error'));
    return { pause: () => worker.pause().then(() => undefined), close: (force) => worker.close(force), running: () => worker.isRunning() };
  };

  if (options.redisUrl !== undefined) {
    const redis = new Redis(options.redisUrl, { maxRetriesPerRequest: null, enableReadyCheck: true, enableAutoPipelining: true });
    redis.on('error', (err) => log.warn({ err }, 'redis connection error'));
    const shared = { connection: redis, prefix: '{prybar}' };
    return {
      kind: 'redis',
      queue: (name) => wrapQueue(new RedisQueue(full(name), shared)),
      worker: (name, handler, tuning) =>
        wrapWorker(
          new RedisWorker(full(name), (job) => handler(job.data), {
            ...shared,
            concurrency: tuning.concurrency,
            lockDuration: tuning.lockMs,
            maxStalledCount: 0,
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
    queue: (name) => wrapQueue(new postgres.Queue(full(name), { connection: connection(2) }) as unknown as AnyQueue),
    worker: (name, handler, tuning) =>
      wrapWorker(
        new postgres.Worker(full(name), (job) => handler(job.data), {
          connection: connection(Math.min(4, tuning.concurrency)),
          concurrency: tuning.concurrency,
          lockDuration: tuning.lockMs,
          maxStalledCount: 0,
        }) as unknown as AnyWorker,
      ),
    ping: async () => undefined,
    close: async () => undefined,
  };
}
