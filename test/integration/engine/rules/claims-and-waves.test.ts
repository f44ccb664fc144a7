/** Rules 10, 11 and 14: what races a claim, kicks that are lost, waves of ERROR. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { annealPass } from '../../../../src/annealer/anneal.js';
import { Sweeper } from '../../../../src/annealer/sweep.js';
import { commitDeployment, recallDeployment } from '../../../../src/deployments/verbs.js';
import { claim } from '../../../../src/noderoles/claim.js';
import { moveNodeRole } from '../../../../src/noderoles/store.js';
import { proposeNodeRole, retryNodeRole } from '../../../../src/noderoles/verbs.js';
import type { Ring } from '../../../../src/queue/jobs.js';
import { recordHeartbeat } from '../../../../src/nodes/boot.js';
import { createLogger } from '../../../../src/shared/logger.js';
import { begin, call, claimAndBegin, driveToEnd, nodeRole, runsOf, stateOf } from '../../../support/direct-engine.js';
import { done, fail, type Turn, wait } from '../../../support/outcomes.js';
import { waitFor } from '../../../support/wait-for.js';
import { useRig } from './rig.js';

const { engine, settled, whileHeld, deploy } = useRig();

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
