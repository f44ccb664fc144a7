/** What proves that a stopped run has stopped (rules 1, 17), and what does not. */
import { expect, it } from '@jest/globals';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { cancelNodeRole } from '../../../src/noderoles/verbs.js';
import { agentPort, pollWork, renewWork } from '../../../src/runs/agent-work.js';
import { addMachines, addRoles, bind, begin, call, claimAndBegin, commit, useEngine, runsOf, stateOf, unsound } from '../../support/direct-engine.js';

const engine = useEngine();

async function oneRunning() {
  const roles = await addRoles(engine.db, { install: [] });
  const [node] = await addMachines(engine.db, 1);
  const id = await bind(engine, roles.install, node);
  await commit(engine);
  const run = (await claimAndBegin(engine.db)).get(id);
  if (!run) throw new Error('not begun');
  return { id, node, run };
}

// A settle that was committed while its answer was lost is sent again by the executor's pump. When the run was cancelled
// in between, that second sending ended it and freed the machine, while the agent was still at work.
it('rule 1: a wait that is settled twice is no proof that what waits has stopped', async () => {
  const { db } = engine;
  const { id, node, run } = await oneRunning();
  const { key } = await agentPort(db.pool, { ...run, node: { id: node } }).offer({ script: 'true', env: {}, timeoutSeconds: 60 });
  const waits: Settlement[] = [{ ...run, outcome: { kind: 'wait', key, minGeneration: 1, deadlineSeconds: 600, keeps: 'node', memo: {} } }];
  await settle(db.pool, waits, 0);
  expect(await pollWork(db, { nodeId: node, bootId: `boot-${node}` })).toMatchObject({ runId: run.runId });
  await cancelNodeRole(db, id, 'test');
  await settle(db.pool, waits, 0);
  expect((await runsOf(db, id)).map(({ status, holds_slot }) => ({ status, holds_slot }))).toEqual([{ status: 'STOPPING', holds_slot: true }]);
  // The agent is told when it renews; asking for new work says that it has nothing in hand.
  expect(await pollWork(db, { nodeId: node, bootId: `boot-${node}` })).toBeNull();
  expect(await call(db, `prove_stopped(interval '2 seconds')`)).toBe(1);
  expect((await runsOf(db, id)).map((row) => row.outcome)).toEqual(['cancelled']);
});

it('rule 17: the result of the executor that was running when the run was stopped is the proof', async () => {
  const { db } = engine;
  const { id, run } = await oneRunning();
  await cancelNodeRole(db, id, 'test');
  await settle(db.pool, [{ ...run, outcome: { kind: 'lost', message: 'aborted' } }], 0);
  expect((await runsOf(db, id)).map((row) => row.outcome)).toEqual(['cancelled']);
});

it('rule 17: after a wait, only the executor that went on proves it', async () => {
  const { db } = engine;
  const { id, run } = await oneRunning();
  const wait: Settlement = { ...run, outcome: { kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 600, keeps: 'node', memo: {} } };
  await settle(db.pool, [wait], 0);
  await db.pool.query(`SELECT raise_fact('k', 1, '{}')`);
  const { rows } = await db.pool.query<{ run_id: number; dispatch: number; fence: number }>(`SELECT * FROM ring_again(interval '0', 10)`);
  const again = await begin(db, { runId: rows[0].run_id, dispatch: rows[0].dispatch, fence: rows[0].fence });
  await cancelNodeRole(db, id, 'test');
  await settle(db.pool, [wait], 0);
  expect((await runsOf(db, id)).map((row) => row.status)).toEqual(['STOPPING']);
  await settle(db.pool, [{ ...again, outcome: { kind: 'done' } }], 0);
  expect((await runsOf(db, id)).map((row) => row.outcome)).toEqual(['cancelled']);
  expect(await claim(db.pool, 10)).toEqual([]);
});

// The simulation found it: a script that was taken late outlived the deadline of its run, which failed and gave the machine
// to the next run while the agent was at work.
it('rule 1: a run that fails at its deadline keeps the machine until the agent has let go of its work', async () => {
  const { db } = engine;
  const { id, node, run } = await oneRunning();
  const { key } = await agentPort(db.pool, { ...run, node: { id: node } }).offer({ script: 'true', env: {}, timeoutSeconds: 60 });
  await settle(db.pool, [{ ...run, outcome: { kind: 'wait', key, minGeneration: 1, deadlineSeconds: 0, keeps: 'node', memo: {} } }], 0);
  const work = await pollWork(db, { nodeId: node, bootId: `boot-${node}` });
  expect(await call(db, 'expire_waits()')).toBe(1);
  const { rows } = await db.pool.query<{ run_id: number; dispatch: number; fence: number }>(`SELECT * FROM ring_again(interval '0', 10)`);
  const again = await begin(db, { runId: rows[0].run_id, dispatch: rows[0].dispatch, fence: rows[0].fence });
  const late: Settlement = { ...again, outcome: { kind: 'fail', code: 'timeout', message: 'no result in time', retryable: true } };
  expect(await settle(db.pool, [late], 10)).toEqual([]);
  expect(await stateOf(db, id)).toBe('TODO');
  expect((await runsOf(db, id)).map(({ status, holds_slot }) => ({ status, holds_slot }))).toEqual([{ status: 'STOPPING', holds_slot: true }]);
  // The same result sent again is no proof either, nor is time.
  await settle(db.pool, [late], 10);
  expect(await call(db, `prove_stopped(interval '2 seconds')`)).toBe(0);
  expect(await claim(db.pool, 10)).toEqual([]);
  await expect(renewWork(db, { nodeId: node, runId: run.runId, fence: work?.fence ?? 0 })).rejects.toThrow(/stop it/);
  expect(await pollWork(db, { nodeId: node, bootId: `boot-${node}` })).toBeNull();
  expect(await call(db, `prove_stopped(interval '2 seconds')`)).toBe(1);
  expect((await runsOf(db, id)).map((row) => row.outcome)).toEqual(['retryable']);
  expect(await claim(db.pool, 10)).toHaveLength(1);
  expect(await unsound(db)).toEqual([]);
});

// The simulation found it: a run that had gone on at its deadline was cancelled, and its executor's result freed the
// machine while the agent was still at the work that had just been taken back.
it("rule 1: the word of a run's executor is no proof while its agent has work in hand", async () => {
  const { db } = engine;
  const { id, node, run } = await oneRunning();
  const { key } = await agentPort(db.pool, { ...run, node: { id: node } }).offer({ script: 'true', env: {}, timeoutSeconds: 60 });
  await settle(db.pool, [{ ...run, outcome: { kind: 'wait', key, minGeneration: 1, deadlineSeconds: 0, keeps: 'node', memo: {} } }], 0);
  await pollWork(db, { nodeId: node, bootId: `boot-${node}` });
  await call(db, 'expire_waits()');
  const { rows } = await db.pool.query<{ run_id: number; dispatch: number; fence: number }>(`SELECT * FROM ring_again(interval '0', 10)`);
  const again = await begin(db, { runId: rows[0].run_id, dispatch: rows[0].dispatch, fence: rows[0].fence });
  await cancelNodeRole(db, id, 'test');
  await settle(db.pool, [{ ...again, outcome: { kind: 'lost', message: 'aborted' } }], 0);
  expect((await runsOf(db, id)).map(({ status, holds_slot }) => ({ status, holds_slot }))).toEqual([{ status: 'STOPPING', holds_slot: true }]);
  // Its executor has stopped: what is left to wait for is the agent, not the lease.
  expect(await call(db, `prove_stopped(interval '2 seconds')`)).toBe(0);
  expect(await pollWork(db, { nodeId: node, bootId: `boot-${node}` })).toBeNull();
  expect(await call(db, `prove_stopped(interval '2 seconds')`)).toBe(1);
  expect((await runsOf(db, id)).map((row) => row.outcome)).toEqual(['cancelled']);
});
