import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ensureTables } from '../../../src/bin/tables.js';
import { openQueueBackend, type JobWorker, type QueueBackend } from '../../../src/queue/backend.js';
import { annealQueue, runQueue } from '../../../src/queue/jobs.js';
import { Doorbell } from '../../../src/queue/produce.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { bothBackends, redisUrl } from '../../support/redis.js';
import { waitFor } from '../../support/wait-for.js';

const log = createLogger('test', 'silent');
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await ensureTables({ url: database.url, log, queueTables: true });
});
afterAll(() => database.drop());

describe.each(bothBackends)('the queue on $name', ({ name }) => {
  let backend: QueueBackend;
  let doorbell: Doorbell;
  const workers: JobWorker[] = [];
  beforeEach(() => {
    backend = openQueueBackend({
      redisUrl: name === 'redis' ? redisUrl() : undefined,
      databaseUrl: database.url,
      prefix: `t-${randomBytes(4).toString('hex')}`,
      log,
    });
    doorbell = new Doorbell(backend);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close(true)));
    await doorbell.close();
    await backend.close();
  });
  const take = (queue: string, handler: (data: unknown) => Promise<void>, concurrency = 1): JobWorker => {
    const worker = backend.worker(queue, handler, { concurrency, lockMs: 30_000 });
    workers.push(worker);
    return worker;
  };
  const settled = async (queue: string): Promise<boolean> => {
    const inspected = backend.inspect(queue);
    try {
      const counts = await inspected.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
      return Object.values(counts).every((count) => count === 0);
    } finally {
      await inspected.close();
    }
  };

  it('rule 5: one ring is one job however often it is put, and the next ring of the run is another', async () => {
    const ring = { runId: 7, dispatch: 1, fence: 3, jobClass: 'fast' };
    await doorbell.ring([ring, ring]);
    await doorbell.ring([ring]);
    await doorbell.ring([{ ...ring, dispatch: 2 }]);
    const seen: unknown[] = [];
    take(runQueue('fast'), async (data) => void seen.push(data));
    await waitFor(() => settled(runQueue('fast')), { what: 'the queue to be empty' });
    expect(seen).toEqual([
      { runId: 7, dispatch: 1, fence: 3 },
      { runId: 7, dispatch: 2, fence: 3 },
    ]);
  });

  it('rule 5: a finished or failed job leaves nothing that would swallow the same id later', async () => {
    let times = 0;
    take(runQueue('fast'), async () => {
      times += 1;
      if (times === 1) throw new Error('once');
    });
    const ring = { runId: 8, dispatch: 1, fence: 1, jobClass: 'fast' };
    for (const wanted of [1, 2, 3]) {
      await doorbell.ring([ring]);
      await waitFor(() => times === wanted, { what: `execution ${wanted}` });
      await waitFor(() => settled(runQueue('fast')), { what: 'the job to be gone' });
    }
  });

  it('rule 5: kicks that come during a pass cause exactly one more, kicks that wait are one', async () => {
    let passes = 0;
    let release: () => void = () => undefined;
    for (let i = 0; i < 5; i += 1) await doorbell.kick();
    take(annealQueue, async () => {
      passes += 1;
      if (passes === 1) await new Promise<void>((resolve) => (release = resolve));
    });
    await waitFor(() => passes === 1, { what: 'the first pass' });
    for (let i = 0; i < 5; i += 1) await doorbell.kick();
    release();
    await waitFor(() => passes === 2, { what: 'the pass for the kicks that came meanwhile' });
    await waitFor(() => settled(annealQueue), { what: 'the queue to be empty' });
    expect(passes).toBe(2);
    await doorbell.kick();
    await waitFor(() => passes === 3, { what: 'a kick after all that' });
  });

  it('rule 11: asks for sweeps by itself, once for all who scheduled them, and again after its store was emptied', async () => {
    const queue = backend.queue('sweep-test');
    const times: number[] = [];
    take('sweep-test', async () => void times.push(Date.now()));
    for (let i = 0; i < 3; i += 1) await queue.schedule('s', 300, { name: 'sweep', data: {} });
    await waitFor(() => times.length >= 3, { what: 'three sweeps' });
    const inspected = backend.inspect('sweep-test');
    expect(await inspected.getJobSchedulersCount()).toBe(1);
    await inspected.obliterate({ force: true });
    await inspected.removeJobScheduler('s');
    const before = times.length;
    await queue.schedule('s', 300, { name: 'sweep', data: {} });
    await waitFor(() => times.length >= before + 2, { what: 'sweeps after the schedule was made again' });
    await inspected.removeJobScheduler('s');
    await inspected.close();
    await queue.close();
  });

  it('closes gracefully: what runs ends, what waits stays', async () => {
    let ended = 0;
    let release: () => void = () => undefined;
    let begun = 0;
    const worker = take(runQueue('fast'), async () => {
      begun += 1;
      await new Promise<void>((resolve) => (release = resolve));
      ended += 1;
    });
    await doorbell.ring([1, 2].map((dispatch) => ({ runId: 9, dispatch, fence: 1, jobClass: 'fast' })));
    await waitFor(() => begun === 1, { what: 'the first job to run' });
    const closing = worker.close();
    release();
    await closing;
    workers.splice(0);
    expect(ended).toBe(1);
    const seen: unknown[] = [];
    take(runQueue('fast'), async (data) => void seen.push(data));
    await waitFor(() => settled(runQueue('fast')), { what: 'the rest to be taken by another' });
    expect(seen).toEqual([{ runId: 9, dispatch: 2, fence: 1 }]);
  });

  it('runs as many jobs at once as it is told, and no more', async () => {
    let now = 0;
    let most = 0;
    const all: (() => void)[] = [];
    take(
      runQueue('ssh'),
      async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise<void>((resolve) => all.push(resolve));
        now -= 1;
      },
      3,
    );
    await doorbell.ring(Array.from({ length: 6 }, (_unused, i) => ({ runId: 100 + i, dispatch: 1, fence: 1, jobClass: 'ssh' })));
    await waitFor(() => now === 3, { what: 'three jobs at once' });
    while (all.length > 0 || !(await settled(runQueue('ssh')))) {
      all.splice(0).forEach((resolve) => resolve());
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBe(3);
  });
});
