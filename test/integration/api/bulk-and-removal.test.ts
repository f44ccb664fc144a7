import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bindRole } from '../../../src/noderoles/bind.js';
import { finishDeletions } from '../../../src/nodes/remove.js';
import { API, defineRoles, startApi, type ApiFixture } from './api-fixture.js';

let fixture: ApiFixture;
let shop: number;
beforeAll(async () => {
  fixture = await startApi();
  await defineRoles(fixture.db, { web: [], extra: ['web'], alone: [] }, { web: { flags: ['milestone'] } });
  for (const name of ['shop', 'lab']) await fixture.as('operator').post(`${API}/deployments`).send({ name }).expect(201);
  for (const name of ['n1', 'n2', 'n3']) await fixture.as('operator').post(`${API}/nodes`).send({ name, deployment: 'shop' }).expect(201);
  shop = (await fixture.db.prisma.deployment.findUniqueOrThrow({ where: { name: 'shop' } })).id;
  for (const name of ['n1', 'n2']) await bind('web', name);
});
afterAll(() => fixture.close());

async function bind(role: string, node: string): Promise<number> {
  const { id: roleId } = await fixture.db.prisma.role.findUniqueOrThrow({ where: { name: role } });
  const { id: nodeId } = await fixture.db.prisma.node.findUniqueOrThrow({ where: { name: node } });
  return (await bindRole(fixture.db, { roleId, nodeId, deploymentId: shop, actor: 'test' })).nodeRoleId;
}
const op = () => fixture.as('operator');

describe('bulk over the API', () => {
  it('counts with dry_run and changes nothing, then carries out, and says why others did not', async () => {
    await op().put(`${API}/deployments/shop/commit`).expect(200);
    await fixture.db.pool.query(
      `UPDATE node_roles SET state = 'ERROR', error_code = 'x' WHERE id = (SELECT min(id) FROM node_roles WHERE deployment_id = $1)`,
      [shop],
    );
    const dry = await op().put(`${API}/node_roles/retry`).send({ deployment: 'shop', dry_run: true }).expect(200);
    expect(dry.body).toMatchObject({ dry_run: true, matched: 2, moved: 1, marked: 0, others: [{ reason: 'it is already TODO', count: 1 }] });
    const real = await op().put(`${API}/node_roles/retry`).send({ deployment: 'shop', state: 'ERROR' }).expect(200);
    expect(real.body).toEqual({ dry_run: false, matched: 1, moved: 1, marked: 0, others: [] });
    const rerun = await op().put(`${API}/node_roles/rerun`).send({ role: 'web' }).expect(200);
    expect(rerun.body).toMatchObject({ matched: 2, moved: 0, marked: 2 });
    await op().put(`${API}/node_roles/web@n1/rerun`).expect(200);
  });

  it('refuses no filter, an unknown name and an unknown field, and a viewer', async () => {
    await op().put(`${API}/node_roles/retry`).send({}).expect(400);
    expect((await op().put(`${API}/node_roles/rerun`).send({ role: 'nothing' }).expect(400)).body.errors[0].field).toBe('role');
    await op().put(`${API}/node_roles/rerun`).send({ rolle: 'web' }).expect(400);
    await fixture.as('viewer').put(`${API}/node_roles/rerun`).send({ role: 'web', dry_run: true }).expect(403);
  });
});

describe('nodes over the API', () => {
  it('lists milestones, takes one as target role, and takes it away', async () => {
    expect((await op().get(`${API}/roles?milestone=true`).expect(200)).body.items.map((role: { name: string }) => role.name)).toEqual(['web']);
    expect((await op().put(`${API}/nodes/n1/target-role`).send({ role: 'web' }).expect(200)).body.role).toMatchObject({ name: 'web' });
    await op().put(`${API}/nodes/n1/target-role`).send({ role: 'extra' }).expect(409);
    expect((await op().put(`${API}/nodes/n1/target-role`).send({ role: null }).expect(200)).body.role).toBeNull();
  });

  it('moves a node with what was only proposed, and names what forbids it', async () => {
    const id = await bind('alone', 'n3');
    const moved = await op().put(`${API}/nodes/n3/move`).send({ deployment: 'lab' }).expect(200);
    expect(moved.body).toMatchObject({ from: { name: 'shop' }, to: { name: 'lab' } });
    expect(moved.body.noderoles).toContain(id);
    const refused = await op().put(`${API}/nodes/n1/move`).send({ deployment: 'lab' }).expect(409);
    expect(refused.body).toMatchObject({ code: 'node-in-use', detail: expect.stringContaining('web is TODO') });
  });

  it('deletes with finalizers that can be looked at', async () => {
    await fixture.as('admin').delete(`${API}/nodes/n2?force=ntp`).expect(400);
    await fixture.as('admin').delete(`${API}/nodes/n2?cascade=true`).expect(202);
    const { body } = await op().get(`${API}/nodes/n2/deletion`).expect(200);
    expect(body.finalizers.map((one: { subsystem: string }) => one.subsystem)).toEqual(['boot-files', 'dependants', 'dhcp', 'runs']);
    await finishDeletions(fixture.db);
    await op().get(`${API}/nodes/n2`).expect(404);
  });

  it('unbinds with cascade what is committed', async () => {
    await op().delete(`${API}/node_roles/web@n1`).expect(409);
    await op().delete(`${API}/node_roles/web@n1?cascade=true`).expect(204);
  });

  it('keeps the power policy of a deployment', async () => {
    expect((await op().patch(`${API}/deployments/lab`).send({ power_on: 'never' }).expect(200)).body.power_on).toBe('never');
    await op().patch(`${API}/deployments/lab`).send({ power_on: 'perhaps' }).expect(400);
  });
});
