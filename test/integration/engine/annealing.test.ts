import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { commitDeployment, createDeployment } from '../../../src/deployments/verbs.js';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { cancelNodeRole, retryNodeRole, setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { addNodes, assertHistoryIsSound, createTestEngine, defineRoles, roleId, statesOf, untilAll, type TestEngine } from '../../support/engine.js';
import { bothBackends } from '../../support/redis.js';
import { waitFor } from '../../support/wait-for.js';

describe.each(bothBackends)('annealing on $name', ({ name: backend }) => {
  let engine: TestEngine;
  beforeEach(async () => {
    engine = await createTestEngine(backend);
  });
  afterEach(() => engine.close());

  const bind = async (role: string, nodeId: number, deploymentId: number, data?: Record<string, never>) =>
    (await bindRole(engine.context.db, { roleId: await roleId(engine.context, role), nodeId, deploymentId, data, actor: 'test' })).nodeRoleId;
  const state = async (id: number) => (await engine.context.db.prisma.nodeRole.findUniqueOrThrow({ where: { id } })).state;

  it('takes a graph across nodes to all ACTIVE, in the order of its edges', async () => {
    const { context } = engine;
    await defineRoles(context, { base: [], controller: ['base'], worker: ['base', 'controller'], check: ['worker'] }, { base: { flags: ['implicit'] } });
    const nodes = await addNodes(context, 6);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    await bind('controller', nodes[0], id);
    for (const node of nodes.slice(1)) {
      await bind('worker', node, id);
      await bind('check', node, id);
    }
    expect(await statesOf(context, id)).toEqual({ PROPOSED: 2 + 5 * 3 });
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await context.doorbell.kick();
    await untilAll(context, id, 'ACTIVE');
    await assertHistoryIsSound(context);
    const { rows } = await context.db.pool.query(
      `SELECT count(*)::int AS wrong FROM node_role_edges e JOIN runs p ON p.node_role_id = e.parent_id JOIN runs c ON c.node_role_id = e.child_id WHERE c.started_at < p.ended_at`,
    );
    expect(rows[0].wrong).toBe(0);
  });

  it('blocks what is below an ERROR, says why, and goes on after a retry', async () => {
    const { context } = engine;
    await defineRoles(context, { first: [], second: ['first'], third: ['second'] }, { first: { template: { test: { fail: 'disk on fire' } } } });
    const [node] = await addNodes(context, 1);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    const third = await bind('third', node, id);
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await waitFor(async () => (await statesOf(context, id)).ERROR === 1, { what: 'the first to fail' });
    expect(await statesOf(context, id)).toEqual({ ERROR: 1, BLOCKED: 2 });
    const answer = await explainNodeRole(context.db, third);
    expect(answer.answer).toContain('first@n1 is in ERROR: disk on fire');
    const first = await context.db.prisma.nodeRole.findFirstOrThrow({ where: { state: 'ERROR' } });
    await context.db.pool.query(`UPDATE roles SET template = '{}' WHERE name = 'first'`);
    await retryNodeRole(context.db, first.id, 'test');
    await untilAll(context, id, 'ACTIVE');
    await assertHistoryIsSound(context);
  });

  it('tries a retryable failure again and counts its attempts', async () => {
    const { context } = engine;
    await defineRoles(context, { flaky: [] }, { flaky: { template: { test: { failTimes: 2 } }, max_attempts: 5 } });
    const [node] = await addNodes(context, 1);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    const flaky = await bind('flaky', node, id);
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await untilAll(context, id, 'ACTIVE');
    const runs = await context.db.prisma.run.findMany({ where: { nodeRoleId: flaky }, orderBy: { id: 'asc' } });
    expect(runs.map((run) => [run.attempt, run.outcome])).toEqual([
      [1, 'retryable'],
      [2, 'retryable'],
      [3, 'succeeded'],
    ]);
    await assertHistoryIsSound(context);
  });

  it('waits without a worker, and wakes at the deadline of a timer', async () => {
    const { context } = engine;
    await defineRoles(context, { slow: [] }, { slow: { template: { test: { waitSeconds: 0.3, wall: { waited: true } } } } });
    const nodes = await addNodes(context, 30);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    for (const node of nodes) await bind('slow', node, id);
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await untilAll(context, id, 'ACTIVE');
    const one = await context.db.prisma.nodeRole.findFirstOrThrow({ where: { deploymentId: id } });
    expect(one.wall).toEqual({ waited: true });
    await assertHistoryIsSound(context);
  });

  it('cancels a running jig, keeps the node until the stop is proven, and lets a retry go on', async () => {
    const { context } = engine;
    await defineRoles(context, { stuck: [] }, { stuck: { template: { test: { hang: true } } } });
    const [node] = await addNodes(context, 1);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    const stuck = await bind('stuck', node, id);
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await waitFor(() => context.db.prisma.run.findFirst({ where: { nodeRoleId: stuck, status: 'RUNNING' } }), { what: 'the jig to hang' });
    await cancelNodeRole(context.db, stuck, 'test');
    expect(await state(stuck)).toBe('ERROR');
    await expect(retryNodeRole(context.db, stuck, 'test')).rejects.toThrow('still being stopped');
    await context.db.pool.query(`UPDATE roles SET template = '{}' WHERE name = 'stuck'`);
    await waitFor(() => context.db.prisma.run.findFirst({ where: { nodeRoleId: stuck, status: 'ENDED', outcome: 'cancelled' } }), {
      what: 'the stop to be proven',
      timeoutMs: 40_000,
    });
    await retryNodeRole(context.db, stuck, 'test');
    await untilAll(context, id, 'ACTIVE');
    await assertHistoryIsSound(context);
  });

  it('reruns an ACTIVE noderole whose committed data changed, and skips one whose inputs did not', async () => {
    const { context } = engine;
    await defineRoles(context, { base: [], top: ['base'] });
    const [node] = await addNodes(context, 1);
    const { id } = await createDeployment(context.db, { name: 'demo', actor: 'test' });
    const top = await bind('top', node, id);
    await engine.startWorker();
    await engine.startAnnealer();
    await commitDeployment(context.db, id, 'test');
    await untilAll(context, id, 'ACTIVE');
    const base = await context.db.prisma.nodeRole.findFirstOrThrow({ where: { deploymentId: id, id: { not: top } } });
    await setNodeRoleData(context.db, base.id, { colour: 'blue' }, 'test');
    await commitDeployment(context.db, id, 'test');
    expect(await state(top)).toBe('ACTIVE');
    await waitFor(async () => (await context.db.prisma.run.count({ where: { nodeRoleId: base.id, outcome: 'succeeded' } })) === 2, {
      what: 'the second run of base',
    });
    await untilAll(context, id, 'ACTIVE');
    expect(await context.db.prisma.run.count({ where: { nodeRoleId: top } })).toBe(1);
    await assertHistoryIsSound(context);
  });
});
