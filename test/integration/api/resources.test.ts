import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as s from '../../../src/api/schemas.js';
import { API, defineRoles, startApi, type ApiFixture } from './api-fixture.js';

/** Every status each group of routes answers, against the real application; bodies are read by the contract's own shapes. */
describe('resources', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await startApi();
    await defineRoles(
      fixture.db,
      { base: [], app: ['base'] },
      { base: { flags: ['implicit'], template: { level: 1 }, attribs: [{ name: 'level', default: 1 }] } },
    );
    await fixture.db.prisma.bootenv.createMany({
      data: [
        { name: 'debian-12', osFamily: 'debian', kind: 'installer', archs: ['x86_64'] },
        { name: 'local', kind: 'local', archs: [] },
      ],
    });
  });
  afterAll(() => fixture.close());
  const as = () => fixture.as('operator');
  const problem = (body: unknown, code: string): void => expect(s.problemSchema.parse(body).code).toBe(code);

  describe('deployments', () => {
    it('are created below system, read by name and id, listed', async () => {
      const created = await as().post(`${API}/deployments`).send({ name: 'one', description: 'first' }).expect(201);
      const deployment = s.deploymentSchema.parse(created.body);
      expect(deployment).toMatchObject({ name: 'one', state: 'proposed', revision: 0, paused: false, system: false, parent: { name: 'system' }, nodes: 0 });
      expect((await as().get(`${API}/deployments/one`).expect(200)).body).toEqual(created.body);
      expect((await as().get(`${API}/deployments/${deployment.id}`).expect(200)).body).toEqual(created.body);
      const child = await as().post(`${API}/deployments`).send({ name: 'child', parent: deployment.id }).expect(201);
      expect(child.body.parent).toEqual({ id: deployment.id, name: 'one' });
      const list = s.pageOf(s.deploymentSchema).parse((await as().get(`${API}/deployments`).expect(200)).body);
      expect(list).toMatchObject({ total: 3, next: null });
    });

    it('have one name each (409), and none that is a number (400)', async () => {
      problem((await as().post(`${API}/deployments`).send({ name: 'one' }).expect(409)).body, 'name-taken');
      problem((await as().post(`${API}/deployments`).send({ name: '123' }).expect(400)).body, 'validation-failed');
      problem((await as().post(`${API}/deployments`).send({ name: 'two', parent: 'no-such' }).expect(400)).body, 'validation-failed');
    });

    it('that do not exist are 404 on every path', async () => {
      for (const [method, path] of [
        ['get', 'nope'],
        ['get', '999999'],
        ['get', '99999999999999'],
        ['delete', 'nope'],
        ['put', 'nope/commit'],
        ['put', 'nope/recall'],
        ['put', 'nope/propose'],
        ['get', 'nope/matrix'],
      ] as const)
        problem((await as()[method](`${API}/deployments/${path}`).expect(404)).body, 'not-found');
      problem((await as().patch(`${API}/deployments/nope`).send({ paused: true }).expect(404)).body, 'not-found');
    });

    it('are described and paused, each change with one event', async () => {
      const events = async () => await fixture.db.prisma.outboxEvent.count({ where: { kind: 'deployment-changed' } });
      const before = await events();
      const { body } = await as().patch(`${API}/deployments/one`).send({ description: 'new', paused: true }).expect(200);
      expect(body).toMatchObject({ description: 'new', paused: true });
      await as().patch(`${API}/deployments/one`).send({ paused: true }).expect(200);
      expect(await events()).toBe(before + 1);
      expect((await as().patch(`${API}/deployments/one`).send({ paused: false }).expect(200)).body.paused).toBe(false);
    });

    it('are deleted (204), unless something is below them (409) or they are system (409)', async () => {
      problem((await as().delete(`${API}/deployments/one`).expect(409)).body, 'has-children');
      await as().delete(`${API}/deployments/child`).expect(204);
      await as().delete(`${API}/deployments/one`).expect(204);
      await as().get(`${API}/deployments/one`).expect(404);
      await as().delete(`${API}/deployments/system`).expect(409);
    });
  });

  describe('roles and bootenvs', () => {
    it('are listed and read (200), and are 404 when there are none', async () => {
      const roles = s.pageOf(s.roleSchema).parse((await as().get(`${API}/roles`).expect(200)).body);
      expect(roles.items.map((role) => role.name)).toEqual(expect.arrayContaining(['base', 'app']));
      const app = s.roleSchema.parse((await as().get(`${API}/roles/app`).expect(200)).body);
      expect(app).toMatchObject({ requires: ['base'], jig: 'noop', cohort: 1 });
      problem((await as().get(`${API}/roles/nope`).expect(404)).body, 'not-found');
      const bootenvs = s.pageOf(s.bootenvSchema).parse((await as().get(`${API}/bootenvs?limit=1`).expect(200)).body);
      expect(bootenvs).toMatchObject({ total: 2, next: 'debian-12' });
      expect((await as().get(`${API}/bootenvs?limit=1&after=debian-12`).expect(200)).body).toMatchObject({ items: [{ name: 'local' }], next: null });
      s.bootenvSchema.parse((await as().get(`${API}/bootenvs/debian-12`).expect(200)).body);
      problem((await as().get(`${API}/bootenvs/nope`).expect(404)).body, 'not-found');
    });
  });

  describe('nodes', () => {
    it('are registered, read, changed and moved', async () => {
      await as().post(`${API}/deployments`).send({ name: 'rack' }).expect(201);
      const created = s.nodeSchema.parse(
        (
          await as()
            .post(`${API}/nodes`)
            .send({ name: 'n1.test', macs: ['52:54:00:AA:00:01'], deployment: 'rack' })
            .expect(201)
        ).body,
      );
      expect(created).toMatchObject({
        name: 'n1.test',
        deployment: { name: 'rack' },
        alive: false,
        available: true,
        bmc: null,
        nics: [{ mac: '52:54:00:aa:00:01' }],
      });
      expect(created.desired).toMatchObject({ bootenv: 'discovery', generation: 1 });
      expect(created.served.served).toBe(false);
      const changed = await as()
        .patch(`${API}/nodes/n1.test`)
        .send({ available: false, description: 'top', hint: { disk: '/dev/sda' }, deployment: 'system' })
        .expect(200);
      expect(changed.body).toMatchObject({ available: false, description: 'top', deployment: { name: 'system' } });
    });

    it('have their own name and MACs (409)', async () => {
      problem((await as().post(`${API}/nodes`).send({ name: 'n1.test' }).expect(409)).body, 'name-taken');
      problem(
        (
          await as()
            .post(`${API}/nodes`)
            .send({ name: 'n2.test', macs: ['52-54-00-aa-00-01'] })
            .expect(409)
        ).body,
        'mac-taken',
      );
      await as().get(`${API}/nodes/n2.test`).expect(404);
      await as()
        .post(`${API}/nodes`)
        .send({ name: 'n2.test', macs: ['01:00:5e:00:00:01'] })
        .expect(400);
    });

    it('are filtered by everything a list filters by', async () => {
      await as().post(`${API}/nodes`).send({ name: 'n2.test', deployment: 'rack' }).expect(201);
      const names = async (query: string) =>
        s
          .pageOf(s.nodeSchema)
          .parse((await as().get(`${API}/nodes?${query}`).expect(200)).body)
          .items.map((node) => node.name);
      expect(await names('deployment=rack')).toEqual(['n2.test']);
      expect(await names('available=false')).toEqual(['n1.test']);
      expect(await names('alive=true&q=n1')).toEqual([]);
      expect(await names('q=AA:00:01')).toEqual(['n1.test']);
      expect(await names('bootenv=local&q=n1')).toEqual([]);
      expect(await names('phase=kernel')).toEqual([]);
      expect(await names('state=ERROR')).toEqual([]);
      expect(await names('q=%25')).toEqual([]);
      await as().get(`${API}/nodes?deployment=nope`).expect(404);
      await as().get(`${API}/nodes?alive=maybe`).expect(400);
    });

    it('are paged without a gap and without a repetition', async () => {
      const seen: string[] = [];
      let after = '';
      for (;;) {
        const page = s.pageOf(s.nodeSchema).parse((await as().get(`${API}/nodes?limit=1${after}`).expect(200)).body);
        seen.push(...page.items.map((node) => node.name));
        expect(page.total).toBeGreaterThanOrEqual(2);
        if (page.next === null) break;
        after = `&after=${page.next}`;
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(expect.arrayContaining(['n1.test', 'n2.test']));
    });

    it('a node goes by its name without its domain where only one has it', async () => {
      const { rows } = await fixture.db.pool.query<{ id: number }>(
        `INSERT INTO nodes (name, deployment_id) SELECT n, (SELECT id FROM deployments WHERE system) FROM unnest(ARRAY['solo.a.test', 'twin.a.test', 'twin.b.test', 'solo-2.a.test']) n RETURNING id`,
      );
      expect((await as().get(`${API}/nodes/solo`).expect(200)).body).toMatchObject({ id: rows[0].id, name: 'solo.a.test' });
      for (const key of ['twin', 'sol', 'solo.a']) await as().get(`${API}/nodes/${key}`).expect(404);
      await fixture.db.pool.query('DELETE FROM nodes WHERE id = ANY($1)', [rows.map((row) => row.id)]);
    });

    it('show the steps of their boots and their timeline', async () => {
      const node = await fixture.db.prisma.node.findUniqueOrThrow({ where: { name: 'n1.test' } });
      await fixture.db.prisma.bootEvent.create({ data: { mac: '52:54:00:aa:00:01', nodeId: node.id, kind: 'dhcp-discover', detail: { text: 'PXEClient' } } });
      const events = s.pageOf(s.bootEventSchema).parse((await as().get(`${API}/nodes/n1.test/boot-events`).expect(200)).body);
      expect(events).toMatchObject({ total: 1, items: [{ kind: 'dhcp-discover', detail: { text: 'PXEClient' } }] });
      const timeline = s.timelineSchema.parse((await as().get(`${API}/nodes/n1.test/timeline`).expect(200)).body);
      expect(timeline.items).toMatchObject([{ source: 'boot', kind: 'dhcp-discover', text: 'PXEClient' }]);
      await as().get(`${API}/nodes/nope/timeline`).expect(404);
      await as().get(`${API}/nodes/nope/boot-events`).expect(404);
    });

    it('have no power without a BMC (409), and 503 where no driver is wired', async () => {
      await as().put(`${API}/nodes/n1.test/power`).send({ action: 'explode' }).expect(400);
      await as().put(`${API}/nodes/nope/power`).send({ action: 'on' }).expect(404);
      problem((await as().put(`${API}/nodes/n1.test/power`).send({ action: 'on' }).expect(503)).body, 'not-configured');
    });

    it('are deleted in two steps: 202, and 404 when they never were', async () => {
      await fixture.as('admin').delete(`${API}/nodes/n2.test`).expect(202);
      await fixture.as('admin').delete(`${API}/nodes/nope`).expect(404);
    });
  });

  describe('noderoles', () => {
    it('are bound with the parents they lack (201), shown with them, and committed', async () => {
      await as().post(`${API}/deployments`).send({ name: 'web' }).expect(201);
      await as().post(`${API}/nodes`).send({ name: 'w1.test', deployment: 'web' }).expect(201);
      const bound = s.bindResultSchema.parse(
        (
          await as()
            .post(`${API}/node_roles`)
            .send({ role: 'app', node: 'w1.test', data: { level: 2 } })
            .expect(201)
        ).body,
      );
      expect(bound.created).toHaveLength(2);
      expect(bound.noderole).toMatchObject({
        name: 'app@w1.test',
        state: 'PROPOSED',
        state_code: 4,
        deployment: { name: 'web' },
        proposed_data: { level: 2 },
        run: null,
      });
      expect(bound.noderole.parents).toMatchObject([{ name: 'base@w1.test', state: 'PROPOSED' }]);
      expect((await as().get(`${API}/node_roles/app@w1.test`).expect(200)).body.id).toBe(bound.noderole.id);
      expect((await as().post(`${API}/node_roles`).send({ role: 'app', node: 'w1.test' }).expect(201)).body.created).toEqual([]);
      const why = s.whySchema.parse((await as().get(`${API}/node_roles/app@w1.test/why`).expect(200)).body);
      expect(why.answer).toContain('proposed');
      const commit = s.commitResultSchema.parse((await as().put(`${API}/deployments/web/commit`).expect(200)).body);
      expect(commit).toMatchObject({ revision: 1, committed: 2, deployment: { state: 'committed' } });
      problem((await as().put(`${API}/deployments/web/commit`).expect(409)).body, 'nothing-to-commit');
      const matrix = s.matrixSchema.parse((await as().get(`${API}/deployments/web/matrix`).expect(200)).body);
      expect(matrix.roles.map((role) => role.name)).toEqual(['base', 'app']);
      expect(matrix.nodes).toMatchObject([{ name: 'w1.test', phase: 'unseen', bootenv: 'discovery' }]);
      expect(matrix.cells.map((cell) => cell.state).toSorted()).toEqual(['BLOCKED', 'TODO']);
    });

    it('are filtered by deployment, node, role and state', async () => {
      const total = async (query: string) => s.pageOf(s.nodeRoleSchema).parse((await as().get(`${API}/node_roles?${query}`).expect(200)).body).total;
      expect(await total('deployment=web')).toBe(2);
      expect(await total('node=w1.test&role=app')).toBe(1);
      expect(await total('deployment=web&state=TODO')).toBe(1);
      await as().get(`${API}/node_roles?role=nope`).expect(404);
      await as().get(`${API}/node_roles?state=todo`).expect(400);
    });

    it('take new data at any time (200)', async () => {
      const { body } = await as()
        .put(`${API}/node_roles/app@w1.test`)
        .send({ data: { level: 3 } })
        .expect(200);
      expect(body.proposed_data).toEqual({ level: 3 });
      await as()
        .put(`${API}/node_roles/app@w1.test`)
        .send({ data: [1] })
        .expect(400);
      await as().put(`${API}/node_roles/nope@w1.test`).send({ data: {} }).expect(404);
    });

    it('refuse a verb that their state has no room for (409)', async () => {
      problem((await as().put(`${API}/node_roles/app@w1.test/retry`).expect(409)).body, 'invalid-transition');
      problem((await as().put(`${API}/node_roles/app@w1.test/cancel`).expect(409)).body, 'invalid-transition');
      problem((await as().delete(`${API}/node_roles/app@w1.test`).expect(409)).body, 'invalid-transition');
      await as().put(`${API}/node_roles/9999/retry`).expect(404);
      await as().put(`${API}/node_roles/app@w1.test/explode`).expect(404);
      await as().put(`${API}/node_roles/app@w1.test/retry`).send({ force: true }).expect(400);
    });

    it('go back to PROPOSED (200) and are unbound from the leaves (204), not from the root (409)', async () => {
      await as().put(`${API}/node_roles/app@w1.test/propose`).expect(200);
      expect((await as().put(`${API}/node_roles/base@w1.test/propose`).expect(200)).body.state).toBe('PROPOSED');
      problem((await as().delete(`${API}/node_roles/base@w1.test`).expect(409)).body, 'has-children');
      await as().delete(`${API}/node_roles/app@w1.test`).expect(204);
      await as().delete(`${API}/node_roles/base@w1.test`).expect(204);
      await as().get(`${API}/node_roles/app@w1.test`).expect(404);
    });
  });

  describe('deployment_roles', () => {
    it('are listed, read and given data (200), and are 404 when there are none', async () => {
      await as().post(`${API}/node_roles`).send({ role: 'base', node: 'w1.test', deployment: 'web' }).expect(201);
      const list = s.pageOf(s.deploymentRoleSchema).parse((await as().get(`${API}/deployment_roles?deployment=web`).expect(200)).body);
      const base = list.items.find((item) => item.role.name === 'base');
      const put = await as()
        .put(`${API}/deployment_roles/${base?.id}`)
        .send({ data: { level: 9 } })
        .expect(200);
      expect(s.deploymentRoleSchema.parse(put.body).proposed_data).toEqual({ level: 9 });
      await as().get(`${API}/deployment_roles/${base?.id}`).expect(200);
      await as().get(`${API}/deployment_roles/999999`).expect(404);
      await as().get(`${API}/deployment_roles/abc`).expect(400);
      await as().put(`${API}/deployment_roles/${base?.id}`).send({ datum: {} }).expect(400);
    });
  });

  describe('runs', () => {
    it('are listed, read with their inputs, and their log is read in parts', async () => {
      const nodeRole = await fixture.db.prisma.nodeRole.findFirstOrThrow({ where: { role: { name: 'base' } } });
      const run = await fixture.db.prisma.run.create({
        data: {
          nodeRoleId: nodeRole.id,
          nodeId: nodeRole.nodeId,
          roleId: nodeRole.roleId,
          jig: 'noop',
          exclusiveKey: 'test',
          status: 'ENDED',
          outcome: 'node_rebooted',
          endedAt: new Date(),
          inputs: { level: 1 },
          errorCode: 'node-rebooted',
          errorMessage: 'it went',
        },
      });
      await fixture.db.prisma.runLog.createMany({ data: [1, 2, 3].map((seq) => ({ runId: run.id, seq, text: `line ${seq}\n` })) });
      const list = s.pageOf(s.runSchema).parse((await as().get(`${API}/runs?outcome=node-rebooted&node=w1.test&role=base`).expect(200)).body);
      expect(list).toMatchObject({ total: 1, items: [{ outcome: 'node-rebooted', error: { code: 'node-rebooted' }, node: { name: 'w1.test' } }] });
      expect(s.runSchema.parse((await as().get(`${API}/runs/${run.id}`).expect(200)).body).inputs).toEqual({ level: 1 });
      const first = s.runLogSchema.parse((await as().get(`${API}/runs/${run.id}/logs?limit=2`).expect(200)).body);
      expect(first).toMatchObject({ ended: false, items: [{ seq: 1 }, { seq: 2 }] });
      expect((await as().get(`${API}/runs/${run.id}/logs?after=2`).expect(200)).body).toMatchObject({ ended: true, items: [{ seq: 3, text: 'line 3\n' }] });
      expect((await as().get(`${API}/node_roles/base@w1.test/runs`).expect(200)).body.total).toBe(1);
      expect((await as().get(`${API}/nodes/w1.test/timeline`).expect(200)).body.items).toMatchObject([{ source: 'run', kind: 'node-rebooted' }]);
    });

    it('that do not exist are 404, and an id that is none is 400', async () => {
      await as().get(`${API}/runs/999999`).expect(404);
      await as().get(`${API}/runs/999999/logs`).expect(404);
      await as().get(`${API}/runs/abc`).expect(400);
      await as().get(`${API}/runs?status=ended`).expect(400);
    });
  });

  describe('status', () => {
    it('tells how the whole is', async () => {
      const status = s.statusSchema.parse((await as().get(`${API}/status`).expect(200)).body);
      expect(status).toMatchObject({ version: '0.0.0-test', database: { kind: 'external' }, queue: { backend: 'postgres' }, nodes: { alive: 0 } });
      const anneal = s.annealSchema.parse((await as().get(`${API}/anneal`).expect(200)).body);
      expect(anneal.noderoles).toEqual(status.noderoles);
    });

    it('answers another method with 405 and the ones there are', async () => {
      const { headers, body } = await as().delete(`${API}/status`).expect(405);
      expect(headers['allow']).toBe('GET, HEAD');
      problem(body, 'method-not-allowed');
      problem((await as().post(`${API}/nodes/n1.test`).send({}).expect(405)).body, 'method-not-allowed');
      problem((await as().get(`${API}/no-such`).expect(404)).body, 'not-found');
    });
  });
});
