/** Jobs whose data somebody changed while they waited in the queue: at most the run they are for, and no run is lost. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { annealPass } from '../../../src/annealer/anneal.js';
import { commitDeployment, createDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import type { Jig } from '../../../src/jigs/contract.js';
import { runJobId, runQueue, type Ring } from '../../../src/queue/jobs.js';
import { createJigs } from '../../../jigs/index.js';
import { addNodes, assertHistoryIsSound, createTestEngine, defineRoles, roleId, untilAll, type TestEngine } from '../../support/engine.js';
import { bothBackends, redisUrl } from '../../support/redis.js';

const MIB = 1024 * 1024;

/** What is written into the job of one run; `others` are the jobs of the rest. Text goes in as it is. */
type Edit = { what: string; data: (job: Ring, others: Ring[]) => unknown; onlyRedis?: true };
const EDITS: Edit[] = [
  { what: 'left as it is', data: ({ runId, dispatch, fence }) => ({ runId, dispatch, fence }) },
  { what: 'naming another run', data: (job, [other]) => ({ ...job, runId: other?.runId }) },
  { what: 'naming a run that does not exist', data: (job) => ({ ...job, runId: 4_000_000_000 }) },
  { what: 'naming a run past what a number holds', data: (job) => ({ ...job, runId: 1e300 }) },
  { what: 'with an old fence', data: (job) => ({ ...job, fence: 0 }) },
  { what: 'with a fence of the future', data: (job) => ({ ...job, fence: job.fence + 7 }) },
  { what: 'with a fence that is no number', data: (job) => ({ ...job, fence: "1'; DROP TABLE runs" }) },
  { what: 'without anything', data: () => ({}) },
  { what: 'that is no object', data: () => 'null' },
  { what: 'that is a list', data: () => '[[[]]]' },
  { what: 'of five megabytes', data: (job) => ({ ...job, runId: String(job.runId), pad: 'x'.repeat(5 * MIB) }) },
  { what: 'nested ten thousand deep', data: () => `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, onlyRedis: true },
  { what: 'that is not JSON', data: () => '{"runId": 1', onlyRedis: true },
  { what: 'that is no text', data: () => Buffer.from([0xff, 0xfe, 0x00, 0x80]), onlyRedis: true },
];

describe.each(bothBackends)('a job edited in the queue, on $name', ({ name: backend }) => {
  let engine: TestEngine;
  let redis: Redis | undefined;
  afterEach(async () => {
    redis?.disconnect();
    await engine.close();
  });

  async function write(job: Ring, data: unknown): Promise<void> {
    const queue = `${engine.context.config.queuePrefix}-${runQueue(job.jobClass)}`;
    const bytes = typeof data === 'string' || Buffer.isBuffer(data) ? data : JSON.stringify(data);
    if (redis) {
      const key = `{prybar}:${queue}:${runJobId(job)}`;
      expect(await redis.exists(key)).toBe(1);
      await redis.hset(key, 'data', bytes);
      return;
    }
    const { rowCount } = await engine.context.db.pool.query('UPDATE bullmq.job SET data = $3 WHERE queue = $1 AND id = $2', [queue, runJobId(job), bytes]);
    expect(rowCount).toBe(1);
  }

  it('starts at most the run it is for, and every run is rung again until it has run once', async () => {
    // One slot: a job that stops the worker stops everything.
    engine = await createTestEngine(backend, { PRYBAR_FAST_SLOTS: '1' });
    if (backend === 'redis') redis = new Redis(redisUrl());
    const { context } = engine;
    const edits = EDITS.filter((edit) => backend === 'redis' || edit.onlyRedis !== true);
    await defineRoles(context, { r: [] }, { r: { jig: 'counted' } });
    const nodes = await addNodes(context, edits.length);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    const role = await roleId(context, 'r');
    for (const nodeId of nodes) await bindRole(context.db, { roleId: role, nodeId, deploymentId: id, actor: 'test' });
    await commitDeployment(context.db, id, 'test');

    const rung: Ring[] = [];
    await context.db.pool.query(`INSERT INTO worker_slots (worker, job_class, slots, heartbeat_at) VALUES ('none', 'fast', 100, clock_timestamp())`);
    await annealPass(context.db.pool, async (rings) => {
      rung.push(...rings);
      await context.doorbell.ring(rings);
    });
    const runs = await context.db.prisma.run.findMany({ where: { roleId: role } });
    const jobs = rung.filter((job) => runs.some((run) => Number(run.id) === job.runId));
    expect(jobs).toHaveLength(edits.length);
    for (const [index, edit] of edits.entries()) {
      const job = jobs[index];
      if (job) await write(job, edit.data(job, jobs.slice(index + 1)));
    }

    const calls = new Map<number, number>();
    const counted: Jig = {
      name: 'counted',
      description: 'counts its calls',
      run: async (ctx) => {
        calls.set(ctx.run.id, (calls.get(ctx.run.id) ?? 0) + 1);
        return { kind: 'done' };
      },
    };
    await engine.startWorker(new Map([...createJigs(new Map()), [counted.name, counted]]));
    // As if the five seconds were over after which a ring counts as lost.
    await context.db.pool.query(`UPDATE runs SET rung_at = rung_at - interval '1 minute' WHERE status = 'QUEUED'`);
    await engine.startAnnealer();
    await untilAll(context, id, 'ACTIVE');
    expect([...calls.values()]).toEqual(edits.map(() => 1));
    expect(await context.db.prisma.run.groupBy({ by: ['outcome', 'attempt'], where: { roleId: role }, _count: true })).toEqual([
      { outcome: 'succeeded', attempt: 1, _count: edits.length },
    ]);
    await assertHistoryIsSound(context);
  });
});
