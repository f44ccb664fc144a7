/** The executor of a worker against the database, without a queue: what the handler of a job promises. */
import { expect, it } from '@jest/globals';
import { claim } from '../../../src/noderoles/claim.js';
import { cancelNodeRole } from '../../../src/noderoles/verbs.js';
import type { Jig, JigContext, JigOutcome } from '../../../src/jigs/contract.js';
import { Executor } from '../../../src/runs/execute.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addMachines, addRoles, bind, call, commit, nodeRole, useEngine, runsOf, stateOf, unsound } from '../../support/direct-engine.js';

const engine = useEngine();

/** `count` machines with one role each, whose jig is `run`; answers the noderoles, and handles the job of each. */
async function deploy(run: (ctx: JigContext) => unknown, { count = 1, role = {}, abortGraceMs = 5000, leaseSeconds = 30 } = {}) {
  const roles = await addRoles(engine.db, { a: [] }, { a: role });
  const ids: number[] = [];
  for (const node of await addMachines(engine.db, count)) ids.push(await bind(engine, roles.a, node));
  await commit(engine);
  // Jigs are not trusted to return what their type says.
  const jig: Jig = { name: 'test', description: 'of this test', run: async (ctx) => run(ctx) as JigOutcome };
  const executor = new Executor({
    pool: engine.db.pool,
    jigs: new Map([['test', jig]]),
    worker: 'w1',
    leaseSeconds,
    abortGraceMs,
    ring: async () => undefined,
    onRoom: () => undefined,
    claimPerSettle: 0,
    log: createLogger('test', 'silent'),
  });
  const rings = await claim(engine.db.pool, 1000);
  return { ids, id: ids[0], executor, handled: Promise.all(rings.map((ring) => executor.handle(ring))) };
}

const gate = () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
};
const status = async (id: number) => (await runsOf(engine.db, id))[0]?.status;

it('rule 12: a job is done only when its outcome is committed', async () => {
  const { id, handled } = await deploy(() => ({ kind: 'done' }));
  await handled;
  expect(await stateOf(engine.db, id)).toBe('ACTIVE');
});

it.each<[string, unknown]>([
  ['nothing', undefined],
  ['NUL', { kind: 'done', wall: { text: 'a\u0000b' } }],
  ['too much', { kind: 'done', wall: { text: 'x'.repeat(1_100_000) } }],
  ['JSON nested ten thousand deep', { kind: 'done', wall: JSON.parse(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`) }],
])('rule 12: a jig that returns %s ends its run as a failure that says so', async (_what, outcome) => {
  const { id, handled } = await deploy(() => outcome);
  await handled;
  expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'bad-outcome' });
});

it('rule 12: one poison outcome among thirty ends alone, as internal-error', async () => {
  await engine.db.pool.query(`ALTER TABLE runs ADD CONSTRAINT no_poison CHECK (error_code IS DISTINCT FROM 'poison')`);
  try {
    let n = 0;
    const { ids, handled } = await deploy(() => (n++ === 17 ? { kind: 'fail', code: 'poison', message: '', retryable: false } : { kind: 'done' }), {
      count: 30,
    });
    await handled;
    const all = await Promise.all(ids.map((id) => nodeRole(engine.db, id)));
    expect(all.filter((row) => row.state === 'ACTIVE')).toHaveLength(29);
    expect(all.find((row) => row.state !== 'ACTIVE')).toMatchObject({ state: 'ERROR', error_code: 'internal-error' });
    expect(await unsound(engine.db)).toEqual([]);
  } finally {
    await engine.db.pool.query('ALTER TABLE runs DROP CONSTRAINT no_poison');
  }
});

it.each(['40P01', '40001', '55P03', '53300'])('rule 12: a settle that met %s twice is settled all the same', async (code) => {
  await engine.db.pool.query(`
    CREATE SEQUENCE IF NOT EXISTS trouble; ALTER SEQUENCE trouble RESTART;
    CREATE OR REPLACE FUNCTION make_trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('trouble') <= 2 THEN RAISE EXCEPTION 'trouble' USING ERRCODE = '${code}'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER trouble BEFORE UPDATE ON runs FOR EACH ROW WHEN (NEW.status = 'ENDED') EXECUTE FUNCTION make_trouble()`);
  try {
    const { id, handled } = await deploy(() => ({ kind: 'done' }));
    await handled;
    expect(await stateOf(engine.db, id)).toBe('ACTIVE');
    expect((await runsOf(engine.db, id)).map((run) => run.outcome)).toEqual(['succeeded']);
  } finally {
    await engine.db.pool.query('DROP TRIGGER trouble ON runs');
  }
});

// The end of its turn was reported when the signal came, and counted as proof: the next run began while the jig still
// worked on the machine.
it('rule 1: a cancelled jig holds the machine until it has really stopped', async () => {
  const [begun, aborted, stopped] = [gate(), gate(), gate()];
  const { id, executor, handled } = await deploy(async (ctx) => {
    begun.open();
    ctx.signal.addEventListener('abort', aborted.open);
    await stopped.opened;
    throw new Error('stopped');
  });
  await begun.opened;
  await cancelNodeRole(engine.db, id, 'test');
  // As a renewal that finds no row.
  executor.leases.abortAll('taken away');
  await aborted.opened;
  await executor.idle();
  expect(await status(id)).toBe('STOPPING');
  stopped.open();
  await handled;
  expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'ENDED', outcome: 'cancelled' });
});

it('rule 1: a jig that ignores its signal proves nothing: the end of its lease does', async () => {
  const begun = gate();
  const { id, handled } = await deploy(
    () => {
      begun.open();
      return new Promise(() => undefined);
    },
    { abortGraceMs: 20, leaseSeconds: 2 },
  );
  await begun.opened;
  await cancelNodeRole(engine.db, id, 'test');
  await handled;
  expect(await status(id)).toBe('STOPPING');
  await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute'`);
  expect(await call(engine.db, `prove_stopped(interval '2 seconds')`)).toBe(1);
});

it('a jig that is stopped because its worker closes has not failed', async () => {
  const begun = gate();
  const { id, executor, handled } = await deploy((ctx) => {
    begun.open();
    return new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)));
  });
  await begun.opened;
  executor.leases.abortAll('the worker is shutting down');
  await handled;
  expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'TODO', failures: 0 });
  expect((await runsOf(engine.db, id))[0]).toMatchObject({ outcome: 'lease-lost' });
});

it('a jig that takes longer than its role may is stopped, and tried again', async () => {
  const { id, handled } = await deploy((ctx) => new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error))), {
    role: { timeout_seconds: 1 },
  });
  await handled;
  expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'TODO', failures: 1, error_code: 'timeout' });
});

it("a failure of the infrastructure backs off and uses up none of the role's tries; one that no retry helps ends at once", async () => {
  const broken = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };
  const ours = await deploy(broken('EMFILE'), { role: { max_attempts: 1, backoff_seconds: 60 } });
  await ours.handled;
  expect(await nodeRole(engine.db, ours.id)).toMatchObject({ state: 'TODO', failures: 0, error_code: 'EMFILE' });
  const { rows } = await engine.db.pool.query<{ seconds: number; infra: number }>(
    'SELECT extract(epoch FROM not_before - clock_timestamp())::float8 AS seconds, infra_failures AS infra FROM node_roles WHERE id = $1',
    [ours.id],
  );
  expect(rows[0]?.infra).toBe(1);
  // Half of it is jitter.
  expect(rows[0]?.seconds).toBeGreaterThan(25);
  expect(rows[0]?.seconds).toBeLessThan(61);
  await engine.reset();
  const final = await deploy(broken('bmc-credentials'), { role: { max_attempts: 9 } });
  await final.handled;
  expect(await nodeRole(engine.db, final.id)).toMatchObject({ state: 'ERROR', error_code: 'bmc-credentials' });
  await engine.reset();
  const excluded = await deploy(broken('ECONNREFUSED'), { role: { max_attempts: 9, no_retry_on: ['ECONNREFUSED'] } });
  await excluded.handled;
  expect(await nodeRole(engine.db, excluded.id)).toMatchObject({ state: 'ERROR', error_code: 'ECONNREFUSED' });
});

it('a jig that throws is tried again, and says why', async () => {
  const { id, handled } = await deploy(() => {
    throw new Error('no route to host');
  });
  await handled;
  expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'TODO', failures: 1, error_code: 'jig-threw' });
});

it('a jig that floods 100 MB of log keeps its beginning and its end, with a mark between, and the worker holds none of it', async () => {
  const line = 'x'.repeat(99);
  const { id, handled } = await deploy((ctx) => {
    ctx.log('first');
    for (let n = 0; n < 1_000_000; n++) ctx.log(line);
    ctx.log('last');
    return { kind: 'done' };
  });
  const before = process.memoryUsage().heapUsed;
  await handled;
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000);
  expect(await stateOf(engine.db, id)).toBe('ACTIVE');
  const { rows } = await engine.db.pool.query<{ text: string }>('SELECT text FROM run_logs ORDER BY seq');
  const log = rows.map((row) => row.text).join('');
  expect([log.slice(0, 10), log.slice(-10)]).toEqual(['first\nxxxx', 'xxxx\nlast\n']);
  const left = /\[prybar: (\d+) characters of the log are left out here: its limit is 4000000\]\n/.exec(log);
  expect(Number(left?.[1]) + log.length - (left?.[0].length ?? 0)).toBe(100_000_011);
});

it('rule 4: one job handled six times at once runs its jig once', async () => {
  let calls = 0;
  const roles = await addRoles(engine.db, { a: [] });
  const [node] = (await addMachines(engine.db, 1)) as [number];
  const id = await bind(engine, roles.a, node);
  await commit(engine);
  const jig: Jig = { name: 'test', description: '', run: async () => (calls++, { kind: 'done' }) };
  const executors = [1, 2].map(
    (n) =>
      new Executor({
        pool: engine.db.pool,
        jigs: new Map([['test', jig]]),
        worker: `w${n}`,
        leaseSeconds: 30,
        ring: async () => undefined,
        onRoom: () => undefined,
        claimPerSettle: 0,
        log: createLogger('test', 'silent'),
      }),
  );
  const [ring] = await claim(engine.db.pool, 10);
  await Promise.all([0, 1, 0, 1, 0, 1].map((n) => executors[n].handle(ring)));
  expect(calls).toBe(1);
  expect(await stateOf(engine.db, id)).toBe('ACTIVE');
});
