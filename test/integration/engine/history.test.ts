/** What is kept of runs, for how long, and how it is shown. */
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { withTransaction } from '../../../src/db/client.js';
import { readRunDetail } from '../../../src/api/views/run-detail.js';
import { cancelNodeRole } from '../../../src/noderoles/verbs.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { forceEnd } from '../../../src/runs/force-end.js';
import { appendRunLog } from '../../../src/runs/log.js';
import { HistoryCleaner } from '../../../src/runs/retention.js';
import { addMachines, addRoles, bind, call, claimAndBegin, commit, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';
import { waitFor } from '../../support/wait-for.js';

let engine: DirectEngine;
let id: number;
beforeAll(async () => {
  engine = await openDirectEngine();
});
beforeEach(async () => {
  await engine.reset();
  const roles = await addRoles(engine.db, { a: [] }, { a: { max_attempts: 100 } });
  id = await bind(engine, roles.a, (await addMachines(engine.db, 1))[0]);
  await commit(engine);
});
afterAll(() => engine.close());

/** One attempt, with a line of log; answers its id. */
async function attempt(outcome: Settlement['outcome']): Promise<number> {
  const turn = (await claimAndBegin(engine.db)).get(id);
  if (!turn) throw new Error('nothing was claimed');
  await appendRunLog(engine.db.pool, { ...turn, seq: null, text: `run ${turn.runId}\n` });
  await settle(engine.db.pool, [{ ...turn, outcome }], 0);
  return turn.runId;
}
const fail: Settlement['outcome'] = { kind: 'fail', code: 'told', message: 'no', retryable: true };
const kept = async (table: string, column: string) =>
  (await engine.db.pool.query<{ id: number }>(`SELECT DISTINCT ${column} AS id FROM ${table} ORDER BY 1`)).rows.map((row) => Number(row.id));

it('rule 20: an old run goes with all it left; not one that lives, that wrote the wall, the last, nor the newest few; logs go sooner', async () => {
  const wrote = await attempt({ kind: 'done', wall: { a: 1 } });
  await engine.db.pool.query(`UPDATE node_roles SET state = 'TODO', force_run = true, want_gen = want_gen + 1 WHERE id = $1`, [id]);
  const failed: number[] = [];
  for (let n = 0; n < 5; n++) failed.push(await attempt(fail));
  const live = (await claimAndBegin(engine.db)).get(id)?.runId ?? 0;
  await appendRunLog(engine.db.pool, { runId: live, fence: 2, seq: null, text: 'goes on\n' });
  // An ended run does not change: its age is made by another clock.
  await engine.db.pool
    .query(`ALTER TABLE runs DISABLE TRIGGER runs_ended_is_final; UPDATE runs SET ended_at = ended_at - interval '40 days' WHERE status = 'ENDED';
    UPDATE runs SET ended_at = clock_timestamp() - interval '20 days' WHERE id = ${failed[1]}; ALTER TABLE runs ENABLE TRIGGER runs_ended_is_final`);
  await engine.db.pool.query(`INSERT INTO late_results (run_id, fence, body) VALUES ($1, 1, '{}')`, [failed[0]]);
  const cleaner = new HistoryCleaner(engine.db.pool, { runs: 2, days: 30, logDays: 14 });
  expect(await cleaner.step(0)).toBeGreaterThan(0);
  // Two newer ones are kept by number: the last attempt and the live one.
  expect(await kept('runs', 'id')).toEqual([wrote, failed[1], failed[4], live]);
  expect(await kept('run_logs', 'run_id')).toEqual([live]);
  expect(await kept('late_results', 'run_id')).toEqual([]);
  // At the end it rests.
  expect(await cleaner.step(1)).toBe(0);
});

it('rule 20: log chunks that come late are taken for a minute after the end, each once, and afterwards refused', async () => {
  const turn = (await claimAndBegin(engine.db)).get(id)!;
  const logs = async () =>
    (await engine.db.pool.query<{ text: string }>('SELECT text FROM run_logs WHERE run_id = $1 ORDER BY seq', [turn.runId])).rows.map((row) => row.text);
  const append = (seq: number | null, text: string) => appendRunLog(engine.db.pool, { ...turn, seq, text });
  /** An ended run does not change: its age is made by another clock. */
  const endedBefore = (seconds: number) =>
    engine.db.pool
      .query(`ALTER TABLE runs DISABLE TRIGGER runs_ended_is_final; UPDATE runs SET ended_at = clock_timestamp() - interval '${seconds} seconds' WHERE id = ${turn.runId};
      ALTER TABLE runs ENABLE TRIGGER runs_ended_is_final`);
  await settle(engine.db.pool, [{ ...turn, outcome: { kind: 'done' } }], 0);
  expect(await append(1, 'late\n')).toBe(true);
  await endedBefore(50);
  expect(await append(2, 'later\n')).toBe(true);
  // Sent again because its answer was lost: the same chunk.
  expect(await append(2, 'later\n')).toBe(false);
  // Of an executor that lost the run before.
  expect(await appendRunLog(engine.db.pool, { ...turn, fence: turn.fence - 2, seq: 3, text: 'foreign\n' })).toBe(false);
  await endedBefore(61);
  expect(await append(3, 'too late\n')).toBe(false);
  expect(await logs()).toEqual(['late\n', 'later\n']);
  const { rows } = await engine.db.pool.query('SELECT outcome FROM runs WHERE id = $1', [turn.runId]);
  expect(rows).toEqual([{ outcome: 'succeeded' }]);
});

it('a chunk that an agent sends while the outcome is stored keeps neither the outcome nor its log from being kept', async () => {
  const turn = (await claimAndBegin(engine.db)).get(id)!;
  let settling: Promise<unknown> | undefined;
  await withTransaction(engine.db.pool, async (tx) => {
    await appendRunLog(tx, { ...turn, seq: 1, text: 'of the agent\n' });
    settling = settle(engine.db.pool, [{ ...turn, outcome: { kind: 'done' }, log: 'of the worker\n' }], 0);
    const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await waitFor(async () => (await engine.db.pool.query(waits)).rowCount === 1, { what: 'the settle to wait for the chunk' });
  });
  await settling;
  expect(await readRunDetail(engine.db, turn.runId)).toMatchObject({ outcome: 'succeeded', log_tail: 'of the agent\nof the worker\n' });
});

it('a run shows what it was given, what it said, what it left, its attempts, its waits and how it was stopped', async () => {
  const first = await attempt(fail);
  const turn = (await claimAndBegin(engine.db)).get(id)!;
  await appendRunLog(engine.db.pool, { ...turn, seq: null, text: 'waiting for it\n' });
  await settle(
    engine.db.pool,
    [{ ...turn, outcome: { kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 60, keeps: 'node', survivesReboot: true, memo: {} } }],
    0,
  );
  await cancelNodeRole(engine.db, id, 'ann');
  await settle(engine.db.pool, [{ ...turn, outcome: { kind: 'done' } }], 0);
  const run = await readRunDetail(engine.db, turn.runId);
  expect(run).toMatchObject({
    status: 'STOPPING',
    retry_of: first,
    log_tail: 'waiting for it\n',
    turns: [{ to: 'wait', key: 'k', keeps: 'node' }],
    attempts: [
      { id: first, attempt: 1, outcome: 'retryable' },
      { id: turn.runId, attempt: 2, status: 'STOPPING' },
    ],
    late_results: [{ fence: turn.fence, body: { kind: 'succeed' } }],
    stop: { reason: 'cancel by ann', step: null, proof: null, stuck_since: null },
  });
  expect(run.inputs).toMatchObject({ node: { name: expect.stringMatching(/^machine/) } });
});

it('rule 17: an operator ends a run whose stop nothing proves, with a reason, and only such a run', async () => {
  const turn = (await claimAndBegin(engine.db)).get(id)!;
  const force = () => forceEnd(engine.db, { runId: turn.runId, actor: 'ann', reason: 'it is in the bin' });
  await expect(force()).rejects.toThrow('is RUNNING and not being stopped; cancel it first');
  await settle(
    engine.db.pool,
    [{ ...turn, outcome: { kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 60, keeps: 'node', survivesReboot: true, memo: {} } }],
    0,
  );
  await cancelNodeRole(engine.db, id, 'ann');
  expect(await call(engine.db, `prove_stopped('0')`)).toBe(0);
  await force();
  expect((await readRunDetail(engine.db, turn.runId)).stop?.proof).toBe('ann says so: it is in the bin');
  const { rows } = await engine.db.pool.query(`SELECT actor, target, detail FROM audit WHERE action = 'run.force-end'`);
  expect(rows).toEqual([{ actor: 'ann', target: `run/${turn.runId}`, detail: { reason: 'it is in the bin' } }]);
  await expect(force()).rejects.toThrow('has ended');
});
