/**
 * The guarantee of the plan: what it says will run is what the engine runs after the commit. Random graphs of roles on
 * random nodes in two deployments, a history, then proposals; the plan is read, the deployment committed, the engine
 * driven to rest with jigs that succeed, and the noderoles that started are held against the plan.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commitDeployment } from '../../../src/deployments/commit.js';
import { readPlan } from '../../../src/deployments/plan-read.js';
import { createDeployment, setDeploymentRoleData } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { AppError } from '../../../src/shared/errors.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, driveToEnd, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';

const RUNS = Number(process.env.PRYBAR_TEST_PLAN_RUNS ?? 20);

type Shape = {
  requires: number[][];
  flags: string[];
  wants: boolean[];
  nodes: number;
  /** role, node, in the second deployment */
  before: [number, number, boolean][];
  between: { what: 'repropose' | 'fail' | 'unavailable' | 'nothing'; at: number }[];
  after: [number, number, boolean][];
  data: { of: 'noderole' | 'role'; at: number; value: number }[];
};

const binds = (roles: number) => fc.array(fc.tuple(fc.nat(roles - 1), fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 6 });
const shape: fc.Arbitrary<Shape> = fc.integer({ min: 3, max: 8 }).chain((roles) =>
  fc.record({
    requires: fc.tuple(
      ...Array.from({ length: roles }, (_, role) => (role === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(role - 1), { maxLength: 3 }))),
    ),
    flags: fc.array(fc.constantFrom('', '', '', 'implicit', 'cluster', 'destructive'), { minLength: roles, maxLength: roles }),
    wants: fc.array(fc.boolean(), { minLength: roles, maxLength: roles }),
    nodes: fc.integer({ min: 2, max: 4 }),
    before: binds(roles),
    between: fc.array(fc.record({ what: fc.constantFrom('repropose', 'fail', 'unavailable', 'nothing'), at: fc.nat(100) }), { maxLength: 2 }),
    after: binds(roles),
    data: fc.array(fc.record({ of: fc.constantFrom('noderole', 'role'), at: fc.nat(100), value: fc.nat(2) }), { maxLength: 3 }),
  }),
);

describe('the plan', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    engine = await openDirectEngine();
  });
  afterAll(() => engine.close());

  /** A refusal of what random steps ask is as good as nothing asked. */
  async function tolerant<Value>(work: Promise<Value>): Promise<Value | undefined> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }

  async function build(graph: Shape): Promise<void> {
    const { db } = engine;
    await engine.reset();
    const other = (await createDeployment(db, { name: 'below', parentId: engine.deploymentId, actor: 'test' })).id;
    const name = (role: number) => `r${role}`;
    const ids = await addRoles(
      db,
      Object.fromEntries(graph.requires.map((requires, role) => [name(role), requires.map(name)])),
      Object.fromEntries(
        graph.flags.map((flag, role) => [
          name(role),
          {
            ...(flag === '' ? {} : { flags: [flag] }),
            // Wanting anything by name is reading the walls of no parent.
            ...(graph.wants[role] && graph.requires[role]?.[0] !== undefined ? { wants_attribs: [`${name(graph.requires[role][0])}/v`] } : {}),
            attribs: [{ name: 'v', default: 0 }],
          },
        ]),
      ),
    );
    const nodes = await addMachines(db, graph.nodes);
    const bindAll = async (wishes: Shape['before']) => {
      for (const [role, node, below] of wishes)
        await tolerant(
          bindRole(db, {
            roleId: ids[name(role)] ?? 0,
            nodeId: nodes[node % nodes.length] ?? 0,
            deploymentId: below ? other : engine.deploymentId,
            actor: 'test',
          }),
        );
    };
    await bindAll(graph.before);
    for (const id of [engine.deploymentId, other]) await tolerant(commitDeployment(db, id, 'test'));
    await driveToRest();
    const { rows } = await db.pool.query<{ id: number }>('SELECT id FROM node_roles ORDER BY id');
    const pick = (at: number) => rows[at % rows.length]?.id ?? 0;
    for (const { what, at } of rows.length === 0 ? [] : graph.between) {
      if (what === 'repropose') await moveNodeRole(db.pool, pick(at), { kind: 'repropose' }, 'test');
      if (what === 'unavailable') await db.pool.query('UPDATE nodes SET available = false WHERE id = $1', [nodes[at % nodes.length]]);
      if (what === 'fail') {
        await moveNodeRole(db.pool, pick(at), { kind: 'poke' }, 'test');
        await driveToEnd(db, () => ({ kind: 'fail', code: 'told', message: 'told to', retryable: false }));
        while ((await db.pool.query('SELECT propagate_errors(1000) AS n')).rows[0]?.n > 0);
      }
    }
    await bindAll(graph.after);
    const all = await db.pool.query<{ id: number; role_id: number }>('SELECT id, role_id FROM node_roles WHERE deployment_id = $1 ORDER BY id', [
      engine.deploymentId,
    ]);
    for (const { of, at, value } of all.rows.length === 0 ? [] : graph.data) {
      const row = all.rows[at % all.rows.length];
      if (row === undefined) continue;
      if (of === 'noderole') await tolerant(setNodeRoleData(db, row.id, { v: value }, 'test'));
      else await tolerant(setDeploymentRoleData(db, { deploymentId: engine.deploymentId, roleId: row.role_id, data: { v: value }, actor: 'test' }));
    }
  }

  /** Everything succeeds and leaves nothing, but barriers leave who their members are, as their function does (roles/builtin/barrier.ts). */
  async function driveToRest(): Promise<void> {
    const { pool } = engine.db;
    for (let rings = await claim(pool, 1000); rings.length > 0; rings = await claim(pool, 1000)) {
      const batch: Settlement[] = [];
      for (const answer of await startRuns(pool, rings, 'w1', 600)) {
        if (answer.kind === 'dropped') continue;
        if (answer.kind !== 'run') batch.push({ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } });
        else batch.push({ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done', ...(await wallOf(answer.run)) } });
      }
      await settle(pool, batch, 0);
    }
  }
  async function wallOf(run: { noderoleId: number; role: { config: object } }): Promise<{ wall?: { members: number[] } }> {
    if (!('barrier_of' in run.role.config)) return {};
    const { rows } = await engine.db.pool.query<{ id: number }>(
      'SELECT m.id FROM node_role_edges e JOIN node_roles m ON m.id = e.parent_id AND m.committed WHERE e.child_id = $1 ORDER BY 1',
      [run.noderoleId],
    );
    return { wall: { members: rows.map((row) => row.id) } };
  }

  const digest = async () =>
    JSON.stringify(
      await Promise.all(
        [
          'deployments',
          'deployment_roles',
          'node_roles',
          'node_role_edges',
          'runs',
          'outbox_events',
          'audit',
          'deployment_revisions',
          'deployment_changes',
        ].map(
          async (table) =>
            (await engine.db.pool.query(`SELECT count(*)::int AS n, md5(string_agg(t::text, '' ORDER BY t::text)) AS d FROM ${table} t`)).rows[0],
        ),
      ),
    );

  it('says what the commit will run, no more and no less, and changes nothing by saying so', async () => {
    let checked = 0;
    let running = 0;
    await fc.assert(
      fc.asyncProperty(shape, fc.boolean(), async (graph, withParents) => {
        await build(graph);
        const { pool } = engine.db;
        const before = await digest();
        const plan = await readPlan(pool, engine.deploymentId, { withParents });
        expect(await digest()).toBe(before);

        const [{ last }] = (await pool.query<{ last: number }>('SELECT coalesce(max(id), 0) AS last FROM runs')).rows;
        let refused: string | undefined;
        try {
          await commitDeployment(engine.db, engine.deploymentId, 'test', { withParents, planHash: plan.hash });
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          refused = error.code;
        }
        expect(refused).toBe(plan.refusals[0]?.code);
        if (refused !== undefined) return;
        await driveToRest();
        const ran = await pool.query<{ id: number }>('SELECT DISTINCT node_role_id AS id FROM runs WHERE id > $1 ORDER BY 1', [last]);
        expect(ran.rows.map((row) => row.id)).toEqual(plan.willRun);
        checked++;
        running += plan.willRun.length;
      }),
      { numRuns: RUNS, endOnFailure: true, ...(process.env.PRYBAR_TEST_SEED === undefined ? {} : { seed: Number(process.env.PRYBAR_TEST_SEED) }) },
    );
    // A property that never gets to its point holds nothing.
    expect(checked).toBeGreaterThan(RUNS / 4);
    expect(running).toBeGreaterThan(RUNS / 2);
  });
});
