/** How runs are stopped (engine-rules 1, 16, 17): against the database, with a real executor, without a queue. */
import { describe, expect, it } from '@jest/globals';
import type { Jig, JigContext, JigOutcome, StopContext, Stopped } from '../../../src/jigs/contract.js';
import { claim } from '../../../src/noderoles/claim.js';
import { cancelNodeRole, proposeNodeRole, retryNodeRole } from '../../../src/noderoles/verbs.js';
import type { RingRow } from '../../../src/noderoles/claim.js';
import { Executor } from '../../../src/runs/execute.js';
import { applyCancels } from '../../../src/runs/unabortable.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addMachines, addRoles, bind, call, commit, nodeRole, useEngine, stateOf, unsound } from '../../support/direct-engine.js';
import { waitFor } from '../../support/wait-for.js';

const engine = useEngine();

type Behaviour = { run: (ctx: JigContext) => unknown; onStop?: (ctx: StopContext) => Stopped | Promise<Stopped> };

/** One machine with one role whose jig behaves so; `work` handles what is claimed or rung, as a worker would. */
async function deploy({ run, onStop }: Behaviour, role: Record<string, unknown> = {}) {
  const roles = await addRoles(engine.db, { a: [] }, { a: role });
  const [node] = (await addMachines(engine.db, 1)) as [number];
  const id = await bind(engine, roles.a, node);
  await commit(engine);
  const jig: Jig = { name: 'test', description: 'of this test', run: async (ctx) => run(ctx) as JigOutcome };
  if (onStop) jig.onStop = async (ctx) => onStop(ctx);
  const executor = new Executor({
    pool: engine.db.pool,
    jigs: new Map([['test', jig]]),
    worker: 'w1',
    leaseSeconds: 30,
    abortGraceMs: 5000,
    ring: async () => undefined,
    claimPerSettle: 0,
    log: createLogger('test', 'silent'),
  });
  const work = async () => {
    const rings = await claim(engine.db.pool, 10);
    const again = await engine.db.pool.query<RingRow>(`SELECT * FROM ring_again('0', 10)`);
    const jobs = [...rings, ...again.rows.map((row) => ({ runId: row.run_id, dispatch: row.dispatch, fence: row.fence, jobClass: row.job_class }))];
    await Promise.all(jobs.map((job) => executor.handle(job)));
    return jobs.length;
  };
  return { id, node, work };
}

type Row = {
  id: number;
  status: string;
  outcome: string | null;
  stop_step: string | null;
  stop_note: string | null;
  stop_proof: string | null;
  stuck: boolean;
  unabortable: string | null;
};
async function lastRun(id: number): Promise<Row> {
  const { rows } = await engine.db.pool.query<Row>(
    `SELECT id, status, outcome, stop_step, stop_note, stop_proof, stuck_at IS NOT NULL AS stuck, unabortable FROM runs WHERE node_role_id = $1 ORDER BY id DESC LIMIT 1`,
    [id],
  );
  if (!rows[0]) throw new Error('no run');
  return rows[0];
}
const boot = (node: number, bootId: string, bootClass: string) =>
  engine.db.pool.query('UPDATE node_status SET boot_id = $2, boot_class = $3::boot_class WHERE node_id = $1', [node, bootId, bootClass]);
const prove = () => call(engine.db, `prove_stopped(interval '2 seconds')`);
const gate = () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
};
const untilAborted = (ctx: { signal: AbortSignal }) =>
  new Promise<never>((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error), { once: true }));
const installs = (): JigOutcome => ({ kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 600, keeps: 'node', survivesReboot: true, memo: { step: 1 } });

describe('rule 17: a cancel', () => {
  it('is heard by a running jig within two seconds', async () => {
    const begun = gate();
    let heardAfterMs = 0;
    let cancelledAt = 0;
    const { id, work } = await deploy({
      run: async (ctx) => {
        begun.open();
        await untilAborted(ctx).catch(() => undefined);
        heardAfterMs = performance.now() - cancelledAt;
      },
    });
    const working = work();
    await begun.opened;
    cancelledAt = performance.now();
    await cancelNodeRole(engine.db, id, 'test');
    await working;
    expect(heardAfterMs).toBeLessThan(2000);
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled', stop_proof: 'its worker has stopped it' });
  });

  it('of a wait on which the machine works by itself keeps the machine until that has stopped; what was begun is undone first', async () => {
    const undone: unknown[] = [];
    const { id, node, work } = await deploy({
      run: installs,
      onStop: (ctx) => {
        undone.push([ctx.memo, ctx.reason]);
        return { note: 'desired boot taken back' };
      },
    });
    await work();
    await cancelNodeRole(engine.db, id, 'ann');
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'cancelled' });
    expect(await lastRun(id)).toMatchObject({ status: 'STOPPING', stop_step: 'ask' });
    await expect(retryNodeRole(engine.db, id, 'test')).rejects.toThrow('still being stopped');
    // Another boot does not free it before it is undone.
    await boot(node, 'later', 'maintenance');
    expect(await prove()).toBe(0);
    await boot(node, `boot-${node}`, 'discovery');
    expect(await work()).toBe(1);
    expect(undone).toEqual([[{ step: 1 }, 'cancel by ann']]);
    expect(await lastRun(id)).toMatchObject({ status: 'STOPPING', stop_step: 'done', stop_note: 'desired boot taken back' });
    expect(await prove()).toBe(0);
    await boot(node, 'installer', 'installer');
    expect(await prove()).toBe(0);
    await boot(node, 'later', 'maintenance');
    expect(await prove()).toBe(1);
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled', stop_proof: 'the machine has booted anew (later)' });
    await retryNodeRole(engine.db, id, 'test');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('frees the machine at once when onStop knows that nothing of it is left', async () => {
    const { id, work } = await deploy({ run: installs, onStop: () => ({ proof: 'switched off' }) });
    await work();
    await proposeNodeRole(engine.db, id, 'test');
    expect(await stateOf(engine.db, id)).toBe('PROPOSED');
    await work();
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled', stop_proof: 'switched off' });
  });

  it('tries an onStop that fails again, and says why it gave up', async () => {
    let calls = 0;
    const { id, work } = await deploy({
      run: installs,
      onStop: () => {
        calls += 1;
        throw new Error('the BMC is silent');
      },
    });
    await work();
    await cancelNodeRole(engine.db, id, 'test');
    while ((await work()) > 0);
    expect(calls).toBe(5);
    expect(await lastRun(id)).toMatchObject({ status: 'STOPPING', stop_step: 'failed', stop_note: 'the BMC is silent' });
    await engine.db.pool.query(`UPDATE runs SET stopping_at = clock_timestamp() - interval '5 minutes'`);
    expect(await call(engine.db, `tell_stuck(interval '2 minutes')`)).toBe(1);
    expect(await call(engine.db, `tell_stuck(interval '2 minutes')`)).toBe(0);
    const { rows } = await engine.db.pool.query<{ data: { code: string; message: string; fix: string } }>(
      `SELECT data FROM outbox_events WHERE kind = 'alarm'`,
    );
    expect(rows.map((row) => row.data.code)).toEqual(['stuck']);
    expect(rows[0]?.data.message).toContain('undoing it failed: the BMC is silent');
    expect(rows[0]?.data.fix).toContain('prybar runs force-end');
  });

  it('lets another worker undo what a worker that died was undoing', async () => {
    let calls = 0;
    const { id, work } = await deploy({ run: installs, onStop: () => ((calls += 1), { proof: 'gone' }) });
    await work();
    await cancelNodeRole(engine.db, id, 'test');
    const { rows } = await engine.db.pool.query<RingRow>(`SELECT * FROM ring_again('0', 10)`);
    expect((await engine.db.pool.query('SELECT id FROM start_stop($1, $2, $3, 30)', [rows[0]?.run_id, rows[0]?.fence, 'dead'])).rowCount).toBe(1);
    // The same ring again starts nothing.
    expect((await engine.db.pool.query('SELECT id FROM start_stop($1, $2, $3, 30)', [rows[0]?.run_id, rows[0]?.fence, 'other'])).rowCount).toBe(0);
    expect(await prove()).toBe(0);
    await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute'`);
    await prove();
    await waitFor(async () => (await work()) > 0, { what: 'the ring' });
    expect([calls, (await lastRun(id)).status]).toEqual([1, 'ENDED']);
  });

  it('of a run that waits, keeps nothing and has nothing to undo ends it at once', async () => {
    const { id, work } = await deploy({ run: () => ({ kind: 'timer', seconds: 600, memo: {} }) });
    await work();
    expect(await lastRun(id)).toMatchObject({ status: 'WAITING' });
    await cancelNodeRole(engine.db, id, 'test');
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled' });
  });

  it('of a run that waits and keeps nothing has it undone, when the machine is free', async () => {
    const undone: unknown[] = [];
    const { id, node, work } = await deploy({
      run: (ctx) => (ctx.role.name === 'b' ? { kind: 'done' } : { kind: 'timer', seconds: 600, memo: { order: 7 } }),
      onStop: (ctx) => (undone.push(ctx.memo), { note: 'the order is taken back' }),
    });
    await work();
    // Another noderole has the machine meanwhile.
    const roles = await addRoles(engine.db, { b: [] }, { b: {} });
    const other = await bind(engine, roles.b, node);
    await commit(engine);
    const [ring] = await claim(engine.db.pool, 10);
    if (!ring) throw new Error('not claimed');
    await cancelNodeRole(engine.db, id, 'test');
    await expect(retryNodeRole(engine.db, id, 'test')).rejects.toThrow('still being stopped');
    expect((await engine.db.pool.query(`SELECT * FROM ring_again('1 hour', 10)`)).rowCount).toBe(0);
    expect((await engine.db.pool.query(`SELECT s.id FROM runs r, start_stop(r.id, r.fence, 'w', 30) s WHERE r.node_role_id = $1`, [id])).rowCount).toBe(0);
    expect(await prove()).toBe(0);
    await work();
    expect([await stateOf(engine.db, other), undone]).toEqual(['ACTIVE', []]);
    await work();
    expect(undone).toEqual([{ order: 7 }]);
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled', stop_note: 'the order is taken back' });
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('of a run that keeps nothing is not undone once a newer run goes on with it', async () => {
    const undone: unknown[] = [];
    const { id, work } = await deploy({
      run: (ctx) => (ctx.run.attempt > 0 && undone.length === 0 ? { kind: 'timer', seconds: 600, memo: {} } : { kind: 'done' }),
      onStop: () => (undone.push('undone'), {}),
    });
    await work();
    await proposeNodeRole(engine.db, id, 'test');
    await commit(engine);
    // Both are rung: the new run has the slot first.
    const rings = await claim(engine.db.pool, 10);
    expect(rings).toHaveLength(1);
    await engine.db.pool.query(`UPDATE runs SET started_at = clock_timestamp() WHERE id = $1`, [rings[0]?.runId]);
    expect(await prove()).toBe(1);
    const { rows } = await engine.db.pool.query(`SELECT outcome, stop_note FROM runs WHERE node_role_id = $1 ORDER BY id LIMIT 1`, [id]);
    expect([undone, rows]).toEqual([[], [{ outcome: 'cancelled', stop_note: 'a newer run of the noderole goes on with it' }]]);
  });
});

describe('rule 17: a wait that fails at its deadline', () => {
  const waits = (retryable: boolean) => (ctx: JigContext) =>
    ctx.wake === 'deadline' ? { kind: 'fail', code: 'too-late', message: 'it never came', retryable } : { ...installs(), deadlineSeconds: 0 };
  const expire = async (work: () => Promise<number>) => {
    await work();
    await waitFor(async () => (await call(engine.db, 'expire_waits()')) > 0, { what: 'the deadline' });
    await work();
  };

  it('is undone before the machine is given to others, and then ends as it failed', async () => {
    const undone: unknown[] = [];
    const { id, work } = await deploy({ run: waits(false), onStop: (ctx) => (undone.push([ctx.memo, ctx.reason]), { proof: 'switched off' }) });
    await expire(work);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'too-late' });
    expect(await lastRun(id)).toMatchObject({ status: 'STOPPING', stop_step: 'ask' });
    await expect(retryNodeRole(engine.db, id, 'test')).rejects.toThrow('still being stopped');
    await work();
    expect(undone).toEqual([[{ step: 1 }, 'it failed at the deadline of its wait']]);
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'failed', stop_proof: 'switched off' });
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('is not undone when another attempt follows, nor when there is nothing to undo', async () => {
    const again = await deploy({ run: waits(true), onStop: () => ({ proof: 'undone' }) }, { max_attempts: 3 });
    await expire(again.work);
    expect(await lastRun(again.id)).toMatchObject({ status: 'ENDED', outcome: 'retryable', stop_step: null });
  });
});

describe('rule 17: a step that cannot be broken off', () => {
  it('goes on when its run is cancelled, and the cancel takes effect at its end', async () => {
    const [begun, end] = [gate(), gate()];
    const seen: string[] = [];
    const { id, work } = await deploy(
      {
        run: async (ctx) => {
          await ctx.unabortable('flashing the firmware', async () => {
            begun.open();
            await end.opened;
            seen.push(ctx.signal.aborted ? 'aborted' : 'whole');
          });
          await untilAborted(ctx);
        },
      },
      // Nor does the time of the role break it off.
      { timeout_seconds: 1 },
    );
    const working = work();
    await begun.opened;
    expect(await cancelNodeRole(engine.db, id, 'ann')).toMatchObject({ to: 'TRANSITION', later: 'flashing the firmware' });
    expect(await lastRun(id)).toMatchObject({ status: 'RUNNING', unabortable: 'flashing the firmware' });
    await expect(proposeNodeRole(engine.db, id, 'ann')).rejects.toThrow('cannot be broken off (flashing the firmware)');
    expect(await applyCancels(engine.db)).toBe(0);
    end.open();
    await working;
    expect(seen).toEqual(['whole']);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'cancelled' });
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled' });
  });

  it('does not begin in a run that was cancelled before', async () => {
    const begun = gate();
    let flashed = false;
    const { id, work } = await deploy({
      run: async (ctx) => {
        begun.open();
        await untilAborted(ctx).catch(() => undefined);
        await ctx.unabortable('flashing', async () => (flashed = true));
      },
    });
    const working = work();
    await begun.opened;
    await cancelNodeRole(engine.db, id, 'test');
    await working;
    expect(flashed).toBe(false);
  });

  it('may be a wait: it is not started again after a cancel, and ends cancelled', async () => {
    let calls = 0;
    const { id, work } = await deploy({
      run: () => (
        (calls += 1),
        { kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 600, keeps: 'node', unabortable: 'the BIOS updates itself', memo: {} }
      ),
    });
    await work();
    expect(await cancelNodeRole(engine.db, id, 'test')).toMatchObject({ later: 'the BIOS updates itself' });
    await call(engine.db, `raise_fact('k', 1, '{}')`);
    await work();
    expect(calls).toBe(1);
    expect(await applyCancels(engine.db)).toBe(1);
    await prove();
    expect(await lastRun(id)).toMatchObject({ status: 'ENDED', outcome: 'cancelled' });
  });
});

describe('rule 16: a run that expects a boot', () => {
  const expects = (otherwise: 'fail' | 'wake') => ({ ...installs(), expectedBoot: { class: 'installed', otherwise } });
  const booted = async (node: number, bootId: string, bootClass: string) => {
    await boot(node, bootId, bootClass);
    return call(engine.db, 'wake_unexpected_boots()');
  };

  it.each([
    ['installed', 'fact', 'fail'],
    ['maintenance', 'unexpected-boot', 'wake'],
  ] as const)('is woken by a boot of class %s with the reason %s', async (bootClass, reason, otherwise) => {
    const wakes: unknown[] = [];
    const { id, node, work } = await deploy({ run: (ctx) => (wakes.push(ctx.wake), ctx.wake === null ? expects(otherwise) : { kind: 'done' }) });
    await work();
    // The boot in which it began, and the installer's own.
    expect(await booted(node, `boot-${node}`, 'discovery')).toBe(0);
    expect(await booted(node, 'i', 'installer')).toBe(0);
    expect(await booted(node, 'new', bootClass)).toBe(1);
    await work();
    expect(wakes).toEqual([null, reason]);
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
  });

  it('fails for good by another boot when its jig has not said that it decides', async () => {
    const { id, node, work } = await deploy({ run: () => expects('fail') });
    await work();
    expect(await booted(node, 'new', 'maintenance')).toBe(1);
    await work();
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'unexpected-boot' });
  });
});

it('rule 7: a timer keeps nothing, and calls its jig again', async () => {
  const wakes: unknown[] = [];
  const { id, node, work } = await deploy({
    run: (ctx) => (wakes.push([ctx.wake, ctx.memo]), ctx.wake === null ? { kind: 'timer', seconds: 0, memo: { n: 1 } } : { kind: 'done' }),
  });
  await work();
  const { rowCount } = await engine.db.pool.query(`SELECT 1 FROM runs WHERE node_id = $1 AND status <> 'ENDED' AND holds_slot`, [node]);
  expect(rowCount).toBe(0);
  await call(engine.db, 'expire_waits()');
  await work();
  expect(wakes).toEqual([
    [null, {}],
    ['deadline', { n: 1 }],
  ]);
  expect(await stateOf(engine.db, id)).toBe('ACTIVE');
});
