import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { commitDeployment, createDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { addNodes, assertHistoryIsSound, createTestEngine, defineRoles, roleId, untilAll, type TestEngine } from '../../support/engine.js';
import { kill, startProcess } from '../../support/process.js';
import { bothBackends, redisUrl } from '../../support/redis.js';
import { waitFor } from '../../support/wait-for.js';

// Leases are short, so that what a dead worker held is given back within the test.
const SHORT = { PRYBAR_RUN_LEASE_SECONDS: '2', PRYBAR_SWEEP_MS: '200' };

async function deploy(engine: TestEngine, nodes: number): Promise<number> {
  const { context } = engine;
  await defineRoles(
    context,
    { base: [], middle: ['base'], top: ['middle'] },
    Object.fromEntries(['base', 'middle', 'top'].map((name) => [name, { flags: ['implicit'], template: { test: { delayMs: 150 } } }])),
  );
  const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
  const top = await roleId(context, 'top');
  for (const nodeId of await addNodes(context, nodes)) await bindRole(context.db, { roleId: top, nodeId, deploymentId: id, actor: 'test' });
  return id;
}

describe.each(bothBackends)('killed processes on $name', ({ name: backend }) => {
  let engine: TestEngine;
  let children: ChildProcess[];
  beforeEach(async () => {
    children = [];
    engine = await createTestEngine(backend, SHORT);
  });
  afterEach(async () => {
    for (const child of children) await kill(child);
    await engine.close();
  });
  const start = async (module: string) => {
    const child = await startProcess(module, engine.env);
    children.push(child);
    return child;
  };

  it('a worker killed in a jig and an annealer killed in a pass: everything still ends ACTIVE, no node ran two jigs at once', async () => {
    const { context } = engine;
    const id = await deploy(engine, 15);
    const worker = await start('workers/runs');
    const annealer = await start('workers/annealer');
    await commitDeployment(context.db, id, 'test');
    await waitFor(async () => (await context.db.prisma.run.count({ where: { status: 'RUNNING' } })) >= 3, { what: 'jigs to be running' });
    await kill(worker);
    await kill(annealer);
    const orphaned = await context.db.prisma.run.count({ where: { status: 'RUNNING' } });
    expect(orphaned).toBeGreaterThan(0);
    await start('workers/annealer');
    await start('workers/runs');
    await untilAll(context, id, 'ACTIVE', 60_000);
    await assertHistoryIsSound(context);
    expect(await context.db.prisma.run.count({ where: { outcome: 'lease_lost' } })).toBeGreaterThan(0);
  });
});

describe('Redis wiped in the middle of a deployment', () => {
  it('FLUSHALL loses nothing: the sweep rings again', async () => {
    const engine = await createTestEngine('redis', SHORT);
    try {
      const { context } = engine;
      const id = await deploy(engine, 15);
      await engine.startWorker();
      await engine.startAnnealer();
      await commitDeployment(context.db, id, 'test');
      const redis = new Redis(redisUrl());
      for (const share of [10, 25]) {
        await waitFor(async () => (await context.db.prisma.run.count({ where: { outcome: 'succeeded' } })) >= share, { what: `${share} runs to be done` });
        await redis.flushall();
      }
      await redis.quit();
      await untilAll(context, id, 'ACTIVE', 60_000);
      await assertHistoryIsSound(context);
    } finally {
      await engine.close();
    }
  });
});
