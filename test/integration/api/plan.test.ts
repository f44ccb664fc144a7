import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { API, defineRoles, startApi, type ApiFixture } from './api-fixture.js';

describe('plan, revisions, rollback and redeploy', () => {
  let fixture: ApiFixture;
  let deploymentId: number;
  beforeAll(async () => {
    fixture = await startApi();
    const { db } = fixture;
    await defineRoles(db, { os: [], web: ['os'] }, { os: { flags: ['destructive', 'implicit'] } });
    deploymentId = (await createDeployment(db, { name: 'shop', actor: 'test' })).id;
    const { rows } = await db.pool.query<{ id: number }>(
      `INSERT INTO nodes (name, deployment_id, alive, boot_class, discovery)
       SELECT 'n' || i, (SELECT id FROM deployments WHERE system), true, 'discovery', '{"disks": [{"name": "sda", "size_bytes": 480000000000}]}' FROM generate_series(1, 2) i RETURNING id`,
    );
    const web = await db.prisma.role.findUniqueOrThrow({ where: { name: 'web' } });
    for (const row of rows) await bindRole(db, { roleId: web.id, nodeId: row.id, deploymentId, data: { port: 80 }, actor: 'test' });
  });
  afterAll(() => fixture.close());

  it('shows a viewer what a commit would do, in data and in words, and whose disk it erases', async () => {
    const { body } = await fixture.as('viewer').post(`${API}/deployments/shop/plan`).expect(200);
    expect(body).toMatchObject({
      revision: 1,
      refusals: [],
      runs: 4,
      nodes: ['n1', 'n2'],
      erases: [
        { node: 'n1', disk: { name: 'sda' }, underway: false },
        { node: 'n2', disk: { name: 'sda' } },
      ],
      waves: [[{ role: 'os', reason: 'bound', nodes: ['n1', 'n2'] }], [{ role: 'web', reason: 'bound', nodes: ['n1', 'n2'] }]],
      data: [{ role: 'web', nodes: ['n1', 'n2'], path: 'port', after: 80 }],
      duration: { seconds: null, unknown_roles: ['os', 'web'] },
    });
    expect(body.words[0]).toEqual({
      tone: 'danger',
      text: '2 machines will be reinstalled: their disks are ERASED, and they reboot: n1 (sda, 480 GB), n2 (sda, 480 GB)',
    });
  });

  it('commits with a comment only the plan of that hash, and keeps the revision with its author', async () => {
    const operator = fixture.as('operator');
    await operator.put(`${API}/deployments/shop/commit`).send({ plan_hash: 'another' }).expect(409);
    const plan = await operator.post(`${API}/deployments/shop/plan`).expect(200);
    await operator.put(`${API}/deployments/shop/commit`).send({ plan_hash: plan.body.hash, comment: 'opening' }).expect(200);
    const list = await fixture.as('viewer').get(`${API}/deployments/shop/revisions`).expect(200);
    expect(list.body).toMatchObject({ total: 1, next: null, items: [{ revision: 1, author: 'operator', comment: 'opening', noderoles: 4 }] });
    const one = await fixture.as('viewer').get(`${API}/deployments/shop/revisions/1`).expect(200);
    expect(one.body.changes).toContainEqual({ role: 'web', node: 'n1', change: 'bound', values: [{ path: 'port', after: 80 }] });
    await fixture.as('viewer').get(`${API}/deployments/shop/revisions/2`).expect(404);
  });

  it('rolls back by proposing, and answers the plan', async () => {
    const operator = fixture.as('operator');
    const { rows } = await fixture.db.pool.query<{ id: number }>(
      `SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE ro.name = 'web' ORDER BY 1`,
    );
    await operator
      .put(`${API}/node_roles/${rows[0]?.id}`)
      .send({ data: { port: 81 } })
      .expect(200);
    await operator.put(`${API}/deployments/shop/commit`).expect(200);
    const { body } = await operator.post(`${API}/deployments/shop/rollback`).send({ revision: 1 }).expect(200);
    expect(body).toMatchObject({ data: ['web@n1'], plan: { data: [{ role: 'web', nodes: ['n1'], path: 'port', before: 81, after: 80 }] } });
    await operator.post(`${API}/deployments/shop/rollback`).send({ revision: 7 }).expect(404);
    await operator.post(`${API}/deployments/shop/rollback`).send({}).expect(400);
    const diff = await fixture.as('viewer').get(`${API}/deployments/shop/revisions/2/diff`).expect(200);
    expect(diff.body).toMatchObject({
      from: 1,
      to: 2,
      changes: [{ role: 'web', node: 'n1', change: 'data', values: [{ path: 'port', before: 80, after: 81 }] }],
    });
  });

  it('redeploys only for an operator who says that he knows it erases', async () => {
    const path = `${API}/deployments/shop/redeploy`;
    await fixture.as('viewer').put(path).send({ erase: true }).expect(403);
    expect((await fixture.as('operator').put(path).send({}).expect(400)).body.errors).toEqual([
      { field: 'erase', message: 'is required; must be true: redeploying erases the disks' },
    ]);
    expect((await fixture.as('operator').put(path).send({ erase: true }).expect(200)).body).toEqual({ noderoles: ['os@n1', 'os@n2'], nodes: ['n1', 'n2'] });
    const audit = await fixture.db.pool.query(`SELECT actor, target FROM audit WHERE action = 'deployment.redeploy'`);
    expect(audit.rows).toEqual([{ actor: 'operator', target: `deployment/${deploymentId}` }]);
  });
});
