/**
 * Issue 3, "Bad input": input that nobody should send, and what the engine answers to each. Nothing crashes, nothing is
 * lost, nothing runs twice. Edited jobs are in edited-jobs.test.ts, role files in test/unit/roles/barclamp.test.ts.
 */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { withTransaction } from '../../../src/db/client.js';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import type { Jig } from '../../../src/jigs/contract.js';
import { bindMany } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle } from '../../../src/noderoles/settle.js';
import { Executor } from '../../../src/runs/execute.js';
import { startRuns } from '../../../src/runs/start.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addMachines, addRoles, bind, claimAndBegin, commit, driveToEnd, nodeRole, useEngine, runsOf, stateOf, unsound } from '../../support/direct-engine.js';
import { done } from '../../support/outcomes.js';

const engine = useEngine();

const DEEP = 10_000;
const WIDE = 5_000;
const numberOf = async (text: string) => Number((await engine.db.pool.query<{ n: string }>(`SELECT (${text}) AS n`)).rows[0]?.n);
/** `r0`, and each other role requires the one before it. */
const chain = (length: number) => Object.fromEntries(Array.from({ length }, (_, index) => [`r${index}`, index === 0 ? [] : [`r${index - 1}`]]));

/** Binding it to the node must be refused with the circle, and leave nothing behind. */
async function refuseCircle(role: string, roleId: number | undefined, nodeId: number | undefined): Promise<void> {
  const before = await numberOf('SELECT count(*) FROM node_roles');
  const refusal: unknown = await bind(engine, roleId ?? 0, nodeId ?? 0).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: 'role-cycle', message: expect.stringMatching(new RegExp(`^roles require each other: ${role} -> .*-> ${role}$`)) });
  expect((refusal as Error).message.length).toBeLessThan(500);
  expect(await numberOf('SELECT count(*) FROM node_roles')).toBe(before);
}

describe('cyclic requirements', () => {
  it('that came past the import are refused by the bind, with the circle, and nothing is half bound', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'], c: ['b'] });
    const [node] = await addMachines(engine.db, 1);
    await engine.db.pool.query(`INSERT INTO role_requires (role_id, requires) VALUES ($1, 'c')`, [roles['a']]);
    await refuseCircle('c', roles['c'], node);
  });
});

describe(`a chain of ${DEEP} requirements on one machine`, () => {
  it('is bound, committed, run from its end, explained from its other end; shut to a circle, it is refused', async () => {
    const roles = await addRoles(engine.db, chain(DEEP));
    const [node, other] = await addMachines(engine.db, 2);
    const last = await bind(engine, roles[`r${DEEP - 1}`] ?? 0, node ?? 0);
    expect(await numberOf(`SELECT count(*) FROM node_roles WHERE deployment_id = ${engine.deploymentId}`)).toBe(DEEP);
    expect(await numberOf(`SELECT cohort FROM node_roles WHERE id = ${last}`)).toBe(DEEP - 1);
    expect(await commit(engine)).toMatchObject({ committed: DEEP });

    for (let index = 0; index < 3; index += 1) {
      const begun = await claimAndBegin(engine.db);
      expect(begun.size).toBe(1);
      await settle(
        engine.db.pool,
        [...begun.values()].map((turn) => done(turn)),
        0,
      );
    }
    expect(await numberOf(`SELECT count(*) FROM node_roles WHERE state = 'ACTIVE' AND deployment_id = ${engine.deploymentId}`)).toBe(3);
    const [failed] = [...(await claimAndBegin(engine.db)).values()];
    if (failed) await settle(engine.db.pool, [{ ...failed, outcome: { kind: 'fail', code: 'told', message: 'disk on fire', retryable: false } }], 0);
    const why = await explainNodeRole(engine.db, last);
    expect(why.answer).toContain('disk on fire');
    expect(why.chain.length).toBeLessThan(100);
    expect(await unsound(engine.db)).toEqual([]);

    await engine.db.pool.query(`UPDATE roles SET flags = '{implicit}' WHERE name = ANY($1)`, [Object.keys(roles)]);
    await engine.db.pool.query('INSERT INTO role_requires (role_id, requires) VALUES ($1, $2)', [roles['r0'], `r${DEEP - 1}`]);
    await refuseCircle(`r${DEEP - 1}`, roles[`r${DEEP - 1}`], other);
  });
});

describe(`${WIDE} parents of one noderole`, () => {
  it('are counted right when two settle at once and some of them twice, and release it once', async () => {
    const names = Array.from({ length: WIDE }, (_, index) => `p${index}`);
    const roles = await addRoles(engine.db, { ...Object.fromEntries(names.map((name) => [name, []])), all: names });
    const nodes = await addMachines(engine.db, WIDE + 1);
    const { deploymentId } = engine;
    await withTransaction(engine.db.pool, (tx) =>
      bindMany(
        tx,
        names.map((name, index) => ({ roleId: roles[name] ?? 0, nodeId: nodes[index] ?? 0, deploymentId })),
        undefined,
      ),
    );
    const child = await bind(engine, roles['all'] ?? 0, nodes[WIDE] ?? 0);
    expect(await numberOf(`SELECT count(*) FROM node_role_edges WHERE child_id = ${child}`)).toBe(WIDE);
    await commit(engine);
    expect(await nodeRole(engine.db, child)).toMatchObject({ state: 'BLOCKED', pending_parents: WIDE });

    await engine.db.pool.query(`UPDATE worker_slots SET slots = 10000`);
    for (let rings = await claim(engine.db.pool, 10_000); rings.length > 0; rings = await claim(engine.db.pool, 10_000)) {
      const answers = await startRuns(engine.db.pool, rings, 'w1', 600);
      const turns = answers.flatMap((answer) => (answer.kind === 'run' ? [done({ runId: answer.run.runId, fence: answer.run.fence })] : []));
      if (turns.length === 1) break;
      const half = Math.floor(turns.length / 2);
      await Promise.all([settle(engine.db.pool, turns.slice(0, half + 100), 0), settle(engine.db.pool, turns.slice(half), 0)]);
    }
    expect(await nodeRole(engine.db, child)).toMatchObject({ state: 'TRANSITION', pending_parents: 0 });
    expect(await numberOf(`SELECT count(*) FROM outbox_events WHERE kind = 'noderole-changed' AND subject_id = ${child} AND data->>'to' = 'TODO'`)).toBe(1);
    expect(await unsound(engine.db)).toEqual([]);
  });
});

describe('commits of one deployment at once', () => {
  it('one does it, the others are told that there is nothing to commit', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'] });
    for (const node of await addMachines(engine.db, 20)) await bind(engine, roles['b'] ?? 0, node);
    const bound = await numberOf(`SELECT count(*) FROM node_roles WHERE deployment_id = ${engine.deploymentId}`);
    const answers = await Promise.allSettled(Array.from({ length: 6 }, () => commitDeployment(engine.db, engine.deploymentId, 'test')));
    expect(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))).toMatchObject([{ revision: 1, committed: bound }]);
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
    expect(refused).toHaveLength(5);
    for (const refusal of refused) expect(refusal).toMatchObject({ code: 'nothing-to-commit', status: 409 });
    expect(await numberOf(`SELECT revision FROM deployments WHERE id = ${engine.deploymentId}`)).toBe(1);
    expect(await numberOf(`SELECT count(*) FROM outbox_events WHERE kind = 'deployment-committed' AND subject_id = ${engine.deploymentId}`)).toBe(1);
    expect(await numberOf(`SELECT count(*) FROM audit WHERE action = 'deployment.commit' AND target = 'deployment/${engine.deploymentId}'`)).toBe(1);
    await driveToEnd(engine.db);
    expect(await numberOf(`SELECT count(*) FROM node_roles WHERE state <> 'ACTIVE'`)).toBe(0);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('and binds between them: each noderole is committed by one of them, and none is left out for good', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'] });
    const nodes = await addMachines(engine.db, 12);
    const attempt = () =>
      commitDeployment(engine.db, engine.deploymentId, 'test').then(
        ({ committed }) => committed,
        () => 0,
      );
    const work = nodes.flatMap((node) => [bind(engine, roles['b'] ?? 0, node).then(() => 0), attempt(), attempt()]);
    const committed = (await Promise.all(work)).reduce((sum, n) => sum + n, 0) + (await attempt());
    expect(await numberOf(`SELECT count(*) FROM node_roles WHERE state = 'PROPOSED'`)).toBe(0);
    expect(committed).toBe(await numberOf(`SELECT count(*) FROM node_roles WHERE deployment_id = ${engine.deploymentId}`));
    await driveToEnd(engine.db);
    expect(await numberOf(`SELECT count(*) FROM node_roles WHERE state <> 'ACTIVE'`)).toBe(0);
    expect(await unsound(engine.db)).toEqual([]);
  });
});

describe('a result posted', () => {
  let id: number;
  let turn: { runId: number; fence: number };
  beforeEach(async () => {
    const roles = await addRoles(engine.db, { a: [] });
    const [node] = await addMachines(engine.db, 1);
    id = await bind(engine, roles['a'] ?? 0, node ?? 0);
    await commit(engine);
    turn = (await claimAndBegin(engine.db)).get(id) ?? { runId: 0, fence: 0 };
  });
  const late = () => numberOf('SELECT count(*) FROM late_results');
  const failure = { kind: 'fail', code: 'forged', message: 'x', retryable: false } as const;

  it.each<[string, (turn: { runId: number; fence: number }) => { runId: number; fence: number }]>([
    ['with an old fence', ({ runId, fence }) => ({ runId, fence: fence - 1 })],
    ['with a fence that was never given', ({ runId, fence }) => ({ runId, fence: fence + 5 })],
    ['with a negative fence', ({ runId }) => ({ runId, fence: -1 })],
    ['for a run that does not exist', () => ({ runId: 4_000_000_000, fence: 1 })],
  ])('%s changes nothing, whatever it says, is kept as a late one, and the true one still counts', async (_case, forge) => {
    const before = [await nodeRole(engine.db, id), await runsOf(engine.db, id)];
    await settle(engine.db.pool, [done(forge(turn))], 10);
    await settle(engine.db.pool, [{ ...forge(turn), outcome: failure }], 10);
    expect([await nodeRole(engine.db, id), await runsOf(engine.db, id)]).toEqual(before);
    expect(await late()).toBe(2);
    await settle(engine.db.pool, [done(turn)], 0);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('after the run has ended is kept as a late one and changes nothing', async () => {
    await settle(engine.db.pool, [done(turn)], 0);
    await settle(engine.db.pool, [{ ...turn, outcome: failure }], 0);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
    expect((await runsOf(engine.db, id)).map((run) => run.outcome)).toEqual(['succeeded']);
    expect(await late()).toBe(1);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('beside a true one in the same batch takes nothing from it', async () => {
    await settle(
      engine.db.pool,
      [{ runId: turn.runId, fence: turn.fence - 1, outcome: failure }, done(turn), { runId: 4_000_000_000, fence: 1, outcome: failure }],
      0,
    );
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });
});

describe('a jig that never returns', () => {
  const never = (heeds: boolean): Jig => ({
    name: 'test',
    description: 'never returns',
    run: (ctx) =>
      new Promise((_resolve, reject) =>
        heeds && ctx.inputs.node !== undefined ? ctx.signal.addEventListener('abort', () => reject(new Error('told to stop'))) : undefined,
      ),
  });

  it.each([
    ['until it is told to stop', true],
    ['even then', false],
  ])('%s is given up after its timeout, and holds up nobody else meanwhile', async (_case, heeds) => {
    const roles = await addRoles(
      engine.db,
      { hangs: [], other: [], after: ['hangs'] },
      { hangs: { timeout_seconds: 1, max_attempts: 1 }, other: { jig: 'noop' } },
    );
    const [first, second] = await addMachines(engine.db, 2);
    const hangs = await bind(engine, roles['hangs'] ?? 0, first ?? 0);
    const after = await bind(engine, roles['after'] ?? 0, first ?? 0);
    const other = await bind(engine, roles['other'] ?? 0, second ?? 0);
    await commit(engine);
    const noop: Jig = { name: 'noop', description: '', run: async () => ({ kind: 'done' }) };
    const executor = new Executor({
      pool: engine.db.pool,
      jigs: new Map([
        ['test', never(heeds)],
        ['noop', noop],
      ]),
      worker: 'w1',
      leaseSeconds: 30,
      abortGraceMs: 50,
      ring: async () => undefined,
      claimPerSettle: 0,
      log: createLogger('test', 'silent'),
    });
    const began = performance.now();
    const handled = (await claim(engine.db.pool, 10)).map((ring) => executor.handle(ring).then(() => performance.now() - began));
    const times = await Promise.all(handled);
    expect(Math.min(...times)).toBeLessThan(900);
    expect(await stateOf(engine.db, other)).toBe('ACTIVE');
    expect(await nodeRole(engine.db, hangs)).toMatchObject({ state: 'ERROR', error_code: 'timeout' });
    expect(await stateOf(engine.db, after)).toBe('BLOCKED');
    // One that heeds nothing may still be at work: its machine is nobody else's until its lease is over.
    const [run] = await runsOf(engine.db, hangs);
    expect(run).toMatchObject(heeds ? { status: 'ENDED', outcome: 'failed' } : { status: 'STOPPING', outcome: null });
    await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute' WHERE status = 'STOPPING'`);
    await engine.db.pool.query(`SELECT prove_stopped(interval '2 seconds')`);
    expect((await runsOf(engine.db, hangs))[0]).toMatchObject({ status: 'ENDED', outcome: 'failed' });
    expect(await unsound(engine.db)).toEqual([]);
    executor.leases.stop();
  });
});
