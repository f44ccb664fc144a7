/** Rules 7 to 9: what keeps a machine for a run, what a run is given, and when that makes it run again. */
import { describe, expect, it } from '@jest/globals';
import { commitDeployment } from '../../../../src/deployments/verbs.js';
import { claim } from '../../../../src/noderoles/claim.js';
import { moveNodeRole } from '../../../../src/noderoles/store.js';
import { cancelNodeRole, retryNodeRole, setNodeRoleData } from '../../../../src/noderoles/verbs.js';
import {
  addMachines,
  addRoles,
  begin,
  bind,
  call,
  claimAndBegin,
  commit,
  driveToEnd,
  nodeRole,
  runsOf,
  start,
  stateOf,
} from '../../../support/direct-engine.js';
import { done, fail, wait } from '../../../support/outcomes.js';
import { useRig } from './rig.js';

const { engine, settled, raise, deploy, expireLease } = useRig();

describe('rule 7: what holds the node', () => {
  it('a wait that keeps nothing frees the node, and comes back before anything that is TODO', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [], c: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const [a, b, c] = [await bind(engine, roles.a, node), await bind(engine, roles.b, node), await bind(engine, roles.c, node)];
    await commit(engine);
    const first = (await claimAndBegin(engine.db)).get(a)!;
    await settled([wait(first, 'nothing')], 100);
    expect(await stateOf(engine.db, a)).toBe('TRANSITION');
    const [second] = await runsOf(engine.db, b);
    expect(second).toMatchObject({ status: 'QUEUED', holds_slot: true });
    await raise('k');
    expect((await runsOf(engine.db, a))[0]).toMatchObject({ status: 'WAKING', holds_slot: false });
    expect(await claim(engine.db.pool, 100)).toEqual([]);
    const turn = await begin(engine.db, { runId: second.id, dispatch: 1, fence: second.fence });
    const [back] = await settled([done(turn)], 100);
    expect(back?.runId).toBe(first.runId);
    expect(await stateOf(engine.db, c)).toBe('TODO');
    await begin(engine.db, back);
  });

  it.each(['node', 'nothing'] as const)('a wait that keeps %s counts against no cap of its class', async (keeps) => {
    const roles = await addRoles(engine.db, { a: [], b: [] });
    const [one, other] = (await addMachines(engine.db, 2)) as [number, number];
    const [a, b] = [await bind(engine, roles.a, one), await bind(engine, roles.b, other)];
    await commit(engine);
    await engine.db.pool.query(`INSERT INTO caps (name, max) VALUES ('fast', 1)`);
    try {
      const begun = await claimAndBegin(engine.db);
      expect([...begun.keys()]).toEqual([a]);
      expect(await claim(engine.db.pool, 10)).toEqual([]);
      await settled([wait(begun.get(a)!, keeps)]);
      expect([...(await claimAndBegin(engine.db)).keys()]).toEqual([b]);
    } finally {
      await engine.db.pool.query('DELETE FROM caps');
    }
  });

  it('a wait that keeps the node keeps it', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const a = await bind(engine, roles.a, node);
    const b = await bind(engine, roles.b, node);
    await commit(engine);
    await settled([wait((await claimAndBegin(engine.db)).get(a)!)], 100);
    expect(await claim(engine.db.pool, 100)).toEqual([]);
    expect(await stateOf(engine.db, b)).toBe('TODO');
  });

  it('a retryable failure releases the node while it backs off', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [] }, { a: { backoff_seconds: 3600 } });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const a = await bind(engine, roles.a, node);
    const b = await bind(engine, roles.b, node);
    await commit(engine);
    await settled([fail((await claimAndBegin(engine.db)).get(a)!, true)], 100);
    expect(await nodeRole(engine.db, a)).toMatchObject({ state: 'TODO', failures: 1 });
    expect(await stateOf(engine.db, b)).toBe('TRANSITION');
  });

  it('roles of the admin node run side by side, a role with itself does not', async () => {
    const roles = await addRoles(engine.db, { a: [], b: [] });
    const [admin] = (await addMachines(engine.db, 1, 'admin')) as [number];
    const a = await bind(engine, roles.a, admin);
    await bind(engine, roles.b, admin);
    await commit(engine);
    const turns = await claimAndBegin(engine.db);
    expect(turns.size).toBe(2);
    await cancelNodeRole(engine.db, a, 'test');
    await engine.db.pool.query(`UPDATE node_roles SET state = 'TODO', error_code = NULL WHERE id = $1`, [a]);
    expect(await claim(engine.db.pool, 100)).toEqual([]);
    await engine.db.pool.query(`UPDATE node_roles SET state = 'ERROR', error_code = 'test' WHERE id = $1`, [a]);
  });
});

describe('inputs', () => {
  it('rule 9: inputs are frozen at the start: a later change is not seen by the run, and makes it run again', async () => {
    const { ids } = await deploy({ a: [] });
    const ring = (await claim(engine.db.pool, 1))[0];
    const answer = await start(engine.db, ring);
    await setNodeRoleData(engine.db, ids.a, { colour: 'blue' }, 'test');
    await commitDeployment(engine.db, engine.deploymentId, 'test');
    expect(answer.kind === 'run' && answer.run.inputs.colour).toBe(undefined);
    await settled([done({ runId: ring.runId, fence: 2 })]);
    expect(await stateOf(engine.db, ids.a)).toBe('TODO');
    const next = await start(engine.db, (await claim(engine.db.pool, 1))[0]);
    expect(next.kind === 'run' && next.run.inputs.colour).toBe('blue');
  });

  it('rule 9: a change between claim and start is in the inputs, and does not make it run twice', async () => {
    const { ids } = await deploy({ a: [] });
    const ring = (await claim(engine.db.pool, 1))[0];
    await setNodeRoleData(engine.db, ids.a, { colour: 'blue' }, 'test');
    await commitDeployment(engine.db, engine.deploymentId, 'test');
    await settled([done(await begin(engine.db, ring))]);
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('rule 9: the same inputs as at the last success are skipped: no jig, the wall stays, children stay', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: 1 } }));
    await moveNodeRole(engine.db.pool, ids.a, { kind: 'poke' }, 'test');
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'ACTIVE', pending_parents: 1 });
    const answer = await start(engine.db, (await claim(engine.db.pool, 10))[0]);
    expect(answer.kind).toBe('skip');
    if (answer.kind === 'skip') await settled([{ runId: answer.runId, fence: answer.fence, outcome: { kind: 'skip' } }]);
    expect((await runsOf(engine.db, ids.a)).map((run) => run.outcome)).toEqual(['succeeded', 'skipped']);
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'ACTIVE', pending_parents: 0 });
    expect(await runsOf(engine.db, ids.b)).toHaveLength(1);
  });

  // The memo knew the last success only: inputs put back after a run that had failed half way made it ACTIVE unrun.
  it.each(['fails', 'is cancelled', 'loses its lease'])('9: after a run that %s, inputs as they were before are run again', async (how) => {
    const { ids } = await deploy({ a: [] });
    const setColour = async (colour: string) => {
      await setNodeRoleData(engine.db, ids.a, { colour }, 'test');
      await commitDeployment(engine.db, engine.deploymentId, 'test');
    };
    await setColour('blue');
    await driveToEnd(engine.db);
    await setColour('red');
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    if (how === 'fails') await settled([fail(turn)]);
    if (how === 'is cancelled') {
      await cancelNodeRole(engine.db, ids.a, 'test');
      await settled([done(turn)]);
    }
    if (how === 'loses its lease') {
      await expireLease(turn.runId);
      await call(engine.db, 'expire_leases(5)');
      await call(engine.db, `prove_stopped(interval '2 seconds')`);
    } else await retryNodeRole(engine.db, ids.a, 'test');
    await setColour('blue');
    expect((await start(engine.db, (await claim(engine.db.pool, 1))[0])).kind).toBe('run');
  });

  it('rule 9: a parent that left ACTIVE before the start supersedes the run', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!)]);
    const ring = (await claim(engine.db.pool, 1))[0];
    await moveNodeRole(engine.db.pool, ids.a, { kind: 'poke' }, 'test');
    const answer = await start(engine.db, ring);
    expect(answer.kind).toBe('supersede');
    await settled([{ runId: ring.runId, fence: 2, outcome: { kind: 'supersede' } }]);
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'BLOCKED', failures: 0 });
    expect((await runsOf(engine.db, ids.b))[0]).toMatchObject({ outcome: 'superseded' });
  });

  // Children kept what they had read from the old wall for ever: an address that changed was never seen by them.
  it('rule 8: a parent that leaves another wall makes the children that read the old one run again', async () => {
    const { ids } = await deploy({ a: [], b: ['a'], c: ['b'] });
    await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: 1 } }));
    await setNodeRoleData(engine.db, ids.a, { colour: 'blue' }, 'test');
    await commitDeployment(engine.db, engine.deploymentId, 'test');
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!, { v: 2 })]);
    expect(await stateOf(engine.db, ids.b)).toBe('TODO');
    await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: 1 } }));
    expect((await runsOf(engine.db, ids.b)).map((run) => run.outcome)).toEqual(['succeeded', 'succeeded']);
    // Its own wall is as before, so nothing went on to its children.
    expect(await runsOf(engine.db, ids.c)).toHaveLength(1);
  });

  it('rule 8: a parent that leaves another wall while a child runs makes that child run once more', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!, { v: 1 })]);
    const child = (await claimAndBegin(engine.db)).get(ids.b)!;
    await setNodeRoleData(engine.db, ids.a, { colour: 'blue' }, 'test');
    await commitDeployment(engine.db, engine.deploymentId, 'test');
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!, { v: 2 })]);
    await settled([done(child)]);
    expect(await stateOf(engine.db, ids.b)).toBe('TODO');
  });
});
