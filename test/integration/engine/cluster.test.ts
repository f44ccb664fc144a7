/** Rule 24 on the real functions: barriers of cluster roles, members that come and go, soft order, parents never committed. */
import { describe, expect, it } from '@jest/globals';
import { createDeployment } from '../../../src/deployments/verbs.js';
import { barrier } from '../../../src/roles/builtin/barrier.js';
import { bindMany, bindRole } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { unbindNodeRole } from '../../../src/noderoles/unbind.js';
import { withTransaction } from '../../../src/db/client.js';
import type { JigContext } from '../../../src/jigs/contract.js';
import { addMachines, addRoles, bind, claimAndBegin, commit, driveToEnd, nodeRole, useEngine, runsOf, stateOf, unsound } from '../../support/direct-engine.js';
import { done, fail } from '../../support/outcomes.js';

const engine = useEngine();

const settled = (...batch: Settlement[]) => settle(engine.db.pool, batch, 0);
const barrierOf = async (role: string) =>
  (await engine.db.pool.query<{ id: number }>('SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE ro.name = $1', [`barrier-${role}`]))
    .rows[0]?.id ?? 0;
const edges = async () => Number((await engine.db.pool.query('SELECT count(*) AS n FROM node_role_edges')).rows[0].n);

/** `members` noderoles of cluster role `peer`, and `app` requiring it on the first machine; committed. */
async function cluster(members: number, more: Record<string, Record<string, unknown>> = {}) {
  const roles = await addRoles(engine.db, { peer: [], app: ['peer'] }, { peer: { flags: ['cluster'], ...more.peer }, app: more.app ?? {} });
  const nodes = await addMachines(engine.db, members + 1);
  const peers: number[] = [];
  for (const node of nodes.slice(0, members)) peers.push(await bind(engine, roles.peer, node));
  const app = await bind(engine, roles.app, nodes[members]);
  await commit(engine);
  return { roles, nodes, peers, app, gate: await barrierOf('peer') };
}

describe('rule 24: barriers', () => {
  it('5,000 members and 200 dependants have one edge each, not a million', async () => {
    const roles = await addRoles(engine.db, { peer: [], app: ['peer'] }, { peer: { flags: ['cluster'] } });
    const nodes = await addMachines(engine.db, 5000);
    const wishes = [...nodes.map((nodeId) => ({ roleId: roles.peer, nodeId })), ...nodes.slice(0, 200).map((nodeId) => ({ roleId: roles.app, nodeId }))];
    await withTransaction(engine.db.pool, (tx) =>
      bindMany(
        tx,
        wishes.map((wish) => ({ ...wish, deploymentId: engine.deploymentId })),
        undefined,
      ),
    );
    expect(await edges()).toBe(5200);
    await commit(engine);
    await driveToEnd(engine.db);
    const { rows } = await engine.db.pool.query(`SELECT count(*)::int AS n FROM node_roles WHERE state <> 'ACTIVE'`);
    expect(rows[0].n).toBe(0);
  });

  it('opens when every member is ACTIVE, and only then releases what depends on it', async () => {
    const { peers, app, gate } = await cluster(2);
    const turns = await claimAndBegin(engine.db);
    await settled(done(turns.get(peers[0])!));
    expect([await stateOf(engine.db, gate), await stateOf(engine.db, app)]).toEqual(['BLOCKED', 'BLOCKED']);
    await settled(done(turns.get(peers[1])!));
    expect([await stateOf(engine.db, gate), await stateOf(engine.db, app)]).toEqual(['TODO', 'BLOCKED']);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, app)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('a member that joins closes it for what has not run yet, leaves what is ACTIVE, and is told of when it opens again', async () => {
    const { roles, app, gate } = await cluster(2);
    await driveToEnd(engine.db, () => ({ kind: 'done', wall: { seen: 1 } }));
    const [node] = await addMachines(engine.db, 1);
    const late = await bind(engine, roles.peer, node);
    expect(await nodeRole(engine.db, gate)).toMatchObject({ state: 'ACTIVE', pending_parents: 0 });
    await commit(engine);
    expect(await nodeRole(engine.db, gate)).toMatchObject({ state: 'BLOCKED', pending_parents: 1 });
    expect(await nodeRole(engine.db, app)).toMatchObject({ state: 'ACTIVE', pending_parents: 1 });
    expect(await stateOf(engine.db, late)).toBe('TODO');
    await driveToEnd(engine.db, () => ({ kind: 'done', wall: { seen: 2 } }));
    expect(await stateOf(engine.db, app)).toBe('ACTIVE');
    expect(await runsOf(engine.db, app)).toHaveLength(2);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('a member bound but never committed keeps nobody waiting', async () => {
    const { roles, app } = await cluster(1);
    const [node] = await addMachines(engine.db, 1);
    await bind(engine, roles.peer, node);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, app)).toBe('ACTIVE');
  });

  it('a member that is unbound is waited for no more', async () => {
    const { peers, app, gate } = await cluster(2);
    await settled(done((await claimAndBegin(engine.db)).get(peers[0])!));
    await moveNodeRole(engine.db.pool, peers[1], { kind: 'repropose' }, 'test');
    await settled({ runId: (await runsOf(engine.db, peers[1]))[0].id, fence: 2, outcome: { kind: 'done' } });
    expect(await stateOf(engine.db, gate)).toBe('BLOCKED');
    await unbindNodeRole(engine.db, peers[1], { actor: 'test' });
    expect(await nodeRole(engine.db, gate)).toMatchObject({ state: 'TODO', pending_parents: 0 });
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, app)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('one dead member of three does not block a quorum of two; two do', async () => {
    const { peers, app, gate } = await cluster(3, { peer: { barrier: { quorum: 2 } } });
    const turns = await claimAndBegin(engine.db);
    await settled(done(turns.get(peers[0])!));
    expect(await stateOf(engine.db, gate)).toBe('BLOCKED');
    await settled(done(turns.get(peers[1])!));
    await driveToEnd(engine.db);
    expect([await stateOf(engine.db, gate), await stateOf(engine.db, app)]).toEqual(['ACTIVE', 'ACTIVE']);
    await settled(fail(turns.get(peers[2])!));
    await engine.db.pool.query('SELECT propagate_errors(100)');
    expect([await stateOf(engine.db, gate), await stateOf(engine.db, app)]).toEqual(['ACTIVE', 'ACTIVE']);
    await moveNodeRole(engine.db.pool, peers[0], { kind: 'poke' }, 'test');
    expect([await stateOf(engine.db, gate), await stateOf(engine.db, app)]).toEqual(['BLOCKED', 'ACTIVE']);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('a member in ERROR blocks what is below the barrier, and frees it when it is mended', async () => {
    const { peers, app } = await cluster(2);
    await driveToEnd(engine.db);
    await engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [peers[0]]);
    await moveNodeRole(engine.db.pool, peers[0], { kind: 'poke' }, 'test');
    await settled(fail((await claimAndBegin(engine.db)).get(peers[0])!));
    while (Number((await engine.db.pool.query('SELECT propagate_errors(100) AS n')).rows[0].n) > 0);
    expect(await nodeRole(engine.db, app)).toMatchObject({ state: 'BLOCKED', blocked_by: peers[0] });
    await moveNodeRole(engine.db.pool, peers[0], { kind: 'retry' }, 'test');
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, app)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('the barrier leaves behind who its committed members are', async () => {
    const { gate } = await cluster(3);
    const context = { noderole: { id: gate }, log: () => undefined } as unknown as JigContext;
    expect(await barrier(engine.db.pool)(context)).toMatchObject({
      kind: 'done',
      wall: { count: 3, members: expect.arrayContaining(['machine2', 'machine3']) },
    });
  });

  it('a dependant in a deployment below finds the barrier of the deployment above', async () => {
    const { roles, gate } = await cluster(2);
    const below = await createDeployment(engine.db, { name: 'below', parentId: engine.deploymentId, actor: 'test' });
    const [node] = await addMachines(engine.db, 1);
    const { nodeRoleId } = await bindRole(engine.db, { roleId: roles.app, nodeId: node, deploymentId: below.id, actor: 'test' });
    const { rows } = await engine.db.pool.query('SELECT parent_id FROM node_role_edges WHERE child_id = $1', [nodeRoleId]);
    expect(rows).toEqual([{ parent_id: gate }]);
  });
});

describe('rule 24: soft order', () => {
  const soft = { first: { precedes: ['second'] } };
  async function both(more: Record<string, Record<string, unknown>> = soft) {
    const roles = await addRoles(engine.db, { cause: [], second: [], first: ['cause'] }, more);
    const [node, other] = await addMachines(engine.db, 2);
    const cause = await bind(engine, roles.cause, other);
    const second = await bind(engine, roles.second, node);
    const first = await bind(engine, roles.first, node);
    await commit(engine);
    return { cause, first, second };
  }

  it('a predecessor on the same node that waits for its parents is waited for', async () => {
    const { cause, first, second } = await both();
    const turns = await claimAndBegin(engine.db);
    expect([...turns.keys()]).toEqual([cause]);
    await settled(done(turns.get(cause)!));
    expect([...(await claimAndBegin(engine.db)).keys()]).toEqual([first]);
    expect(await stateOf(engine.db, second)).toBe('TODO');
  });

  it('a predecessor blocked by an ERROR, or by a parent taken back, is not', async () => {
    const { cause, second } = await both();
    await settled(fail((await claimAndBegin(engine.db)).get(cause)!));
    expect([...(await claimAndBegin(engine.db)).keys()]).toEqual([second]);
  });

  it('a predecessor that is not there pulls nothing in', async () => {
    const roles = await addRoles(engine.db, { second: [], first: [] }, soft);
    const [node] = await addMachines(engine.db, 1);
    const second = await bind(engine, roles.second, node);
    await commit(engine);
    expect([...(await claimAndBegin(engine.db)).keys()]).toEqual([second]);
  });
});

describe('services', () => {
  it('are bound without a node, to the phantom node of their deployment, and answer for everybody in it', async () => {
    const roles = await addRoles(engine.db, { ntp: [], app: ['ntp'] }, { ntp: { flags: ['service'] } });
    const bound = await bindRole(engine.db, { roleId: roles.ntp, nodeId: null, deploymentId: engine.deploymentId, actor: 'test' });
    const { rows } = await engine.db.pool.query('SELECT n.kind, n.name FROM node_roles nr JOIN nodes n ON n.id = nr.node_id WHERE nr.id = $1', [
      bound.nodeRoleId,
    ]);
    expect(rows).toEqual([{ kind: 'phantom', name: 'demo-phantom' }]);
    for (const node of await addMachines(engine.db, 2)) await bind(engine, roles.app, node);
    await commit(engine);
    await driveToEnd(engine.db);
    expect((await engine.db.pool.query(`SELECT count(*)::int AS n FROM node_roles WHERE state = 'ACTIVE'`)).rows[0].n).toBe(3);
  });

  it('a role that is no service needs a node, and is told so', async () => {
    const roles = await addRoles(engine.db, { app: [] });
    await expect(bindRole(engine.db, { roleId: roles.app, nodeId: null, deploymentId: engine.deploymentId, actor: 'test' })).rejects.toThrow(
      /'app' is no service, so it needs a node/,
    );
  });
});

describe('rule 10: caps', () => {
  const cap = (name: string, max: number) => engine.db.pool.query('INSERT INTO caps (name, max) VALUES ($1, $2)', [name, max]);

  it('the cap of all classes together, and that of a deployment, are never exceeded', async () => {
    const roles = await addRoles(engine.db, { a: [] });
    for (const node of await addMachines(engine.db, 20)) await bind(engine, roles.a, node);
    await commit(engine);
    await cap('total', 7);
    expect(await claim(engine.db.pool, 100)).toHaveLength(7);
    expect(await claim(engine.db.pool, 100)).toHaveLength(0);
    await cap(`deployment:${engine.deploymentId}`, 9);
    await engine.db.pool.query(`UPDATE caps SET max = 100 WHERE name = 'total'`);
    expect(await claim(engine.db.pool, 100)).toHaveLength(2);
    expect(await claim(engine.db.pool, 100)).toHaveLength(0);
  });
});
