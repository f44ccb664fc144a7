/** How a worker ends on SIGTERM (engine-rules 22): its process closes what `startRunsWorker` started. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { commitDeployment, createDeployment } from '../../../src/deployments/verbs.js';
import type { Jig } from '../../../src/jigs/contract.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { createJigs } from '../../../jigs/index.js';
import { addNodes, assertHistoryIsSound, createTestEngine, defineRoles, roleId, untilAll, type TestEngine } from '../../support/engine.js';
import { bothBackends } from '../../support/redis.js';
import { waitFor } from '../../support/wait-for.js';

describe.each(bothBackends)('rule 22: a worker that is told to end, on $name', ({ name: backend }) => {
  let engine: TestEngine;
  afterEach(() => engine.close());

  it('takes nothing more, lets what is under way end within its grace, and stops the rest, which runs elsewhere', async () => {
    engine = await createTestEngine(backend, { PRYBAR_FAST_SLOTS: '2' });
    const { context } = engine;
    await defineRoles(context, { a: [] });
    const { id: deploymentId } = await createDeployment(context.db, { name: 'd', actor: 'test' });
    const nodes = await addNodes(context, 3);
    for (const nodeId of nodes) await bindRole(context.db, { roleId: await roleId(context, 'a'), nodeId, deploymentId, actor: 'test' });
    await commitDeployment(context.db, deploymentId, 'test');

    const begun: number[] = [];
    let finish = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const aborts: string[] = [];
    const jig: Jig = {
      name: 'test',
      description: 'the first ends when it is told to, the others only by their signal',
      async run({ node, signal }) {
        begun.push(node.id);
        if (begun[0] === node.id) await finished;
        else
          await new Promise<void>((_, reject) =>
            signal.addEventListener('abort', () => {
              aborts.push(String(signal.reason));
              reject(signal.reason as Error);
            }),
          );
        return { kind: 'done' };
      },
    };
    const worker = await engine.startWorker(new Map([...createJigs(new Map()), ['test', jig]]), { graceMs: 300 });
    const annealer = await engine.startAnnealer();
    await waitFor(() => begun.length === 2, { what: 'both slots to be taken' });
    await annealer.close();
    const closing = worker.close();
    finish();
    await closing;
    expect(begun).toHaveLength(2);
    expect(aborts).toEqual([expect.stringContaining('the worker is shutting down')]);
    const { rows } = await context.db.pool.query<{ node_id: number; outcome: string; state: string }>(
      `SELECT r.node_id, r.outcome, nr.state FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id WHERE r.started_at IS NOT NULL AND nr.deployment_id = $1 ORDER BY r.ended_at`,
      [deploymentId],
    );
    expect(rows.map((row) => [row.node_id, row.outcome])).toEqual([
      [begun[0], 'succeeded'],
      [begun[1], 'lease-lost'],
    ]);
    expect(rows[1]?.state).not.toBe('ERROR');

    const done: Jig = { ...jig, run: async () => ({ kind: 'done' }) };
    await engine.startWorker(new Map([...createJigs(new Map()), ['test', done]]));
    await engine.startAnnealer();
    await untilAll(context, deploymentId, 'ACTIVE');
    await assertHistoryIsSound(context);
  });
});
