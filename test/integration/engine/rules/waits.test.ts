/** Rule 18: facts, waits and deadlines, whichever commits first. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { call, claimAndBegin, runsOf, start } from '../../../support/direct-engine.js';
import { type Turn, wait } from '../../../support/outcomes.js';
import { waitFor } from '../../../support/wait-for.js';
import { useRig } from './rig.js';

const { engine, settled, raise, whileHeld, deploy } = useRig();

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
