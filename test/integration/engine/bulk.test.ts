/** Bulk retry and rerun held against the table, one noderole at a time; and that ten thousand go in one call. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bulk, type BulkVerb } from '../../../src/noderoles/bulk.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle } from '../../../src/noderoles/settle.js';
import { isRefusal, next, type NodeRoleState, type NodeRoleView } from '../../../src/noderoles/state.js';
import {
  addMachines,
  addRoles,
  begin,
  bind,
  commit,
  driveToEnd,
  nodeRole,
  openDirectEngine,
  runsOf,
  start,
  unsound,
  type DirectEngine,
} from '../../support/direct-engine.js';
import { emptyTables } from '../../support/empty-tables.js';

const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);
let engine: DirectEngine;
beforeAll(async () => {
  engine = await openDirectEngine({ slots: 50_000 });
});
afterAll(() => engine.close());

type Shape = { states: NodeRoleState[]; destructive: boolean[]; stopping: boolean[]; backoff: boolean[]; edges: [number, number][]; chosen: boolean[] };
const SIZE = 7;
const shape: fc.Arbitrary<Shape> = fc.record({
  states: fc.array(fc.constantFrom<NodeRoleState>('PROPOSED', 'TODO', 'TRANSITION', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'ERROR', 'ERROR'), {
    minLength: SIZE,
    maxLength: SIZE,
  }),
  destructive: fc.array(fc.constantFrom(false, false, false, true), { minLength: SIZE, maxLength: SIZE }),
  stopping: fc.array(fc.constantFrom(false, false, false, true), { minLength: SIZE, maxLength: SIZE }),
  backoff: fc.array(fc.boolean(), { minLength: SIZE, maxLength: SIZE }),
  edges: fc.array(fc.tuple(fc.nat(SIZE - 1), fc.nat(SIZE - 1)), { maxLength: 9 }),
  chosen: fc.array(fc.constantFrom(true, true, false), { minLength: SIZE, maxLength: SIZE }),
});

type Row = NodeRoleView & { id: number };

describe('bulk against the table', () => {
  beforeEach(() => engine.reset());

  /** Rows as the shape says, one machine each, each run of its own; parents have lower numbers than their children. */
  async function build(it: Shape): Promise<{ rows: Row[]; kids: Map<number, number[]> }> {
    const { pool } = engine.db;
    await emptyTables(pool, [
      'node_roles',
      'node_role_edges',
      'runs',
      'roles',
      'role_requires',
      'deployment_roles',
      'outbox_events',
      'outbox_batches',
      'node_status',
      'nodes',
    ]);
    const nodes = await addMachines(engine.db, SIZE);
    const one = async (text: string, values: unknown[]) => (await pool.query<{ id: number }>(`${text} RETURNING id`, values)).rows[0].id;
    const edges = [...new Set(it.edges.filter(([a, b]) => a !== b).map(([a, b]) => `${Math.min(a, b)} ${Math.max(a, b)}`))].map(
      (key) => key.split(' ').map(Number) as [number, number],
    );
    const rows: Row[] = [];
    for (let n = 0; n < SIZE; n++) {
      const roleId = await one(`INSERT INTO roles (name, barclamp, jig, flags) VALUES ($1, 'test', 'noop', $2)`, [
        `r${n}`,
        it.destructive[n] ? ['destructive'] : [],
      ]);
      const pending = edges.filter(([parent, child]) => child === n && rows[parent].state !== 'ACTIVE' && rows[parent].state !== 'PROPOSED').length;
      const state = it.states[n] === 'TODO' && pending > 0 ? 'BLOCKED' : it.states[n];
      const runId = state === 'TRANSITION' ? (await pool.query<{ id: number }>(`SELECT nextval('runs_id_seq') AS id`)).rows[0].id : null;
      const id = await one(
        `INSERT INTO node_roles (deployment_id, role_id, node_id, state, committed, pending_parents, error_code, current_run_id, not_before, failures) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() + interval '1 hour' END, 2)`,
        [engine.deploymentId, roleId, nodes[n], state, state !== 'PROPOSED', pending, state === 'ERROR' ? 'x' : null, runId, it.backoff[n]],
      );
      const insertRun = (status: string, run: number | null) =>
        pool.query(
          `INSERT INTO runs (id, node_role_id, node_id, role_id, jig, exclusive_key, status, gen, stopping_at)
           VALUES (coalesce($1, nextval('runs_id_seq')), $2, $3, $4, 'noop', $3::int, $5::run_status, 1, CASE WHEN $5::text = 'STOPPING' THEN now() END)`,
          [run, id, nodes[n], roleId, status],
        );
      if (runId !== null) await insertRun('RUNNING', runId);
      const stopping = it.stopping[n] && runId === null;
      if (stopping) await insertRun('STOPPING', null);
      rows.push({ id, state, pendingParents: pending, slack: 0, barrier: false, wantGen: 1, runGen: null, destructive: it.destructive[n], stopping });
    }
    for (const [parent, child] of edges)
      await pool.query('INSERT INTO node_role_edges (parent_id, child_id) VALUES ($1, $2)', [rows[parent].id, rows[child].id]);
    return { rows, kids: new Map(rows.map((_row, n) => [n, edges.filter(([parent]) => parent === n).map(([, child]) => child)])) };
  }

  it.each(['retry', 'rerun'] as BulkVerb[])(`%s moves each as next() does, and says how many (seed ${SEED})`, async (verb) => {
    let touched = 0;
    await fc.assert(
      fc.asyncProperty(shape, async (it) => {
        const { rows, kids } = await build(it);
        const ids = rows.filter((_, n) => it.chosen[n]).map((row) => row.id);
        if (ids.length === 0) return;
        const dry = await bulk(engine.db, verb, { filter: { ids }, dryRun: true, actor: 'test' });
        const expected = rows.map((row) => ({ ...row }));
        let refused = 0;
        for (let n = 0; n < SIZE; n++) {
          if (!it.chosen[n]) continue;
          const move = next(expected[n], { kind: verb });
          if (isRefusal(move)) {
            refused++;
            continue;
          }
          Object.assign(expected[n], { state: move.to, pendingParents: move.pendingParents, wantGen: move.wantGen });
          for (const child of move.childrenDelta === 1 ? (kids.get(n) ?? []) : []) {
            const told = next(expected[child], { kind: 'parent-left-active' });
            if (!isRefusal(told)) Object.assign(expected[child], { state: told.to, pendingParents: told.pendingParents });
          }
        }
        const answer = await bulk(engine.db, verb, { filter: { ids }, dryRun: false, actor: 'test' });
        expect({ ...answer, dryRun: true }).toEqual(dry);
        const { rows: now } = await engine.db.pool.query(
          'SELECT id, state, pending_parents AS "pendingParents", want_gen AS "wantGen" FROM node_roles ORDER BY id',
        );
        expect(now).toEqual(expected.map(({ id, state, pendingParents, wantGen }) => ({ id, state, pendingParents, wantGen })));
        const others = answer.others.reduce((sum, other) => sum + other.count, 0);
        expect(answer.matched).toBe(ids.length);
        expect(answer.moved + answer.marked + others).toBe(ids.length);
        expect(others).toBeGreaterThanOrEqual(refused);
        touched += answer.moved;
      }),
      { numRuns: 30, seed: SEED },
    );
    expect(touched).toBeGreaterThan(10);
  });
});

describe('bulk', () => {
  beforeEach(() => engine.reset());

  it('retries ten thousand in one call, with each one ready and sound', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const nodes = await addMachines(engine.db, 10_000);
    await engine.db.pool.query(
      `INSERT INTO node_roles (deployment_id, role_id, node_id, state, committed, error_code, failures) SELECT $1, $2, id, 'ERROR', true, 'broken', 3 FROM unnest($3::int[]) AS n(id)`,
      [engine.deploymentId, only, nodes],
    );
    const filter = { deploymentId: engine.deploymentId, states: ['ERROR' as const] };
    expect(await bulk(engine.db, 'retry', { filter, dryRun: true, actor: 'op' })).toMatchObject({ matched: 10_000, moved: 10_000, others: [] });
    const began = Date.now();
    expect(await bulk(engine.db, 'retry', { filter, dryRun: false, actor: 'op' })).toMatchObject({ matched: 10_000, moved: 10_000, others: [] });
    expect(Date.now() - began).toBeLessThan(15_000);
    const { rows } = await engine.db.pool.query(`SELECT state, failures, count(*)::int AS n FROM node_roles WHERE deployment_id = $1 GROUP BY 1, 2`, [
      engine.deploymentId,
    ]);
    expect(rows).toEqual([{ state: 'TODO', failures: 0, n: 10_000 }]);
    const { rows: events } = await engine.db.pool.query(
      `SELECT count(*)::int AS n, count(DISTINCT batch_id)::int AS batches FROM outbox_events WHERE data->>'reason' = 'retry'`,
    );
    expect(events).toEqual([{ n: 10_000, batches: 1 }]);
  });

  it('rerun runs the jig again with the same inputs; a destructive one stays and the answer says so', async () => {
    const roles = await addRoles(engine.db, { plain: [], wipe: [] }, { wipe: { flags: ['destructive'] } });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const plain = await bind(engine, roles.plain, node);
    const wipe = await bind(engine, roles.wipe, node);
    await commit(engine);
    await driveToEnd(engine.db);
    const answer = await bulk(engine.db, 'rerun', { filter: { nodeId: node }, dryRun: false, actor: 'op' });
    expect(answer).toEqual({
      dryRun: false,
      matched: 2,
      moved: 1,
      marked: 0,
      others: [{ reason: 'its role is destructive: only a redeploy runs it again', count: 1, ids: [wipe] }],
    });
    const [ring] = await claim(engine.db.pool, 10);
    expect((await start(engine.db, ring)).kind).toBe('run');
    expect((await runsOf(engine.db, plain)).length).toBe(2);
    expect((await nodeRole(engine.db, wipe)).state).toBe('ACTIVE');
    expect(await unsound(engine.db)).toEqual([]);
  });

  // The success of the run that was at work cleared the wish, and the next start found its inputs unchanged and skipped.
  it('rule 8: a rerun asked for while it runs is not lost', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const id = await bind(engine, only, node);
    await commit(engine);
    const [ring] = await claim(engine.db.pool, 10);
    const job = await begin(engine.db, ring);
    expect(await bulk(engine.db, 'rerun', { filter: { ids: [id] }, dryRun: false, actor: 'op' })).toMatchObject({ moved: 0, marked: 1 });
    await settle(engine.db.pool, [{ ...job, outcome: { kind: 'done' } }], 0);
    expect((await nodeRole(engine.db, id)).state).toBe('TODO');
    const [again] = await claim(engine.db.pool, 10);
    expect((await start(engine.db, again)).kind).toBe('run');
  });

  it('refuses a filter that names nothing in particular', async () => {
    await expect(bulk(engine.db, 'retry', { filter: {}, dryRun: true, actor: 'op' })).rejects.toMatchObject({ code: 'validation-failed' });
  });
});
