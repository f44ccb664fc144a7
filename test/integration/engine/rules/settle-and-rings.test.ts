/** Rules 2 to 5 of engine-rules.md on the real functions: what a settle releases, counters, rings and fences. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { annealPass } from '../../../../src/annealer/anneal.js';
import { bindRole } from '../../../../src/noderoles/bind.js';
import { claim } from '../../../../src/noderoles/claim.js';
import { moveNodeRole } from '../../../../src/noderoles/store.js';
import { cancelNodeRole } from '../../../../src/noderoles/verbs.js';
import { unbindNodeRole } from '../../../../src/noderoles/unbind.js';
import type { Ring } from '../../../../src/queue/jobs.js';
import { addMachines, addRoles, begin, bind, claimAndBegin, commit, driveToEnd, nodeRole, runsOf, start, stateOf } from '../../../support/direct-engine.js';
import { done, wait } from '../../../support/outcomes.js';
import { waitFor } from '../../../support/wait-for.js';
import { useRig } from './rig.js';

const { engine, settled, raise, whileHeld, deploy } = useRig();

describe('rule 2: settle', () => {
  it('a: both parents of a child in one batch release it once each', async () => {
    const { ids } = await deploy({ a: [], b: [], c: ['a', 'b'] });
    expect(await nodeRole(engine.db, ids.c)).toMatchObject({ state: 'BLOCKED', pending_parents: 2 });
    const turns = await claimAndBegin(engine.db);
    await settled([...turns.values()].map((turn) => done(turn)));
    expect(await nodeRole(engine.db, ids.c)).toMatchObject({ state: 'TODO', pending_parents: 0 });
  });

  it('b: a noderole and its parent in one batch both take effect', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!)]);
    const child = (await claimAndBegin(engine.db)).get(ids.b)!;
    await moveNodeRole(engine.db.pool, ids.a, { kind: 'poke' }, 'test');
    await engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [ids.a]);
    const parent = (await claimAndBegin(engine.db)).get(ids.a)!;
    await settled([done(child), done(parent)]);
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'TODO', pending_parents: 0 });
    expect((await runsOf(engine.db, ids.b))[0]).toMatchObject({ status: 'ENDED', outcome: 'succeeded' });
  });

  it('c: two children released on one idle node: one of them is claimed, the batch stands', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'], c: ['a'] });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    const a = await bind(engine, roles.a, first);
    const children = [await bind(engine, roles.b, second), await bind(engine, roles.c, second)];
    await commit(engine);
    expect(await settled([done((await claimAndBegin(engine.db)).get(a)!)], 100)).toHaveLength(1);
    expect((await Promise.all(children.map((id) => stateOf(engine.db, id)))).sort()).toEqual(['TODO', 'TRANSITION']);
  });

  it('d: a pair across nodes, each freeing its node and releasing work on the other', async () => {
    const roles = await addRoles(engine.db, { a1: [], a2: [], b1: ['a2'], b2: ['a1'] });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    for (const [role, node] of [
      ['a1', first],
      ['a2', second],
      ['b1', first],
      ['b2', second],
    ] as const)
      await bind(engine, roles[role], node);
    await commit(engine);
    const turns = await claimAndBegin(engine.db);
    expect(
      await settled(
        [...turns.values()].map((turn) => done(turn)),
        100,
      ),
    ).toHaveLength(2);
  });

  it('e: an edge committed while settle waits for its lock counts', async () => {
    const { ids, nodeIds, roleIds } = await deploy({ a: [] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    const late = await addRoles(engine.db, { late: ['a'] });
    let child = 0;
    await whileHeld(
      async (tx) => {
        // As bind does: the parent locked first, then the noderole and its edge.
        await tx.query('SELECT 1 FROM node_roles WHERE id = $1 FOR NO KEY UPDATE', [ids.a]);
        const { rows } = await tx.query<{ id: number }>(
          `INSERT INTO node_roles (deployment_id, role_id, node_id, cohort, pending_parents, committed, state) VALUES ($1, $2, $3, 1, 1, true, 'BLOCKED') RETURNING id`,
          [engine.deploymentId, late.late, nodeIds[0]],
        );
        child = rows[0].id;
        await tx.query('INSERT INTO node_role_edges (parent_id, child_id) VALUES ($1, $2)', [ids.a, child]);
        await tx.query(`SELECT emit_events(ARRAY[noderole_event($1, 1, NULL, 'BLOCKED', $2, $3, $4, 'test')])`, [
          child,
          nodeIds[0],
          late.late,
          engine.deploymentId,
        ]);
        await tx.query(`UPDATE outbox_events SET data = (data::jsonb || '{"from":"NONE"}')::json WHERE subject_id = $1 AND subject_type = 'noderole'`, [child]);
      },
      () => settled([done(turn)]),
    );
    expect(await nodeRole(engine.db, child)).toMatchObject({ state: 'TODO', pending_parents: 0 });
    expect(roleIds.a).toBeGreaterThan(0);
  });

  // The children were read in the statement that waited for the lock: a child bound meanwhile lost its parent and waited for ever.
  it('e: unbind sees a child that was bound while it waited', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const a = await bind(engine, roles.a, node);
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT 1 FROM node_roles WHERE id = $1 FOR NO KEY UPDATE', [a]);
      const unbound = unbindNodeRole(engine.db, a, { actor: 'test' }).then(
        () => 'unbound',
        (error: Error) => error.message,
      );
      await waitFor(
        async () =>
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'unbind to wait' },
      );
      const { rows } = await tx.query<{ id: number }>('INSERT INTO node_roles (deployment_id, role_id, node_id, cohort) VALUES ($1, $2, $3, 1) RETURNING id', [
        engine.deploymentId,
        roles.b,
        node,
      ]);
      await tx.query('INSERT INTO node_role_edges (parent_id, child_id) VALUES ($1, $2)', [a, rows[0].id]);
      await tx.query('COMMIT');
      expect(await unbound).toContain('is the parent of b@');
      await engine.db.pool.query('DELETE FROM node_roles WHERE id = $1', [rows[0].id]);
    } finally {
      tx.release();
    }
  });

  it('e: a noderole committed by somebody else while a commit waits is counted once', async () => {
    const roles = await addRoles(engine.db, { a: [], b: ['a'] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const b = await bind(engine, roles.b, node);
    const all = (await engine.db.pool.query<{ id: number }>('SELECT id FROM node_roles ORDER BY id')).rows.map((row) => row.id);
    await whileHeld(
      async (tx) => {
        await tx.query('SELECT emit_events(c.events) FROM commit_noderoles($1) c', [all]);
      },
      () => engine.db.pool.query('SELECT emit_events(c.events) FROM commit_noderoles($1) c', [all]),
    );
    expect(await nodeRole(engine.db, b)).toMatchObject({ state: 'BLOCKED', pending_parents: 1 });
    await engine.db.pool.query('UPDATE deployments SET committed_at = now() WHERE id = $1', [engine.deploymentId]);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, b)).toBe('ACTIVE');
  });
});

describe('rule 3: counters', () => {
  it('a parent that leaves ACTIVE while settle waits for the child: the child is BLOCKED, not ACTIVE', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await settled([done((await claimAndBegin(engine.db)).get(ids.a)!)]);
    const child = (await claimAndBegin(engine.db)).get(ids.b)!;
    await whileHeld(
      async (tx) => {
        await tx.query('SELECT 1 FROM node_roles WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [[ids.a, ids.b]]);
        await tx.query('SELECT emit_events(poke_active(ARRAY[$1::int], $2))', [ids.a, 'test']);
      },
      () => settled([done(child)]),
    );
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'BLOCKED', pending_parents: 1 });
  });
});

describe('rings', () => {
  let ring: Ring;
  let id: number;
  beforeEach(async () => {
    id = (await deploy({ a: [] })).ids.a!;
    ring = (await claim(engine.db.pool, 1))[0]!;
  });

  it('rule 4: the same job started twice, one after the other and at once, runs once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => start(engine.db, ring)));
    expect(answers.filter((answer) => answer.kind === 'run')).toHaveLength(1);
    expect((await start(engine.db, ring)).kind).toBe('dropped');
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'RUNNING', fence: 2 });
  });

  it('rule 4: what an executor writes under a fence that is no longer current changes nothing', async () => {
    const turn = await begin(engine.db, ring);
    await settled([{ ...done(turn), fence: turn.fence - 1 }]);
    expect(await stateOf(engine.db, id)).toBe('TRANSITION');
    await settled([done(turn)]);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
  });

  it('rule 5: ringing again gives a new dispatch, so that the queue cannot take it for the old job', async () => {
    await engine.db.pool.query(`UPDATE runs SET rung_at = clock_timestamp() - interval '1 minute'`);
    const again: Ring[] = [];
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect(again).toEqual([{ ...ring, dispatch: ring.dispatch + 1 }]);
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect(again).toHaveLength(1);
  });

  // The rule's text says that an old dispatch is dropped. It must not be while its fence is current: in a queue that is
  // slower than the sweep rings, every job would be old when it comes to the front, and nothing would ever start.
  it('rule 5: of two rings of one fence whichever comes first starts, the other is dropped', async () => {
    await engine.db.pool.query(`UPDATE runs SET rung_at = clock_timestamp() - interval '1 minute'`);
    const again: Ring[] = [];
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect((await start(engine.db, ring)).kind).toBe('run');
    expect((await start(engine.db, again[0])).kind).toBe('dropped');
  });

  it('rule 5: a ring of an earlier turn is dropped after the run was woken', async () => {
    const turn = await begin(engine.db, ring);
    await settled([wait(turn)]);
    await raise('k');
    expect((await start(engine.db, ring)).kind).toBe('dropped');
    const rings: Ring[] = [];
    await annealPass(engine.db.pool, async (made) => void rings.push(...made));
    expect((await start(engine.db, rings[0])).kind).toBe('run');
  });

  it('rule 5: a run that is being stopped or has ended is not rung', async () => {
    await begin(engine.db, ring);
    await cancelNodeRole(engine.db, id, 'test');
    await engine.db.pool.query(`UPDATE runs SET rung_at = NULL`);
    expect(await annealPass(engine.db.pool, async () => undefined)).toBe(0);
    expect((await start(engine.db, { ...ring, fence: ring.fence + 2 })).kind).toBe('dropped');
  });
});

describe('bind', () => {
  it('beside a settle of its parent leaves a true counter, whoever is first', async () => {
    const { ids, nodeIds } = await deploy({ a: [] });
    const late = await addRoles(engine.db, { late: ['a'] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await Promise.all([
      settled([done(turn)]),
      bindRole(engine.db, { roleId: late.late, nodeId: nodeIds[0], deploymentId: engine.deploymentId, actor: 'test' }),
    ]);
  });
});
