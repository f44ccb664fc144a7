/** One test for each way that engine-rules.md says a design like ours goes wrong, as far as it can be seen in SQL. Rule 13: test/integration/events. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { annealPass } from '../../../src/annealer/anneal.js';
import { Sweeper } from '../../../src/annealer/sweep.js';
import { commitDeployment, recallDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { cancelNodeRole, proposeNodeRole, retryNodeRole, setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { unbindNodeRole } from '../../../src/noderoles/unbind.js';
import type { Ring } from '../../../src/queue/jobs.js';
import { finishWork, pollWork } from '../../../src/runs/agent-work.js';
import { recordHeartbeat } from '../../../src/nodes/boot.js';
import { createLogger } from '../../../src/shared/logger.js';
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
  openDirectEngine,
  runsOf,
  start,
  stateOf,
  unsound,
  type DirectEngine,
} from '../../support/direct-engine.js';
import { done, fail, wait, type Turn } from '../../support/outcomes.js';
import { waitFor } from '../../support/wait-for.js';

let engine: DirectEngine;
beforeAll(async () => {
  engine = await openDirectEngine();
});
beforeEach(() => engine.reset());
afterAll(() => engine.close());
// Every history must be sound, whatever its test was about.
afterEach(async () => expect(await unsound(engine.db)).toEqual([]));

const settled = (batch: Settlement[], claims = 0) => settle(engine.db.pool, batch, claims);
const raise = (key: string, generation = 1) =>
  engine.db.pool.query<{ n: number }>('SELECT raise_fact($1, $2, $3) AS n', [key, generation, '{}']).then(({ rows }) => rows[0]?.n);

/** Runs `work` while another transaction holds what `holding` locked; commits that when `work` waits for it, or is over. */
async function whileHeld<T>(holding: (tx: pg.PoolClient) => Promise<unknown>, work: () => Promise<T>): Promise<T> {
  const tx = await engine.db.pool.connect();
  try {
    await tx.query('BEGIN');
    await holding(tx);
    let over = false;
    const answer = work().finally(() => (over = true));
    await waitFor(
      async () =>
        over ||
        ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
      { what: 'the other side to wait' },
    );
    await tx.query('COMMIT');
    return await answer;
  } finally {
    tx.release();
  }
}

/** Roles bound to one machine each, in a chain or as given; committed. */
async function deploy(roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}) {
  const roleIds = await addRoles(engine.db, roles, more);
  const nodeIds = await addMachines(engine.db, Object.keys(roles).length);
  const ids: Record<string, number> = {};
  for (const [n, name] of Object.keys(roles).entries()) ids[name] = await bind(engine, roleIds[name], nodeIds[n]);
  await commit(engine);
  return { ids, nodeIds, roleIds };
}

const expireLease = (runId: number) => engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute' WHERE id = $1`, [runId]);

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
        await tx.query(`UPDATE outbox_events SET data = data || '{"from":"NONE"}' WHERE subject_id = $1 AND subject_type = 'noderole'`, [child]);
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

describe('rules 4 and 5: rings', () => {
  let ring: Ring;
  let id: number;
  beforeEach(async () => {
    id = (await deploy({ a: [] })).ids.a!;
    ring = (await claim(engine.db.pool, 1))[0]!;
  });

  it('4: the same job started twice, one after the other and at once, runs once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => start(engine.db, ring)));
    expect(answers.filter((answer) => answer.kind === 'run')).toHaveLength(1);
    expect((await start(engine.db, ring)).kind).toBe('dropped');
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'RUNNING', fence: 2 });
  });

  it('4: what an executor writes under a fence that is no longer current changes nothing', async () => {
    const turn = await begin(engine.db, ring);
    await settled([{ ...done(turn), fence: turn.fence - 1 }]);
    expect(await stateOf(engine.db, id)).toBe('TRANSITION');
    await settled([done(turn)]);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
  });

  it('5: ringing again gives a new dispatch, so that the queue cannot take it for the old job', async () => {
    await engine.db.pool.query(`UPDATE runs SET rung_at = clock_timestamp() - interval '1 minute'`);
    const again: Ring[] = [];
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect(again).toEqual([{ ...ring, dispatch: ring.dispatch + 1 }]);
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect(again).toHaveLength(1);
  });

  // The rule's text says that an old dispatch is dropped. It must not be while its fence is current: in a queue that is
  // slower than the sweep rings, every job would be old when it comes to the front, and nothing would ever start.
  it('5: of two rings of one fence whichever comes first starts, the other is dropped', async () => {
    await engine.db.pool.query(`UPDATE runs SET rung_at = clock_timestamp() - interval '1 minute'`);
    const again: Ring[] = [];
    await annealPass(engine.db.pool, async (rings) => void again.push(...rings));
    expect((await start(engine.db, ring)).kind).toBe('run');
    expect((await start(engine.db, again[0])).kind).toBe('dropped');
  });

  it('5: a ring of an earlier turn is dropped after the run was woken', async () => {
    const turn = await begin(engine.db, ring);
    await settled([wait(turn)]);
    await raise('k');
    expect((await start(engine.db, ring)).kind).toBe('dropped');
    const rings: Ring[] = [];
    await annealPass(engine.db.pool, async (made) => void rings.push(...made));
    expect((await start(engine.db, rings[0])).kind).toBe('run');
  });

  it('5: a run that is being stopped or has ended is not rung', async () => {
    await begin(engine.db, ring);
    await cancelNodeRole(engine.db, id, 'test');
    await engine.db.pool.query(`UPDATE runs SET rung_at = NULL`);
    expect(await annealPass(engine.db.pool, async () => undefined)).toBe(0);
    expect((await start(engine.db, { ...ring, fence: ring.fence + 2 })).kind).toBe('dropped');
  });
});

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

describe('rules 8 and 9: inputs', () => {
  it('9: inputs are frozen at the start: a later change is not seen by the run, and makes it run again', async () => {
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

  it('9: a change between claim and start is in the inputs, and does not make it run twice', async () => {
    const { ids } = await deploy({ a: [] });
    const ring = (await claim(engine.db.pool, 1))[0];
    await setNodeRoleData(engine.db, ids.a, { colour: 'blue' }, 'test');
    await commitDeployment(engine.db, engine.deploymentId, 'test');
    await settled([done(await begin(engine.db, ring))]);
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('9: the same inputs as at the last success are skipped: no jig, the wall stays, children stay', async () => {
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

  it('9: a parent that left ACTIVE before the start supersedes the run', async () => {
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
  it('8: a parent that leaves another wall makes the children that read the old one run again', async () => {
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

  it('8: a parent that leaves another wall while a child runs makes that child run once more', async () => {
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

describe('rule 10: what races the claim', () => {
  let id: number;
  let node: number;
  beforeEach(async () => {
    const { ids, nodeIds } = await deploy({ a: [] });
    id = ids.a!;
    node = nodeIds[0]!;
  });

  it.each(['alive = false', 'available = false', 'deleting = true'])('%s that is about to commit keeps the node from being claimed', async (change) => {
    const rings = await whileHeld(
      (tx) => tx.query(`UPDATE nodes SET ${change} WHERE id = $1`, [node]),
      () => claim(engine.db.pool, 10),
    );
    expect(rings).toEqual([]);
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    expect(await stateOf(engine.db, id)).toBe('TODO');
  });

  it('a recall that is about to commit keeps its noderoles from being claimed', async () => {
    expect(
      await whileHeld(
        (tx) => tx.query('UPDATE deployments SET committed_at = NULL WHERE id = $1', [engine.deploymentId]),
        () => claim(engine.db.pool, 10),
      ),
    ).toEqual([]);
    expect(await claim(engine.db.pool, 10)).toEqual([]);
  });

  it('a recall waits for a claim under way, and claims after it take nothing', async () => {
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      expect((await tx.query('SELECT run_id FROM claim(NULL, 10)')).rowCount).toBe(1);
      const recalled = recallDeployment(engine.db, engine.deploymentId, 'test');
      await waitFor(
        async () =>
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'the recall to wait' },
      );
      await tx.query('COMMIT');
      await recalled;
    } finally {
      tx.release();
    }
    expect(await stateOf(engine.db, id)).toBe('TRANSITION');
    // What runs settles normally.
    const [run] = await runsOf(engine.db, id);
    await settled([done(await begin(engine.db, { runId: run.id, dispatch: 1, fence: 1 }))]);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
  });
});

describe('rule 11: lost kicks', () => {
  const log = createLogger('test', 'fatal');
  const sweeper = () =>
    new Sweeper({ db: engine.db, log, aliveGraceSeconds: 60, sweepAlive: async () => [], publishServed: async () => 0, finishDeletions: async () => [] });

  it('work that nobody kicked for is found by the next pass', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await settled([done(turn)]);
    await sweeper().sweep();
    const rings: Ring[] = [];
    await annealPass(engine.db.pool, async (made) => void rings.push(...made));
    expect(rings).toHaveLength(1);
  });

  it('a node that was locked in one pass is claimed in the next', async () => {
    const { nodeIds } = await deploy({ a: [] });
    expect(
      await whileHeld(
        (tx) => tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeIds[0]]),
        () => claim(engine.db.pool, 10),
      ),
    ).toEqual([]);
    expect(await claim(engine.db.pool, 10)).toHaveLength(1);
  });

  it('a heartbeat neither waits for the node row nor keeps a claim from it', async () => {
    const { nodeIds } = await deploy({ a: [] });
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeIds[0]]);
      expect(await recordHeartbeat(engine.db, nodeIds[0], `boot-${nodeIds[0]}`)).toBe(true);
      await tx.query('COMMIT');
      await tx.query('BEGIN');
      await tx.query('UPDATE node_status SET heartbeat_at = clock_timestamp() WHERE node_id = $1', [nodeIds[0]]);
      expect(await claim(engine.db.pool, 10)).toHaveLength(1);
      await tx.query('COMMIT');
    } finally {
      tx.release();
    }
  });

  it('a fact whose writer forgot to wake is found by the sweep', async () => {
    const { ids } = await deploy({ a: [] });
    await settled([wait((await claimAndBegin(engine.db)).get(ids.a)!)]);
    await engine.db.pool.query(`UPDATE facts SET generation = 1 WHERE key = 'k'`);
    await sweeper().sweep();
    expect((await runsOf(engine.db, ids.a))[0]).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });
});

describe('rule 14: waves of ERROR', () => {
  const waves = () => waitFor(async () => (await call(engine.db, 'propagate_errors(100)')) === 0, { what: 'the waves to end' });
  /** a - b - c - d, all ACTIVE, on a machine each. */
  async function chain() {
    const { ids } = await deploy({ a: [], b: ['a'], c: ['b'], d: ['c'] });
    await driveToEnd(engine.db);
    return { ids, states: async () => (await Promise.all(['a', 'b', 'c', 'd'].map((name) => stateOf(engine.db, ids[name])))).join(' ') };
  }
  const failIt = async (id: number) => {
    await engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [id]);
    if ((await stateOf(engine.db, id)) === 'ACTIVE') await moveNodeRole(engine.db.pool, id, { kind: 'poke' }, 'test');
    await settled([fail((await claimAndBegin(engine.db)).get(id)!)]);
  };

  it('one failure blocks everything below it, level by level, and a success frees it without a jig', async () => {
    const { ids, states } = await chain();
    await failIt(ids.a);
    expect(await states()).toBe('ERROR ACTIVE ACTIVE ACTIVE');
    await call(engine.db, 'propagate_errors(100)');
    expect(await states()).toBe('ERROR BLOCKED ACTIVE ACTIVE');
    await waves();
    expect(await states()).toBe('ERROR BLOCKED BLOCKED BLOCKED');
    expect((await nodeRole(engine.db, ids.d)).blocked_by).toBe(ids.a);
    await retryNodeRole(engine.db, ids.a, 'test');
    await driveToEnd(engine.db);
    expect(await states()).toBe('ACTIVE ACTIVE ACTIVE ACTIVE');
    expect((await runsOf(engine.db, ids.d)).map((run) => run.outcome)).toEqual(['succeeded', 'skipped']);
  });

  it('a wave whose root was retried ends', async () => {
    const { ids, states } = await chain();
    await failIt(ids.a);
    await call(engine.db, 'propagate_errors(100)');
    await retryNodeRole(engine.db, ids.a, 'test');
    await waves();
    expect(await states()).toBe('TODO BLOCKED ACTIVE ACTIVE');
  });

  // It stopped at what the first wave had blocked already: everything below stayed ACTIVE under an ERROR.
  it('a root that recovers while its wave is under way and fails again blocks all below it', async () => {
    const { ids, states } = await chain();
    await failIt(ids.a);
    await call(engine.db, 'propagate_errors(100)');
    await retryNodeRole(engine.db, ids.a, 'test');
    await waves();
    await failIt(ids.a);
    await waves();
    expect(await states()).toBe('ERROR BLOCKED BLOCKED BLOCKED');
  });

  it.each(['running', 'proposed'])('a wave that found a noderole %s goes on below it when that becomes BLOCKED', async (how) => {
    const { ids, states } = await chain();
    let turn: Turn | undefined;
    if (how === 'running') {
      await engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [ids.b]);
      await moveNodeRole(engine.db.pool, ids.b, { kind: 'poke' }, 'test');
      turn = (await claimAndBegin(engine.db)).get(ids.b)!;
    } else await proposeNodeRole(engine.db, ids.b, 'test');
    await failIt(ids.a);
    await waves();
    expect(await states()).toBe(`ERROR ${turn ? 'TRANSITION' : 'PROPOSED'} ACTIVE ACTIVE`);
    if (turn) await settled([done(turn)]);
    else await commitDeployment(engine.db, engine.deploymentId, 'test');
    await waves();
    expect(await states()).toBe('ERROR BLOCKED BLOCKED BLOCKED');
  });

  it('a role that stays ACTIVE under an ERROR keeps the wave from what is below it', async () => {
    const { ids } = await deploy({ a: [], b: ['a'], c: ['b'], other: [], d: ['b', 'other'] }, { b: { on_parent_error: 'stay' } });
    await driveToEnd(engine.db);
    await proposeNodeRole(engine.db, ids.other, 'test');
    await failIt(ids.a);
    await waves();
    expect(await Promise.all(['a', 'b', 'c', 'd'].map((name) => stateOf(engine.db, ids[name])))).toEqual(['ERROR', 'ACTIVE', 'ACTIVE', 'ACTIVE']);
  });
});

describe('rule 18: waits', () => {
  let id: number;
  let turn: Turn;
  beforeEach(async () => {
    id = (await deploy({ a: [] })).ids.a!;
    turn = (await claimAndBegin(engine.db)).get(id)!;
  });
  const run = async () => (await runsOf(engine.db, id))[0];

  it('a fact that came before the wait wakes it at once, with a ring', async () => {
    await raise('k');
    expect(await settled([wait(turn)])).toEqual([{ runId: turn.runId, dispatch: 2, fence: turn.fence, jobClass: 'fast' }]);
    expect(await run()).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });

  it('a fact that commits while the wait is being settled is not missed', async () => {
    await whileHeld(
      (tx) => tx.query(`SELECT raise_fact('k', 1, '{}')`),
      () => settled([wait(turn)]),
    );
    expect(await run()).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });

  it('a wait that commits while the fact is being raised is not missed', async () => {
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT run_id FROM settle($1, $2, $3, 0)', [
        [turn.runId],
        [turn.fence],
        [JSON.stringify({ kind: 'wait', key: 'k', min_generation: 1, deadline_seconds: 600, keeps: 'node', memo: {} })],
      ]);
      const raised = raise('k');
      await waitFor(
        async () =>
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'the fact to wait' },
      );
      await tx.query('COMMIT');
      expect(await raised).toBe(1);
    } finally {
      tx.release();
    }
    expect(await run()).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });

  it('a fact of an older generation does not wake, and a fact never goes back', async () => {
    await settled([wait(turn, 'node', 'k', 3)]);
    expect(await raise('k', 2)).toBe(0);
    expect(await raise('k', 3)).toBe(1);
    expect(await raise('k', 1)).toBe(0);
    expect((await engine.db.pool.query(`SELECT generation FROM facts WHERE key = 'k'`)).rows).toEqual([{ generation: 3 }]);
  });

  it('the deadline and the fact at once wake it once', async () => {
    await settled([wait(turn)]);
    await engine.db.pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second'`);
    const woken = await Promise.all([raise('k'), call(engine.db, 'expire_waits()'), call(engine.db, 'expire_waits()'), raise('k', 2)]);
    expect(woken.reduce((sum: number, n) => sum + (n ?? 0), 0)).toBe(1);
    expect((await run()).status).toBe('WAKING');
  });

  it('at the deadline a fact that is true counts as woken by it', async () => {
    await settled([wait(turn)]);
    await engine.db.pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second'; UPDATE facts SET generation = 1`);
    await call(engine.db, 'expire_waits()');
    expect(await run()).toMatchObject({ status: 'WAKING', wake_reason: 'fact' });
  });

  // The sweep locked the wait first and then its run, everybody else the run first: one of them was rolled back.
  it('a deadline never waits for a run that somebody else holds', async () => {
    await settled([wait(turn)]);
    await engine.db.pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second'`);
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await tx.query('SELECT 1 FROM runs WHERE id = $1 FOR NO KEY UPDATE', [turn.runId]);
      expect(await call(engine.db, 'expire_waits()')).toBe(0);
      await tx.query('DELETE FROM waits WHERE false');
      await tx.query('COMMIT');
    } finally {
      tx.release();
    }
    expect(await call(engine.db, 'expire_waits()')).toBe(1);
  });

  it('what a step leaves is handed to its next turn', async () => {
    await raise('k');
    const [ring] = await settled([wait(turn)]);
    const answer = await start(engine.db, ring);
    expect(answer.kind === 'run' && answer.run).toMatchObject({ memo: { step: 1 }, wakeReason: 'fact' });
  });
});

describe('rule 20: how runs end', () => {
  let id: number;
  let turn: Turn;
  beforeEach(async () => {
    id = (await deploy({ a: [] })).ids.a!;
    turn = (await claimAndBegin(engine.db)).get(id)!;
  });
  const endRecords = async () =>
    (
      await engine.db.pool.query<{ outcome: string }>(`SELECT data->>'outcome' AS outcome FROM outbox_events WHERE kind = 'run-ended' AND subject_id = $1`, [
        turn.runId,
      ])
    ).rows.map((row) => row.outcome);
  const late = async () =>
    (await engine.db.pool.query<{ kind: string }>(`SELECT body->>'kind' AS kind FROM late_results WHERE run_id = $1`, [turn.runId])).rows.map(
      (row) => row.kind,
    );
  const lose = async () => {
    await expireLease(turn.runId);
    await call(engine.db, 'expire_leases(5)');
  };
  const prove = () => call(engine.db, `prove_stopped(interval '2 seconds')`);

  const ways: [string, string, string, () => Promise<unknown>][] = [
    ['its outcome is settled', 'succeeded', 'ACTIVE', () => settled([done(turn)])],
    ['it fails for good', 'failed', 'ERROR', () => settled([fail(turn)])],
    [
      'it is cancelled, and its executor says so',
      'cancelled',
      'ERROR',
      async () => {
        await cancelNodeRole(engine.db, id, 'test');
        await settled([done(turn)]);
      },
    ],
    [
      'it is cancelled, and its executor is never heard again',
      'cancelled',
      'ERROR',
      async () => {
        await cancelNodeRole(engine.db, id, 'test');
        await expireLease(turn.runId);
        await prove();
      },
    ],
    [
      'its lease is lost',
      'lease-lost',
      'TODO',
      async () => {
        await lose();
        await prove();
      },
    ],
    [
      'it is taken back to proposed',
      'cancelled',
      'PROPOSED',
      async () => {
        await proposeNodeRole(engine.db, id, 'test');
        await settled([fail(turn)]);
      },
    ],
    ['its executor stops it on its own', 'lease-lost', 'TODO', () => settled([{ ...turn, outcome: { kind: 'lost', message: 'shutdown' } }])],
  ];
  it.each(ways)('when %s there is one end record, of that outcome', async (_how, outcome, state, end) => {
    await end();
    expect(await endRecords()).toEqual([outcome]);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'ENDED', outcome });
    expect(await nodeRole(engine.db, id)).toMatchObject({ state });
    // Whoever comes later changes nothing.
    await settled([done(turn)]);
    await prove();
    await call(engine.db, 'expire_leases(5)');
    expect(await endRecords()).toEqual([outcome]);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state });
    expect(await late()).toContain('succeed');
  });

  it('one that was never started ends at once when it is cancelled', async () => {
    await settled([fail(turn, true)]);
    const ring = (await claim(engine.db.pool, 1))[0];
    await cancelNodeRole(engine.db, id, 'test');
    expect((await runsOf(engine.db, id))[1]).toMatchObject({ status: 'ENDED', outcome: 'cancelled' });
    expect((await start(engine.db, ring)).kind).toBe('dropped');
  });

  it('six enders at once make one end', async () => {
    await expireLease(turn.runId);
    await Promise.allSettled([
      settled([done(turn)]),
      settled([fail(turn)]),
      call(engine.db, 'expire_leases(5)'),
      cancelNodeRole(engine.db, id, 'test'),
      proposeNodeRole(engine.db, id, 'test'),
      prove(),
    ]);
    await prove();
    expect(await endRecords()).toHaveLength(1);
  });

  it('an ended row cannot change', async () => {
    await settled([done(turn)]);
    await expect(engine.db.pool.query(`UPDATE runs SET error_code = 'x' WHERE id = $1`, [turn.runId])).rejects.toThrow('has ended and cannot change');
  });

  it('a run without its noderole, and a noderole without its run, are both put right, with an alarm', async () => {
    await engine.db.pool.query(`UPDATE node_roles SET state = 'TODO', current_run_id = NULL WHERE id = $1`, [id]);
    expect(await call(engine.db, 'repair_drift()')).toBe(1);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'STOPPING' });
    await expireLease(turn.runId);
    await prove();
    await engine.db.pool.query(`UPDATE node_roles SET state = 'TRANSITION', current_run_id = $2 WHERE id = $1`, [id, turn.runId]);
    expect(await call(engine.db, 'repair_drift()')).toBe(1);
    expect(await stateOf(engine.db, id)).toBe('TODO');
    expect((await engine.db.pool.query(`SELECT 1 FROM outbox_events WHERE kind = 'alarm'`)).rowCount).toBe(2);
    // This test's own hand is not in the history.
    await engine.db.pool.query(
      `DELETE FROM outbox_events WHERE kind = 'noderole-changed' AND data->>'reason' <> 'bound' AND id <> (SELECT max(id) FROM outbox_events WHERE kind = 'noderole-changed'); UPDATE outbox_events SET data = data || '{"from":"PROPOSED"}' WHERE kind = 'noderole-changed' AND data->>'reason' <> 'bound'`,
    );
  });

  // Five in a row, for ever: after a retry the first lost lease was a crash loop again.
  it('leases lost too often in a row are a crash loop, and are counted anew after a retry', async () => {
    const loseAgain = async () => {
      await lose();
      await prove();
      return stateOf(engine.db, id);
    };
    const seen: string[] = [];
    for (let n = 0; n < 7; n++) {
      seen.push(await loseAgain());
      if (seen.at(-1) === 'ERROR') {
        expect((await nodeRole(engine.db, id)).error_code).toBe('crash-loop');
        await retryNodeRole(engine.db, id, 'test');
      }
      turn = (await claimAndBegin(engine.db)).get(id)!;
    }
    expect(seen).toEqual(['TODO', 'TODO', 'TODO', 'TODO', 'ERROR', 'TODO', 'TODO']);
    expect((await nodeRole(engine.db, id)).failures).toBe(0);
  });
});

describe('rules 1 and 21: work on the machine', () => {
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

  it('1: a cancelled step keeps the machine until its agent asks for more', async () => {
    await cancelNodeRole(engine.db, id, 'test');
    expect(await prove()).toBe(0);
    expect(await pollWork(engine.db, { nodeId: node, bootId: `boot-${node}` })).toBe(null);
    expect(await prove()).toBe(1);
  });

  it('1: or reports its result, which is kept as a late one', async () => {
    await cancelNodeRole(engine.db, id, 'test');
    expect(await finish()).toBe('late');
    expect(await prove()).toBe(1);
  });

  it('21: another boot id ends it as node-rebooted, which is no failure of the role, and proves the stop', async () => {
    await engine.db.pool.query(`UPDATE node_status SET boot_id = 'another' WHERE node_id = $1`, [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(1);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'TODO', failures: 0 });
    expect(await prove()).toBe(1);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ outcome: 'node-rebooted' });
  });

  it('21: a node that is not alive keeps its step until the agent lease is over, then it is node-lost', async () => {
    await engine.db.pool.query('UPDATE nodes SET alive = false WHERE id = $1', [node]);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(0);
    await engine.db.pool.query(`UPDATE agent_work SET lease_until = clock_timestamp() - interval '1 second'`);
    expect(await call(engine.db, 'fence_lost_nodes()')).toBe(1);
    expect(await stateOf(engine.db, id)).toBe('TODO');
    // Nothing proves that the step has stopped.
    expect(await prove()).toBe(0);
  });

  it('21: the same boot that comes back within the lease of the agent goes on with the step', async () => {
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
  it('21: a result that comes first is not thrown away', async () => {
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
  it('21: a result and a cancel at once never deadlock', async () => {
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
