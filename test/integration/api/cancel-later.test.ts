/** A cancel that meets a step which cannot be broken off is accepted, not done: the status says so (engine-rules 17). */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { API, startApi, type ApiFixture } from './api-fixture.js';

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApi();
});
afterAll(() => fixture.close());

async function running(name: string, unabortable: string | null): Promise<{ nodeRoleId: number; runId: bigint }> {
  const { prisma } = fixture.db;
  const [role, system] = await Promise.all([
    prisma.role.findFirstOrThrow({ select: { id: true } }),
    prisma.deployment.findFirstOrThrow({ where: { system: true }, select: { id: true } }),
  ]);
  const node = await prisma.node.create({ data: { name: `${name}.test`, deploymentId: system.id } });
  const nodeRole = await prisma.nodeRole.create({ data: { roleId: role.id, nodeId: node.id, deploymentId: system.id, committed: true } });
  const run = await prisma.run.create({
    data: {
      nodeRoleId: nodeRole.id,
      nodeId: node.id,
      roleId: role.id,
      jig: 'noop',
      exclusiveKey: String(node.id),
      status: 'RUNNING',
      fence: 3,
      holdsSlot: true,
      unabortable,
    },
  });
  await prisma.nodeRole.update({ where: { id: nodeRole.id }, data: { state: 'TRANSITION', currentRunId: run.id } });
  return { nodeRoleId: nodeRole.id, runId: run.id };
}

it('answers 202 while the step goes on and changes nothing, once or twice; 200 where the run can be broken off', async () => {
  const { nodeRoleId, runId } = await running('writing', 'writing the partition table');
  for (let ask = 0; ask < 2; ask++) {
    const accepted = await fixture.as('operator').put(`${API}/node_roles/${nodeRoleId}/cancel`).expect(202);
    expect(accepted.body).toMatchObject({ id: nodeRoleId, state: 'TRANSITION' });
  }
  const run = await fixture.db.prisma.run.findUniqueOrThrow({ where: { id: runId } });
  expect(run).toMatchObject({ status: 'RUNNING', cancelBy: 'operator' });
  expect(run.cancelRequestedAt).not.toBeNull();

  const free = await running('reading', null);
  expect((await fixture.as('operator').put(`${API}/node_roles/${free.nodeRoleId}/cancel`).expect(200)).body.state).toBe('ERROR');
});
