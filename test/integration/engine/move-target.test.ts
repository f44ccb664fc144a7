/** Moving a node (engine-rules 25), and the target role that a node is debugged with. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { createDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { deleteNode } from '../../../src/nodes/remove.js';
import { moveNode } from '../../../src/nodes/move.js';
import { setTargetRole } from '../../../src/nodes/target.js';
import { addMachines, addRoles, bind, commit, driveToEnd, openDirectEngine, stateOf, unsound, type DirectEngine } from '../../support/direct-engine.js';

let engine: DirectEngine;
let shop: number;
beforeAll(async () => {
  engine = await openDirectEngine();
});
beforeEach(async () => {
  await engine.reset();
  shop = (await createDeployment(engine.db, { name: 'shop', actor: 'test' })).id;
});
afterAll(() => engine.close());

/** Machines of the deployment `demo`. */
async function machines(count: number): Promise<number[]> {
  const nodes = await addMachines(engine.db, count);
  await engine.db.pool.query('UPDATE nodes SET deployment_id = $2 WHERE id = ANY($1)', [nodes, engine.deploymentId]);
  return nodes;
}
const move = (node: number, to = shop) => moveNode(engine.db, node, to, 'op');
const homes = async (ids: number[]) =>
  (await engine.db.pool.query<{ deployment_id: number }>('SELECT deployment_id FROM node_roles WHERE id = ANY($1) ORDER BY id', [ids])).rows.map(
    (row) => row.deployment_id,
  );

describe('rule 25: moving a node', () => {
  it('rule 25: takes along what was only proposed, with what is below it, and tells', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'] });
    const [node] = (await machines(1)) as [number];
    const b = await bind(engine, roles.b, node);
    const moved = await move(node);
    expect(moved).toMatchObject({ from: engine.deploymentId, to: shop });
    expect(moved.noderoles).toHaveLength(2);
    expect(await homes(moved.noderoles)).toEqual([shop, shop]);
    expect(moved.noderoles).toContain(b);
    const { rows } = await engine.db.pool.query(`SELECT data->'changed' AS changed FROM outbox_events WHERE kind = 'node-changed' AND subject_id = $1`, [node]);
    expect(rows).toEqual([{ changed: ['deployment'] }]);
    expect(await unsound(engine.db)).toEqual([]);
    await engine.db.pool.query('SELECT commit_deployment($1)', [shop]);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, b)).toBe('ACTIVE');
  });

  it('rule 25: is refused for what is committed or has run, and names it', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [] });
    const [node] = (await machines(1)) as [number];
    await bind(engine, roles.a, node);
    await commit(engine);
    await bind(engine, roles.b, node);
    await expect(move(node)).rejects.toMatchObject({ code: 'node-in-use', message: expect.stringContaining('a is TODO') });
    await driveToEnd(engine.db);
    await engine.db.pool.query(`SELECT emit_events(repropose_noderoles(ARRAY(SELECT id FROM node_roles WHERE node_id = $1), 'x'))`, [node]);
    await expect(move(node)).rejects.toMatchObject({ message: expect.stringContaining('a was committed or has run') });
  });

  it('rule 25: is refused when something elsewhere depends on it, or it on something that would be out of sight', async () => {
    const roles = await addRoles(engine.db, { server: [], client: ['server'] });
    const [first, second] = (await machines(2)) as [number, number];
    await bind(engine, roles.server, first);
    await bind(engine, roles.client, second);
    await expect(move(first)).rejects.toMatchObject({ message: expect.stringMatching(/client@\S+ depends on server and would stay behind/) });
    await expect(move(second)).rejects.toMatchObject({
      message: expect.stringMatching(/client depends on server@\S+, which the other deployment does not see/),
    });
  });

  it('rule 25: leaves what belongs to another deployment where it is', async () => {
    const { base } = await addRoles(engine.db, { base: [] });
    const [node] = (await machines(1)) as [number];
    const system = (await engine.db.pool.query<{ id: number }>('SELECT id FROM deployments WHERE system')).rows[0].id;
    const { nodeRoleId } = await bindRole(engine.db, { roleId: base, nodeId: node, deploymentId: system, actor: 'test' });
    expect((await move(node)).noderoles).toEqual([]);
    expect(await homes([nodeRoleId])).toEqual([system]);
  });

  it('rule 25: is refused while the node is being deleted; to where it is already changes nothing', async () => {
    const [node] = (await machines(1)) as [number];
    expect(await move(node, engine.deploymentId)).toMatchObject({ noderoles: [] });
    await deleteNode(engine.db, node, { actor: 'op' });
    await expect(move(node)).rejects.toMatchObject({ code: 'node-deleting' });
  });
});

describe('a target role', () => {
  it('lets only the role and what it needs on the node run; why says so; taken away, the rest goes', async () => {
    const roles = await addRoles(engine.db, { disk: [], os: ['disk'], packages: ['os'], monitor: ['disk'] });
    const [node] = (await machines(1)) as [number];
    const packages = await bind(engine, roles.packages, node);
    const monitor = await bind(engine, roles.monitor, node);
    await setTargetRole(engine.db, node, roles.os, 'op');
    await commit(engine);
    await driveToEnd(engine.db);
    const states = await engine.db.pool.query<{ name: string; state: string }>(
      'SELECT ro.name, nr.state FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.node_id = $1 ORDER BY ro.name',
      [node],
    );
    expect(states.rows).toEqual([
      { name: 'disk', state: 'ACTIVE' },
      { name: 'monitor', state: 'TODO' },
      { name: 'os', state: 'ACTIVE' },
      { name: 'packages', state: 'TODO' },
    ]);
    expect(await explainNodeRole(engine.db, monitor)).toMatchObject({
      answer: expect.stringContaining('has the target role os: only that and what it needs is started'),
      unblock: expect.stringContaining('--clear'),
    });
    await setTargetRole(engine.db, node, null, 'op');
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, packages)).toBe('ACTIVE');
    expect(await stateOf(engine.db, monitor)).toBe('ACTIVE');
  });

  it('never hides the nodes after one that it holds still', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [] });
    const [first, second] = (await machines(2)) as [number, number];
    await bind(engine, roles.a, first);
    await bind(engine, roles.b, first);
    await bind(engine, roles.a, second);
    await setTargetRole(engine.db, first, roles.b, 'op');
    await commit(engine);
    await driveToEnd(engine.db);
    const { rows } = await engine.db.pool.query(`SELECT state, count(*)::int AS n FROM node_roles WHERE deployment_id = $1 GROUP BY 1 ORDER BY 1`, [
      engine.deploymentId,
    ]);
    expect(rows).toEqual([
      { state: 'TODO', n: 1 },
      { state: 'ACTIVE', n: 2 },
    ]);
  });

  it('is refused when the role is not bound to the node', async () => {
    const { a } = await addRoles(engine.db, { a: [] });
    const [node] = (await machines(1)) as [number];
    await expect(setTargetRole(engine.db, node, a, 'op')).rejects.toMatchObject({ code: 'role-not-bound' });
  });
});
