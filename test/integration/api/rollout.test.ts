import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bindRole } from '../../../src/noderoles/bind.js';
import { API, defineRoles, startApi, type ApiFixture } from './api-fixture.js';

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApi();
  await defineRoles(fixture.db, { web: [] });
  await fixture.as('operator').post(`${API}/deployments`).send({ name: 'shop' }).expect(201);
  for (const name of ['n1', 'n2', 'n3']) await fixture.as('operator').post(`${API}/nodes`).send({ name }).expect(201);
  const { id: roleId } = await fixture.db.prisma.role.findUniqueOrThrow({ where: { name: 'web' } });
  const { id: deploymentId } = await fixture.db.prisma.deployment.findUniqueOrThrow({ where: { name: 'shop' } });
  for (const { id: nodeId } of await fixture.db.prisma.node.findMany({ where: { kind: 'machine' } }))
    await bindRole(fixture.db, { roleId, nodeId, deploymentId, actor: 'test' });
});
afterAll(() => fixture.close());

const path = `${API}/deployments/shop/rollout`;

describe('rollouts over the API', () => {
  it('takes a policy, begins a rollout at the commit, and shows how far it is', async () => {
    expect((await fixture.as('viewer').get(path).expect(200)).body).toMatchObject({ policy: null, rollout: null });
    const put = await fixture
      .as('operator')
      .put(path)
      .send({ canaries: ['n2'], in_flight: '50%', per: 'hint.rack' })
      .expect(200);
    expect(put.body.policy).toEqual({ canaries: [{ id: expect.any(Number), name: 'n2' }], in_flight: '50%', per: 'hint.rack', pause_above: 10, min_sample: 5 });
    await fixture.as('operator').put(`${API}/deployments/shop/commit`).expect(200);
    const { body } = await fixture.as('viewer').get(path).expect(200);
    expect(body.rollout).toMatchObject({
      revision: 1,
      status: 'running',
      phase: 'canary',
      progress: { nodes: 3, done: 0, in_flight: 0, failed: 0, waiting: 3, canaries: 1, canaries_done: 0 },
      groups: [{ key: 'rack (none)', nodes: 3, in_flight: 0, max_in_flight: 1 }],
    });
  });

  it('pauses, resumes, aborts and is removed; what is impossible is 409', async () => {
    const turn = async (verb: string, status: number) => (await fixture.as('operator').put(`${path}/${verb}`).expect(status)).body;
    expect((await turn('pause', 200)).rollout).toMatchObject({ status: 'paused', reason: 'by operator' });
    expect((await turn('resume', 200)).rollout).toMatchObject({ status: 'running', reason: null });
    expect((await turn('abort', 200)).rollout).toMatchObject({ status: 'aborted' });
    expect(await turn('resume', 409)).toMatchObject({ code: 'rollout-status' });
    await fixture.as('operator').delete(path).expect(204);
    expect((await fixture.as('viewer').get(path).expect(200)).body).toMatchObject({ policy: null, rollout: { status: 'removed' } });
    expect(await turn('pause', 409)).toMatchObject({ code: 'no-rollout' });
    const { rows } = await fixture.db.pool.query<{ why: string }>(`SELECT data->>'why' AS why FROM outbox_events WHERE kind = 'rollout-changed' ORDER BY id`);
    expect(rows.map((row) => row.why)).toEqual([
      'begun',
      'rollout.pause by operator',
      'rollout.resume by operator',
      'rollout.abort by operator',
      'rollout.remove by operator',
    ]);
  });

  it.each([
    [{ in_flight: 0 }, 'in_flight'],
    [{ in_flight: '0%' }, 'in_flight'],
    [{ in_flight: '120%' }, 'in_flight'],
    [{}, 'in_flight'],
    [{ in_flight: 1, per: 'nodes; drop' }, 'per'],
    [{ in_flight: 1, canaries: ['nobody'] }, 'canaries.0'],
    [{ in_flight: 1, canarys: 1 }, 'canarys'],
    [{ in_flight: 1, pause_above: 101 }, 'pause_above'],
  ])('refuses %j and names the field', async (body, field) => {
    const answer = await fixture.as('operator').put(path).send(body).expect(400);
    expect(JSON.stringify(answer.body)).toContain(field);
  });

  it('lets a viewer look and nothing else', async () => {
    await fixture.as('viewer').put(path).send({ in_flight: 1 }).expect(403);
    await fixture.as('viewer').put(`${path}/pause`).expect(403);
  });
});
