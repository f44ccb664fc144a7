/** Rule 20: every run ends once, in one of the known ways. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { claim } from '../../../../src/noderoles/claim.js';
import { cancelNodeRole, proposeNodeRole, retryNodeRole } from '../../../../src/noderoles/verbs.js';
import { call, claimAndBegin, nodeRole, runsOf, start, stateOf } from '../../../support/direct-engine.js';
import { done, fail, type Turn } from '../../../support/outcomes.js';
import { useRig } from './rig.js';

const { engine, settled, deploy, expireLease } = useRig();

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
      `DELETE FROM outbox_events WHERE kind = 'noderole-changed' AND data->>'reason' <> 'bound' AND id <> (SELECT max(id) FROM outbox_events WHERE kind = 'noderole-changed'); UPDATE outbox_events SET data = (data::jsonb || '{"from":"PROPOSED"}')::json WHERE kind = 'noderole-changed' AND data->>'reason' <> 'bound'`,
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
