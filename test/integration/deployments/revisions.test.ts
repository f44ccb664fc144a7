/** Commits as revisions, rollback, parents taken along, recall, redeploy, delete: against a real database, with the direct engine. */
import { afterAll, beforeEach, beforeAll, describe, expect, it } from '@jest/globals';
import { commitDeployment } from '../../../src/deployments/commit.js';
import { readPlan } from '../../../src/deployments/plan-read.js';
import { proposeDeployment } from '../../../src/deployments/propose.js';
import { recallDeployment } from '../../../src/deployments/recall.js';
import { redeploy } from '../../../src/deployments/redeploy.js';
import { deleteDeployment } from '../../../src/deployments/remove.js';
import { forgetRevisions } from '../../../src/deployments/retention.js';
import { diffRevisions, listRevisions, readRevision } from '../../../src/deployments/revisions.js';
import { rollBack } from '../../../src/deployments/rollback.js';
import { createDeployment, setDeploymentRoleData } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { unbindNodeRole } from '../../../src/noderoles/unbind.js';
import { proposeNodeRole, setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { addMachines, addRoles, bind, claimAndBegin, driveToEnd, openDirectEngine, stateOf, unsound, type DirectEngine } from '../../support/direct-engine.js';

const SECRET = [{ name: 'port' }, { name: 'password', schema: { type: 'string', writeOnly: true } }];

describe('revisions', () => {
  let engine: DirectEngine;
  let roles: Record<string, number>;
  let nodes: number[];
  beforeAll(async () => {
    engine = await openDirectEngine();
  });
  beforeEach(async () => {
    await engine.reset();
    roles = await addRoles(engine.db, { os: [], web: ['os'], other: [] }, { os: { flags: ['destructive', 'implicit'] }, web: { attribs: SECRET } });
    nodes = await addMachines(engine.db, 3);
  });
  afterAll(() => engine.close());
  const node = (index: number) => nodes[index] ?? 0;
  const role = (name: string) => roles[name] ?? 0;
  const commit = (options = {}) => commitDeployment(engine.db, engine.deploymentId, 'anna', options);
  const data = (id: number, value: Record<string, string | number>) => setNodeRoleData(engine.db, id, value, 'anna');
  const pool = () => engine.db.pool;
  const nameOf = async (id: number) => (await pool().query<{ name: string }>('SELECT name FROM nodes WHERE id = $1', [id])).rows[0]?.name ?? '';

  it('numbers every commit with its author, its comment and what it changed, secrets left out', async () => {
    const web = await bind(engine, role('web'), node(0));
    await data(web, { port: 80, password: 'hunter2' });
    expect(await commit({ comment: 'first' })).toMatchObject({ revision: 1, committed: 2 });
    await setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: role('web'), data: { port: 81 }, actor: 'anna' });
    await data(web, { port: 82, password: 'hunter3' });
    await commit();
    const { items, total } = await listRevisions(pool(), engine.deploymentId, { limit: 10 });
    expect(total).toBe(2);
    expect(items).toMatchObject([
      { revision: 2, author: 'anna', comment: '', noderoles: 0, data: 2, unbound: 0 },
      { revision: 1, author: 'anna', comment: 'first', noderoles: 2, data: 1, unbound: 0 },
    ]);
    const second = await readRevision(pool(), engine.deploymentId, 2);
    expect(second.changes).toEqual([
      {
        role: 'web',
        node: 'machine2',
        change: 'data',
        values: [
          { path: 'password', before: '***', after: '***' },
          { path: 'port', before: 80, after: 82 },
        ],
      },
      { role: 'web', node: null, change: 'data', values: [{ path: 'port', after: 81 }] },
    ]);
    await expect(readRevision(pool(), engine.deploymentId, 3)).rejects.toMatchObject({ status: 404 });
  });

  it('forgets what is old and beyond a number; what is kept is told, compared and gone back to as before', async () => {
    const [web, still, gone] = [await bind(engine, role('web'), node(0)), await bind(engine, role('web'), node(1)), await bind(engine, role('other'), node(2))];
    await data(still, { port: 7 });
    for (let port = 1; port <= 5; port += 1) {
      await data(web, { port });
      if (port === 2) await unbindNodeRole(engine.db, gone, { actor: 'anna', cascade: true });
      await commit();
    }
    const at = (revision: number) => pool().query('SELECT * FROM deployment_at($1, $2) WHERE bound ORDER BY node_role_id', [engine.deploymentId, revision]);
    const before = [(await at(4)).rows, (await at(5)).rows];
    const changes = async () => (await pool().query('SELECT revision, node, role, change FROM deployment_changes')).rowCount;
    const all = await changes();
    // Not yet old; then old, but one commit short of the number.
    expect(await forgetRevisions(pool(), { keep: 2, keepDays: 1 })).toBe(0);
    await pool().query(`UPDATE deployment_revisions SET at = at - interval '2 days'`);
    expect(await forgetRevisions(pool(), { keep: 5, keepDays: 1 })).toBe(0);
    // Both changes of `other`, and of `web` those that another one of the forgotten replaced.
    expect(await forgetRevisions(pool(), { keep: 2, keepDays: 1 }, 1)).toBe(4);
    expect(await forgetRevisions(pool(), { keep: 2, keepDays: 1 })).toBe(0);
    expect(await changes()).toBe((all ?? 0) - 4);
    expect([(await at(4)).rows, (await at(5)).rows]).toEqual(before);
    expect((await listRevisions(pool(), engine.deploymentId, { limit: 10 })).items.map((one) => one.revision)).toEqual([5, 4]);
    for (const refused of [
      readRevision(pool(), engine.deploymentId, 3),
      rollBack(engine.db, { deploymentId: engine.deploymentId, revision: 3, actor: 'anna' }),
    ])
      await expect(refused).rejects.toMatchObject({ code: 'revision-forgotten', message: expect.stringContaining('the oldest that is kept is 4') });
    expect(await rollBack(engine.db, { deploymentId: engine.deploymentId, revision: 4, actor: 'anna' })).toMatchObject({
      data: ['web@' + (await nameOf(node(0)))],
      lost: [],
    });
    // Nothing is found gone twice.
    expect(await commit()).toMatchObject({ revision: 6 });
    expect((await readRevision(pool(), engine.deploymentId, 6)).changes.map((change) => change.change)).toEqual(['data']);
    // The newest is kept whatever is said.
    await pool().query(`UPDATE deployment_revisions SET at = at - interval '2 days'`);
    await forgetRevisions(pool(), { keep: 1, keepDays: 1 });
    expect((await readRevision(pool(), engine.deploymentId, 6)).revision).toBe(6);
  });

  it('proposes the data of any older revision, container by container, and commits nothing by itself', async () => {
    const web = await bind(engine, role('web'), node(0));
    const late = async () => bind(engine, role('web'), node(1));
    await data(web, { port: 1 });
    await commit();
    await data(web, { port: 2 });
    await setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: role('web'), data: { a: 2 }, actor: 'anna' }).catch(() => undefined);
    await commit();
    const second = await late();
    await data(second, { port: 3 });
    await commit();
    await driveToEnd(engine.db);

    const back = await rollBack(engine.db, { deploymentId: engine.deploymentId, revision: 1, actor: 'bert' });
    expect(back).toMatchObject({ revision: 1, bound: [], unbound: [], lost: [] });
    expect(back.data).toContain('web@machine2');
    expect(back.kept.map((one) => one.name).sort()).toEqual(['os@machine3', 'web@machine3']);
    const plan = await readPlan(pool(), engine.deploymentId);
    expect(plan.data).toContainEqual({ role: 'web', nodes: ['machine2'], path: 'port', before: 2, after: 1 });
    expect(await stateOf(engine.db, web)).toBe('ACTIVE');
    await commit();
    const { rows } = await pool().query<{ d: object }>('SELECT committed_data AS d FROM node_roles WHERE id = $1', [web]);
    expect(rows[0]?.d).toEqual({ port: 1 });
    expect((await diffRevisions(pool(), engine.deploymentId, 1, 4)).map((one) => `${one.change} ${one.role}@${one.node}`).sort()).toEqual([
      'bound os@machine3',
      'bound web@machine3',
    ]);
    await expect(rollBack(engine.db, { deploymentId: engine.deploymentId, revision: 9, actor: 'bert' })).rejects.toMatchObject({ status: 404 });
  });

  it('binds again, as PROPOSED, what was unbound since, and unbinds only on demand what came since', async () => {
    const web = await bind(engine, role('web'), node(0));
    await data(web, { port: 1 });
    await commit();
    await proposeNodeRole(engine.db, web, 'anna');
    await unbindNodeRole(engine.db, web, { actor: 'anna' });
    await bind(engine, role('other'), node(2));
    await commit();
    expect((await readRevision(pool(), engine.deploymentId, 2)).changes.map((one) => `${one.change} ${one.role}@${one.node}`)).toEqual([
      'bound other@machine4',
      'unbound web@machine2',
    ]);
    const proposed = await bind(engine, role('other'), node(1));
    expect(await rollBack(engine.db, { deploymentId: engine.deploymentId, revision: 1, actor: 'bert', unbind: true })).toMatchObject({
      bound: ['web@machine2'],
      unbound: ['other@machine3'],
      kept: [{ name: 'other@machine4', why: expect.stringContaining('propose it first') }],
    });
    expect((await pool().query('SELECT 1 FROM node_roles WHERE id = $1', [proposed])).rowCount).toBe(0);
    const { rows } = await pool().query<{ state: string; d: object }>(
      'SELECT state::text, proposed_data AS d FROM node_roles WHERE role_id = $1 AND node_id = $2',
      [role('web'), node(0)],
    );
    expect(rows).toEqual([{ state: 'PROPOSED', d: { port: 1 } }]);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('rule 24: refuses a commit whose parents are proposed elsewhere, naming them, or takes those along and nothing else', async () => {
    const below = (await createDeployment(engine.db, { name: 'below', parentId: engine.deploymentId, actor: 'anna' })).id;
    const os = await bind(engine, role('os'), node(0));
    const unrelated = await bind(engine, role('other'), node(1));
    const web = (await bindRole(engine.db, { roleId: role('web'), nodeId: node(0), deploymentId: below, actor: 'anna' })).nodeRoleId;
    await expect(commitDeployment(engine.db, below, 'anna')).rejects.toMatchObject({ code: 'parents-proposed', details: { parents: ['os@machine2 in demo'] } });
    expect((await readPlan(pool(), below)).refusals).toMatchObject([{ code: 'parents-proposed', parents: ['os@machine2 in demo'] }]);
    await commitDeployment(engine.db, below, 'anna', { withParents: true });
    expect([await stateOf(engine.db, os), await stateOf(engine.db, web), await stateOf(engine.db, unrelated)]).toEqual(['TODO', 'BLOCKED', 'PROPOSED']);
    expect(await readRevision(pool(), engine.deploymentId, 1)).toMatchObject({
      comment: 'taken along by the commit of below',
      changes: [{ role: 'os', change: 'bound' }],
    });
    await driveToEnd(engine.db);
    expect([await stateOf(engine.db, os), await stateOf(engine.db, web)]).toEqual(['ACTIVE', 'ACTIVE']);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('commits only the plan that was looked at', async () => {
    await bind(engine, role('web'), node(0));
    const { hash } = await readPlan(pool(), engine.deploymentId);
    await bind(engine, role('web'), node(1));
    await expect(commit({ planHash: hash })).rejects.toMatchObject({ status: 409, code: 'plan-changed' });
    await commit({ planHash: (await readPlan(pool(), engine.deploymentId)).hash });
  });

  it('makes two commits at once one revision each, or one and a refusal: no change is counted twice', async () => {
    for (const at of [0, 1]) await bind(engine, role('web'), node(at));
    const answers = await Promise.allSettled(Array.from({ length: 4 }, () => commit()));
    const done = answers.filter((answer) => answer.status === 'fulfilled');
    expect(done).toHaveLength(1);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'nothing-to-commit' });
    expect((await listRevisions(pool(), engine.deploymentId, { limit: 10 })).items).toMatchObject([{ revision: 1, noderoles: 4 }]);
  });

  it('rule 17: a recall stops claims only; with stop it cancels what runs as well', async () => {
    const os = await bind(engine, role('os'), node(0));
    await bind(engine, role('other'), node(1));
    await commit();
    await claimAndBegin(engine.db);
    await recallDeployment(engine.db, engine.deploymentId, 'anna');
    expect(await stateOf(engine.db, os)).toBe('TRANSITION');
    expect(await recallDeployment(engine.db, engine.deploymentId, 'anna', { stop: true })).toBe(2);
    expect(await stateOf(engine.db, os)).toBe('ERROR');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('rule 15: a redeploy abandons the install with its tokens, and reruns what stands on it when it is installed anew', async () => {
    const web = await bind(engine, role('web'), node(0));
    const { rows } = await pool().query<{ id: number }>('SELECT id FROM node_roles WHERE role_id = $1', [role('os')]);
    const os = rows[0]?.id ?? 0;
    await commit();
    await driveToEnd(engine.db);
    await pool().query(`INSERT INTO installs (node_id, node_role_id, bootenv, status) VALUES ($1, $2, 'debian-12', 'completed')`, [node(0), os]);
    await pool().query(
      `INSERT INTO node_tokens (sha256, kind, node_id, install_id, expires_at) SELECT 'x', 'disk', $1, id, clock_timestamp() + interval '1 day' FROM installs`,
      [node(0)],
    );
    expect((await readPlan(pool(), engine.deploymentId)).erases).toEqual([]);
    await expect(redeploy(engine.db, { nodeRoleId: web }, 'anna')).rejects.toMatchObject({ code: 'nothing-destructive' });
    expect(await redeploy(engine.db, { nodeId: node(0) }, 'anna')).toEqual({ noderoles: ['os@machine2'], nodes: ['machine2'] });
    expect(await stateOf(engine.db, os)).toBe('TODO');
    expect((await pool().query('SELECT status::text FROM installs')).rows).toEqual([{ status: 'abandoned' }]);
    expect((await pool().query('SELECT revoked_at IS NOT NULL AS gone FROM node_tokens')).rows).toEqual([{ gone: true }]);
    expect((await readPlan(pool(), engine.deploymentId)).erases).toMatchObject([{ node: 'machine2', underway: true }]);
    const before = await pool().query<{ n: number }>('SELECT count(*)::int AS n FROM runs WHERE node_role_id = $1', [web]);
    await driveToEnd(engine.db);
    const after = await pool().query<{ n: number }>('SELECT count(*)::int AS n FROM runs WHERE node_role_id = $1', [web]);
    expect(after.rows[0]?.n).toBe((before.rows[0]?.n ?? 0) + 1);
    expect([await stateOf(engine.db, os), await stateOf(engine.db, web)]).toEqual(['ACTIVE', 'ACTIVE']);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('takes a whole deployment back to PROPOSED: what runs is stopped, what stands on it elsewhere stays, and it can be deleted', async () => {
    const below = (await createDeployment(engine.db, { name: 'below', parentId: engine.deploymentId, actor: 'anna' })).id;
    const os = await bind(engine, role('os'), node(0));
    const web = (await bindRole(engine.db, { roleId: role('web'), nodeId: node(0), deploymentId: below, actor: 'anna' })).nodeRoleId;
    await commitDeployment(engine.db, below, 'anna', { withParents: true });
    await driveToEnd(engine.db);
    const other = await bind(engine, role('other'), node(1));
    await commit();
    const turn = (await claimAndBegin(engine.db)).get(other);
    await pool().query(`UPDATE runs SET unabortable = 'flashing' WHERE id = $1`, [turn?.runId]);
    await expect(proposeDeployment(engine.db, engine.deploymentId, 'anna')).rejects.toMatchObject({
      code: 'unabortable',
      message: expect.stringContaining('flashing'),
    });
    expect(await stateOf(engine.db, os)).toBe('ACTIVE');
    expect(await proposeDeployment(engine.db, engine.deploymentId, 'anna', { force: true })).toBe(2);
    expect([await stateOf(engine.db, os), await stateOf(engine.db, other), await stateOf(engine.db, web)]).toEqual(['PROPOSED', 'PROPOSED', 'ACTIVE']);
    expect((await pool().query('SELECT status FROM runs WHERE id = $1', [turn?.runId])).rows).toEqual([{ status: 'STOPPING' }]);
    expect(await proposeDeployment(engine.db, engine.deploymentId, 'anna')).toBe(0);
    expect(await unsound(engine.db)).toEqual([]);
    await expect(deleteDeployment(engine.db, engine.deploymentId, 'anna', { recursive: true })).rejects.toMatchObject({
      code: 'deployment-live',
      message: expect.stringContaining('prybar deployments propose below'),
    });
    const system = (await pool().query<{ id: number }>('SELECT id FROM deployments WHERE system')).rows[0]?.id ?? 0;
    await expect(proposeDeployment(engine.db, system, 'anna')).rejects.toMatchObject({ code: 'deployment-system' });
  });

  it('deletes a deployment only when nothing stands on it, and a whole tree on demand, or nothing of it', async () => {
    const below = (await createDeployment(engine.db, { name: 'below', parentId: engine.deploymentId, actor: 'anna' })).id;
    await bind(engine, role('os'), node(0));
    const web = (await bindRole(engine.db, { roleId: role('web'), nodeId: node(0), deploymentId: below, actor: 'anna' })).nodeRoleId;
    await expect(deleteDeployment(engine.db, engine.deploymentId, 'anna')).rejects.toMatchObject({
      code: 'has-children',
      message: expect.stringContaining('below'),
    });
    await commitDeployment(engine.db, below, 'anna', { withParents: true });
    await expect(deleteDeployment(engine.db, engine.deploymentId, 'anna', { recursive: true })).rejects.toMatchObject({
      code: 'deployment-live',
      message: expect.stringContaining('web@machine2'),
    });
    await proposeNodeRole(engine.db, web, 'anna');
    for (const row of (await pool().query<{ id: number }>('SELECT id FROM node_roles WHERE state <> $1', ['PROPOSED'])).rows)
      await proposeNodeRole(engine.db, row.id, 'anna');
    await deleteDeployment(engine.db, engine.deploymentId, 'anna', { recursive: true });
    expect((await pool().query('SELECT name FROM deployments')).rows).toEqual([{ name: 'system' }]);
  });
});
