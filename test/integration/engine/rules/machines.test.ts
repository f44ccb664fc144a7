/** Rules 1 and 21: a step on a machine, its agent, its boots, its losses. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { claim } from '../../../../src/noderoles/claim.js';
import { cancelNodeRole } from '../../../../src/noderoles/verbs.js';
import { finishWork, pollWork } from '../../../../src/runs/agent-work.js';
import { call, claimAndBegin, nodeRole, runsOf, stateOf } from '../../../support/direct-engine.js';
import { type Turn, wait } from '../../../support/outcomes.js';
import { waitFor } from '../../../support/wait-for.js';
import { useRig } from './rig.js';

const { engine, settled, deploy } = useRig();

describe('work on the machine', () => {
  let id: number;
  let node: number;
  let turn: Turn;
  beforeEach(async () => {
    const { ids, nodeIds } = await deploy({ a: [] });
    id = ids.a!;
    node = nodeIds[0]!;
    turn = (await claimAndBegin(engine.db)).get(id)!;
    await engine.db.pool.query(`INSERT INTO agent_work (run_id, node_id, fence, spec) VALUES ($1, $2, $3, '{"script":"true","env":{},"timeoutSeconds":60}')`, [
      turn.runId,
      node,
      turn.fence,
    ]);
    await settled([wait(turn, 'node', `work:${turn.runId}`)]);
    expect(await pollWork(engine.db, { nodeId: node, bootId: `boot-${node}` })).toMatchObject({ runId: turn.runId });
  });
  const finish = () => finishWork(engine.db, { nodeId: node, runId: turn.runId, fence: turn.fence, exitStatus: 0, wall: {} });
  const prove = () => call(engine.db, `prove_stopped(interval '2 seconds')`);

  it('rule 1: a cancelled step keeps the machine until its agent asks for more', async () => {
    await cancelNodeRole(engine.db, id, 'test');
    expect(await prove()).toBe(0);
    expect(await pollWork(engine.db, { nodeId: node, bootId: `boot-${node}` })).toBe(null);
    expect(await prove()).toBe(1);
  });

  it('rule 1: or reports its result, which is kept as a late one', async () => {
    await cancelNodeRole(engine.db, id, 'test');
    expect(await finish()).toBe('late');
    expect(await prove()).toBe(1);
  });

  it('rule 21: another boot id ends it as node-rebooted, which is no failure of the role, and proves the stop', async () => {
    await engine.db.pool.query(`UPDATE node_status SET boot_id = 'another' WHERE node_id = $1`, [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(1);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'TODO', failures: 0 });
    expect(await prove()).toBe(1);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ outcome: 'node-rebooted' });
  });

  it('rule 21: a node that is not alive keeps its step until the agent lease is over, then it is node-lost', async () => {
    await engine.db.pool.query('UPDATE nodes SET alive = false WHERE id = $1', [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(0);
    await engine.db.pool.query(`UPDATE agent_work SET lease_until = clock_timestamp() - interval '1 second'`);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(1);
    expect(await stateOf(engine.db, id)).toBe('TODO');
    // Nothing proves that the step has stopped.
    expect(await prove()).toBe(0);
  });

  it('rule 21: the same boot that comes back within the lease of the agent goes on with the step', async () => {
    await engine.db.pool.query('UPDATE nodes SET alive = false WHERE id = $1', [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(0);
    // Nothing else is begun on it meanwhile.
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    await engine.db.pool.query('UPDATE nodes SET alive = true WHERE id = $1', [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(0);
    expect(await finish()).not.toBe('late');
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ outcome: null });
    expect(await stateOf(engine.db, id)).toBe('TRANSITION');
  });

  // The run was looked up as waiting, and stopped although its result had come in between.
  it('rule 21: a result that comes first is not thrown away', async () => {
    await engine.db.pool.query('UPDATE nodes SET alive = false WHERE id = $1', [node]);
    await engine.db.pool.query(`UPDATE agent_work SET lease_until = clock_timestamp() - interval '1 second'`);
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [node]);
      const fenced = call(engine.db, 'fence_lost_nodes()');
      await waitFor(
        async () =>
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'the sweep to wait' },
      );
      expect(await finish()).toBe('taken');
      await tx.query('COMMIT');
      expect(await fenced).toBe(0);
    } finally {
      tx.release();
    }
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });

  // Work before run here, run before work in a cancel: one of the two was rolled back, and an agent's result with it.
  it('rule 21: a result and a cancel at once never deadlock', async () => {
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT 1 FROM runs WHERE id = $1 FOR NO KEY UPDATE', [turn.runId]);
      const finished = finish();
      await waitFor(
        async () =>
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'the result to wait' },
      );
      await tx.query(`SET LOCAL lock_timeout = '2s'`);
      await tx.query(`UPDATE agent_work SET lease_until = lease_until WHERE run_id = $1`, [turn.runId]);
      await tx.query('COMMIT');
      expect(await finished).toBe('taken');
    } finally {
      tx.release();
    }
  });
});
