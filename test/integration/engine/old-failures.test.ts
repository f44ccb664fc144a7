/**
 * The twelve ways in which the old engine failed (A1 to A12: one jig's ERROR that froze a node, waits that froze it, results of
 * another world, hooks that swallowed the next step ...), each as a scenario that now goes well.
 */
import { describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { annealPass } from '../../../src/annealer/anneal.js';
import { redeploy } from '../../../src/deployments/redeploy.js';
import { createHookDispatcher } from '../../../src/hooks/dispatch.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { proposeNodeRole } from '../../../src/noderoles/verbs.js';
import type { Ring } from '../../../src/queue/jobs.js';
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
  useEngine,
  runsOf,
  start,
  stateOf,
  unsound,
} from '../../support/direct-engine.js';
import { done, fail, wait } from '../../support/outcomes.js';

const engine = useEngine({ slots: 2 });

const settled = (...batch: Settlement[]) => settle(engine.db.pool, batch, 0);
const node = (set: string, id: number) => engine.db.pool.query(`UPDATE nodes SET ${set} WHERE id = $1`, [id]);

/** Roles on one machine, committed. */
async function together(roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}) {
  const roleIds = await addRoles(engine.db, roles, more);
  const [nodeId] = await addMachines(engine.db, 1);
  const ids: Record<string, number> = {};
  for (const name of Object.keys(roles)) ids[name] = await bind(engine, roleIds[name], nodeId);
  await commit(engine);
  return { ids, nodeId };
}

describe('the old engine', () => {
  it('A1: one noderole in ERROR leaves the rest of its node at work', async () => {
    const { ids } = await together({ bad: [], good: [] });
    await settled(fail((await claimAndBegin(engine.db)).get(ids.bad)!));
    await driveToEnd(engine.db);
    expect([await stateOf(engine.db, ids.bad), await stateOf(engine.db, ids.good)]).toEqual(['ERROR', 'ACTIVE']);
  });

  it('A2: a wait ends at its deadline, whatever becomes of what it waits for', async () => {
    const { ids } = await together({ a: [] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await settled(wait(turn, 'node'));
    await engine.db.pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second'`);
    expect(await call(engine.db, 'expire_waits()')).toBe(1);
    expect((await runsOf(engine.db, ids.a))[0]).toMatchObject({ status: 'WAKING', wake_reason: 'deadline' });
  });

  it('A3, race 24: a node taken out of work in the middle of a run lets the run end, and goes on when it is given back', async () => {
    const { ids, nodeId } = await together({ a: [], b: ['a'] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await node('available = false', nodeId);
    await settled(done(turn));
    expect([await stateOf(engine.db, ids.a), await stateOf(engine.db, ids.b)]).toEqual(['ACTIVE', 'TODO']);
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    await node('available = true', nodeId);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, ids.b)).toBe('ACTIVE');
  });

  it('A4, race 10: a node that flaps never gets a second jig while the first may run', async () => {
    const { ids, nodeId } = await together({ a: [], b: [] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await node('alive = false', nodeId);
    await node('alive = true', nodeId);
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    await settled(done(turn));
    expect(await claim(engine.db.pool, 10)).toHaveLength(1);
  });

  it('A5, race 11: the result of a run that was taken away changes nothing but the history', async () => {
    const { ids } = await together({ a: [] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await proposeNodeRole(engine.db, ids.a, 'operator');
    await settled(done(turn, { written: true }));
    expect(await stateOf(engine.db, ids.a)).toBe('PROPOSED');
    const { rows } = await engine.db.pool.query(`SELECT wall, (SELECT count(*)::int FROM late_results) AS late FROM node_roles WHERE id = $1`, [ids.a]);
    expect(rows[0]).toEqual({ wall: {}, late: 1 });
  });

  it('A6: a hook that throws on ACTIVE keeps no child waiting, and is tried again', async () => {
    const { ids } = await together({ a: [], b: ['a'] });
    let calls = 0;
    const dispatcher = createHookDispatcher(engine.db, {
      roles: new Map([['a', { onActive: async () => Promise.reject(new Error(`broken ${++calls}`)) }]]),
      log: pino({ level: 'silent' }),
      backoffMs: () => 3_600_000,
    });
    await settled(done((await claimAndBegin(engine.db)).get(ids.a)!));
    await dispatcher.drain();
    await dispatcher.close();
    expect(calls).toBe(1);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, ids.b)).toBe('ACTIVE');
    const { rows } = await engine.db.pool.query(`SELECT last_error FROM hook_deliveries WHERE role = 'a' AND hook = 'onActive'`);
    expect(rows).toEqual([{ last_error: expect.stringContaining('broken') }]);
  });

  it('A7: a noderole taken back between its claim and its start ends PROPOSED, not in ERROR', async () => {
    const { ids } = await together({ a: [] });
    const [ring] = await claim(engine.db.pool, 1);
    await proposeNodeRole(engine.db, ids.a, 'operator');
    expect((await start(engine.db, ring)).kind).toBe('dropped');
    expect(await stateOf(engine.db, ids.a)).toBe('PROPOSED');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('A8: a noderole whose run vanished is put right, not left in TRANSITION', async () => {
    const { ids } = await together({ a: [] });
    const [ring] = await claim(engine.db.pool, 1);
    await engine.db.pool.query('DELETE FROM runs WHERE id = $1', [ring.runId]);
    expect(await call(engine.db, 'repair_drift()')).toBe(1);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('A9: claims and settles of different nodes go on beside each other: nobody locks a table', async () => {
    const roles = await addRoles(engine.db, { a: [] });
    const [one, other] = await addMachines(engine.db, 2);
    await bind(engine, roles.a, one);
    const second = await bind(engine, roles.a, other);
    await commit(engine);
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      const { rows } = await tx.query<{ run_id: number }>('SELECT * FROM claim(ARRAY[$1::int], 10)', [one]);
      expect(rows).toHaveLength(1);
      const turns = await claimAndBegin(engine.db);
      await settled(done(turns.get(second)!));
      expect(await stateOf(engine.db, second)).toBe('ACTIVE');
      await tx.query('COMMIT');
    } finally {
      tx.release();
    }
  });

  it('A10, race 7: with two worker slots, fifty that wait keep none of the others from running', async () => {
    const roles = await addRoles(engine.db, { slow: [], quick: [] });
    const slow: number[] = [];
    for (const id of await addMachines(engine.db, 50)) slow.push(await bind(engine, roles.slow, id));
    await commit(engine);
    for (let rings: Ring[] = await claim(engine.db.pool, 1000); rings.length > 0; rings = await claim(engine.db.pool, 1000))
      for (const ring of rings) await settled(wait(await begin(engine.db, ring), 'node', `k:${ring.runId}`));
    expect(await Promise.all(slow.map((id) => stateOf(engine.db, id)))).toEqual(slow.map(() => 'TRANSITION'));
    const [machine] = await addMachines(engine.db, 1);
    const quick = await bind(engine, roles.quick, machine);
    await commit(engine);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, quick)).toBe('ACTIVE');
  });

  it('A11: a parent that failed and recovered frees what is below it without one jig', async () => {
    const { ids } = await together({ a: [], b: ['a'], c: ['b'] });
    await driveToEnd(engine.db);
    await engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [ids.a]);
    await moveNodeRole(engine.db.pool, ids.a, { kind: 'poke' }, 'operator');
    await settled(fail((await claimAndBegin(engine.db)).get(ids.a)!));
    while ((await call(engine.db, 'propagate_errors(100)')) > 0);
    expect(await stateOf(engine.db, ids.c)).toBe('BLOCKED');
    await moveNodeRole(engine.db.pool, ids.a, { kind: 'retry' }, 'operator');
    await driveToEnd(engine.db);
    expect((await runsOf(engine.db, ids.c)).map((run) => run.outcome)).toEqual(['succeeded', 'skipped']);
    expect(await nodeRole(engine.db, ids.c)).toMatchObject({ state: 'ACTIVE', pending_parents: 0 });
  });

  it('A12: a kick that nobody hears costs a pass, never work', async () => {
    const { ids } = await together({ a: [] });
    const lost: Ring[] = [];
    await annealPass(engine.db.pool, async (rings) => void lost.push(...rings));
    expect(lost).toHaveLength(1);
    await engine.db.pool.query(`UPDATE runs SET rung_at = rung_at - interval '1 hour'`);
    const { rows } = await engine.db.pool.query<{ run_id: number; dispatch: number; fence: number }>(`SELECT * FROM ring_again(interval '30 seconds', 100)`);
    expect(rows).toMatchObject([{ run_id: lost[0].runId, dispatch: 2 }]);
    await settled(done(await begin(engine.db, { runId: rows[0].run_id, dispatch: rows[0].dispatch, fence: rows[0].fence })));
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('race 20: a redeploy in the middle of an installation stops its run, and the next one waits until that is proven', async () => {
    const { ids, nodeId } = await together({ os: [], app: ['os'] }, { os: { flags: ['destructive'] } });
    const turn = (await claimAndBegin(engine.db)).get(ids.os)!;
    await redeploy(engine.db, { nodeId }, 'operator');
    expect((await runsOf(engine.db, ids.os))[0]).toMatchObject({ status: 'STOPPING' });
    expect(await stateOf(engine.db, ids.os)).toBe('TODO');
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    await settled(done(turn));
    expect(await stateOf(engine.db, ids.os)).toBe('TODO');
    await driveToEnd(engine.db);
    expect((await runsOf(engine.db, ids.os)).map((run) => run.outcome)).toEqual(['cancelled', 'succeeded']);
    expect(await stateOf(engine.db, ids.app)).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });
});
