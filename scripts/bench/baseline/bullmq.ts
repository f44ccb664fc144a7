/**
 * The baseline of the PostgreSQL back end: BullMQ's own no-op jobs per second on it, at the concurrency where it is
 * fastest (10), all jobs added in bulk before, nothing kept, as we keep nothing. argv: number of jobs, concurrency.
 */
import { createPostgresBackend, withBackend } from 'bullmq';

const connectionString = process.env['DATABASE_URL'] ?? '';
const count = Number(process.argv[2]);
const concurrency = Number(process.argv[3] ?? 10);
const CHUNK = 500;

const postgres = withBackend(createPostgresBackend);
const queue = new postgres.Queue('bench-noop', { connection: { connectionString, max: 2 } });
for (let at = 0; at < count; at += CHUNK)
  await queue.addBulk(
    Array.from({ length: Math.min(CHUNK, count - at) }, (_, index) => ({
      name: 'run',
      data: { runId: at + index + 1, dispatch: 1, fence: 1 },
      opts: { jobId: `r-${at + index + 1}-1`, removeOnComplete: true, removeOnFail: true, attempts: 1 },
    })),
  );

let done = 0;
let startedAt = 0;
let finish: (() => void) | undefined;
const finished = new Promise<void>((resolve) => (finish = resolve));
const worker = new postgres.Worker(
  'bench-noop',
  async () => {
    if (done === 0) startedAt = performance.now();
    if (++done === count) finish?.();
  },
  { connection: { connectionString, max: Math.min(10, concurrency) }, concurrency, lockDuration: 60_000, maxStalledCount: 0 },
);
process.send?.({ kind: 'running' });
await finished;
process.send?.({ kind: 'result', perSecond: count / ((performance.now() - startedAt) / 1000), cpuSeconds: 0 });
await worker.close();
await queue.close();
process.disconnect();
