/**
 * What the hot path costs must not grow with the tables (spikes.md, the planner trap): counted in pages touched, not in
 * time. Once as a fresh database plans, without statistics, and once with them.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import { seedChains } from '../../../scripts/bench/annealer/graph.js';
import { addMachines, addSlots, bind, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';

/** Ten times the noderoles; a B-tree is one level higher then, so a row costs a little more. */
const SMALL = 100;
const LARGE = 1_000;
const MOST_GROWTH = 2;
const ROLES = 10;
const SWEEP = [
  'expire_leases(5)',
  'expire_waits()',
  'wake_unexpected_boots()',
  'fence_lost_nodes()',
  "prove_stopped(interval '2 seconds')",
  "tell_stuck(interval '120 seconds')",
  'propagate_errors(200)',
  'finish_removals()',
  'relink_attribs()',
  'repair_drift(0, 500)',
  "ring_again(interval '5 seconds', 1000)",
];
const TABLES = ['node_roles', 'node_role_edges', 'runs', 'nodes', 'outbox_events', 'run_logs'];

type Cost = { pages: number; whole: string[] };

/** What grew by more than it may. */
const growth = (small: Map<string, Cost>, large: Map<string, Cost>, most = MOST_GROWTH): string[] =>
  [...large].flatMap(([name, { pages }]) => {
    const before = small.get(name)?.pages ?? 0;
    return pages > 50 + most * before ? [`${name}: ${before} pages, then ${pages}`] : [];
  });

describe('the plans of the hot path', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    // One connection: what is counted is counted where it was done.
    engine = await openDirectEngine({ poolSize: 1 });
    // Whether there are statistics is for the test to say, at the moment it says.
    for (const table of TABLES) await engine.db.pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  });
  afterAll(() => engine.close());

  /** Runs that have ended, so many for each noderole. */
  const addHistory = (times: number) =>
    engine.db.pool.query(
      `INSERT INTO runs (node_role_id, node_id, role_id, jig, exclusive_key, status, outcome, ended_at)
       SELECT id, node_id, role_id, 'test', node_id::text, 'ENDED', 'succeeded', clock_timestamp() FROM node_roles, generate_series(1, $1) ORDER BY id`,
      [times],
    );

  async function seed(nodes: number, analyze: boolean): Promise<void> {
    await engine.reset();
    await addSlots(engine.db, 'fast-2', 1);
    for (const id of (await seedChains(engine.db, nodes, ROLES)).deployments) await commitDeployment(engine.db, id, 'test');
    await addHistory(1);
    // Half of the fleet is at work.
    await engine.db.pool.query('SELECT * FROM claim(NULL, $1)', [nodes / 2]);
    if (analyze) await engine.db.pool.query('ANALYZE');
  }

  /** How often each table was read from end to end until now. */
  const wholeReads = async (): Promise<Map<string, number>> => {
    const { pool } = engine.db;
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query<{ name: string; n: number }>('SELECT relname AS name, seq_scan AS n FROM pg_stat_user_tables WHERE relname = ANY($1)', [
      TABLES,
    ]);
    return new Map(rows.map((row) => [row.name, row.n]));
  };

  /** Pages that a call touches, those of the statements in its functions too, and the tables that it reads from end to end. */
  async function cost(call: string, values: unknown[] = []): Promise<Cost> {
    const before = await wholeReads();
    const { rows } = await engine.db.pool.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${call}`,
      values,
    );
    const plan = rows[0]['QUERY PLAN'][0].Plan;
    const after = await wholeReads();
    return { pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], whole: TABLES.filter((name) => after.get(name) !== before.get(name)) };
  }

  const runsThat = async (status: string) => {
    const { rows } = await engine.db.pool.query<{ id: number; fence: number }>('SELECT id, fence FROM runs WHERE status::text = $1 ORDER BY id LIMIT 50', [
      status,
    ]);
    return { ids: rows.map((row) => row.id), fences: rows.map((row) => row.fence) };
  };

  /** Twenty-five noderoles through claim, start and settle, twice, because the first call of a connection reads the catalog; then the sweep. */
  async function costs(nodes: number, analyze: boolean): Promise<Map<string, Cost>> {
    await seed(nodes, analyze);
    return costsNow();
  }

  async function costsNow(): Promise<Map<string, Cost>> {
    const seen = new Map<string, Cost>();
    for (let turn = 0; turn < 2; turn++) {
      seen.set('claim', await cost('SELECT * FROM claim(NULL, 25)'));
      const queued = await runsThat('QUEUED');
      seen.set('read', await cost('SELECT * FROM start_read($1)', [queued.ids]));
      await engine.db.pool.query(
        `UPDATE runs SET status = 'RUNNING', fence = fence + 1, gen = 1, inputs = '{}', inputs_hash = 'x', started_at = clock_timestamp(), lease_until = clock_timestamp() + interval '1 hour' WHERE id = ANY($1)`,
        [queued.ids],
      );
      const running = await runsThat('RUNNING');
      const bodies = running.ids.map(() => '{"kind":"succeed"}');
      seen.set('settle', await cost('SELECT * FROM settle($1, $2, $3::jsonb[], 500)', [running.ids, running.fences, bodies]));
      for (const repair of SWEEP) seen.set(repair, await cost(`SELECT ${repair}`));
      seen.set('claim_is_due', await cost('SELECT claim_is_due($1)', [['fast']]));
    }
    return seen;
  }

  it.each([
    ['without statistics', false],
    ['with statistics', true],
  ])('claim, start, settle and sweep touch no more pages with ten times the noderoles, %s', async (_name, analyze) => {
    const small = await costs(SMALL, analyze);
    const large = await costs(LARGE, analyze);
    expect(growth(small, large)).toEqual([]);
    expect([...large].filter(([, { whole }]) => whole.length > 0)).toEqual([]);
  });

  it.each([
    ['without statistics', false],
    // Without any, the planner takes an empty table for ten pages.
    ['with statistics that say so', true],
  ])('a plan that was made while nothing had run reads no more when much has, %s', async (_name, analyze) => {
    await engine.reset();
    await addSlots(engine.db, 'fast-2', 1);
    for (const id of (await seedChains(engine.db, SMALL, ROLES)).deployments) await commitDeployment(engine.db, id, 'test');
    if (analyze) await engine.db.pool.query('ANALYZE');
    await engine.db.pool.query('DISCARD PLANS');
    const first = await costsNow();
    await addHistory(20);
    expect(growth(first, await costsNow(), 1.5)).toEqual([]);
  });

  it.each([
    ['without statistics', false],
    ['with statistics', true],
  ])('the commit of one machine and a wave of ERROR below it read no table from end to end, %s', async (_name, analyze) => {
    await seed(LARGE, analyze);
    const roles = await engine.db.pool.query<{ id: number }>(`SELECT id FROM roles WHERE barclamp = 'bench' ORDER BY cohort`);
    const [node] = await addMachines(engine.db, 1);
    const ids: number[] = [];
    for (const { id } of roles.rows) ids.push(await bind(engine, id, node));
    const commit = await cost('SELECT * FROM commit_deployment($1)', [engine.deploymentId]);
    await engine.db.pool.query(`UPDATE node_roles SET state = 'ERROR', error_epoch = 1, error_code = 'told' WHERE id = $1`, [ids[0]]);
    await engine.db.pool.query('INSERT INTO propagations (node_role_id, root_id, error_epoch) VALUES ($1, $1, 1)', [ids[0]]);
    const wave = await cost('SELECT propagate_errors(1)');
    expect({ commit: commit.whole, wave: wave.whole }).toEqual({ commit: [], wave: [] });
    // A hundredth of what there is; by key it is a few pages for each noderole.
    expect(Math.max(commit.pages, wave.pages)).toBeLessThan(2_000);
  });
});
