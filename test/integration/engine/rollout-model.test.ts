/** The rollout's rule in SQL (18_rollout.sql, asked by the claim) held against the pure one (src/annealer/rollout.ts). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  admit,
  assess,
  placeKey,
  roomFor,
  type Fault,
  type Member,
  type RolloutPhase,
  type RolloutStatus,
  type RolloutView,
} from '../../../src/annealer/rollout.js';
import { claim } from '../../../src/noderoles/claim.js';
import type { NodeRoleState } from '../../../src/noderoles/state.js';
import { addMachines, addSlots, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';
import { emptyTables } from '../../support/empty-tables.js';

const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);

type PairShape = { node: number; role: number; state: NodeRoleState; cohort: number; member: boolean; canary: boolean; begun: boolean; fault: Fault };
type Shape = {
  status: RolloutStatus;
  phase: RolloutPhase;
  perRole: boolean;
  nodes: number;
  roles: number;
  pairs: PairShape[];
  domains: number[];
  max: number[];
  pauseAbove: number;
  minSample: number;
  places: [number, number][];
};

const shape: fc.Arbitrary<Shape> = fc.record({
  status: fc.constantFrom('running' as const, 'running' as const, 'running' as const, 'paused' as const, 'aborted' as const),
  phase: fc.constantFrom('canary' as const, 'fleet' as const, 'fleet' as const),
  perRole: fc.boolean(),
  nodes: fc.integer({ min: 2, max: 8 }),
  roles: fc.integer({ min: 1, max: 3 }),
  pairs: fc.array(
    fc.record({
      node: fc.nat(7),
      role: fc.nat(2),
      state: fc.constantFrom<NodeRoleState>('TODO', 'TODO', 'TODO', 'TODO', 'ACTIVE', 'ACTIVE', 'BLOCKED', 'TRANSITION', 'ERROR', 'PROPOSED'),
      cohort: fc.nat(2),
      member: fc.constantFrom(true, true, true, true, false),
      canary: fc.constantFrom(false, false, true),
      begun: fc.boolean(),
      fault: fc.constantFrom<Fault>('none', 'none', 'accepted', 'new'),
    }),
    { minLength: 4, maxLength: 18, size: 'max' },
  ),
  domains: fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }),
  max: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 3 }),
  pauseAbove: fc.constantFrom(0, 10, 34, 50, 100),
  minSample: fc.integer({ min: 1, max: 4 }),
  places: fc.array(fc.tuple(fc.nat(7), fc.nat(2)), { maxLength: 4 }),
});

describe('the rollout in SQL against the model', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    engine = await openDirectEngine({ slots: 0 });
  });
  afterAll(() => engine.close());

  type Built = {
    view: RolloutView;
    free: { id: number; nodeId: number; cohort: number }[];
    cohorts: Map<number, number>;
    busy: Set<number>;
    rolloutId: number;
  };

  async function build(it: Shape): Promise<Built> {
    const { pool } = engine.db;
    const one = async (text: string, values: unknown[]) => (await pool.query<{ id: number }>(`${text} RETURNING id`, values)).rows[0].id;
    await emptyTables(pool, [
      'node_roles',
      'node_role_edges',
      'runs',
      'rollouts',
      'rollout_members',
      'rollout_groups',
      'rollout_places',
      'roles',
      'role_requires',
      'deployment_roles',
      'worker_slots',
      'outbox_events',
      'outbox_batches',
      'node_status',
      'nodes',
    ]);
    await addSlots(engine.db, 'fast', 1000);
    await pool.query('UPDATE deployments SET committed_at = now() WHERE id = $1', [engine.deploymentId]);
    const nodes = await addMachines(engine.db, it.nodes);
    const roles: number[] = [];
    for (let n = 0; n < it.roles; n++) roles.push(await one(`INSERT INTO roles (name, barclamp, jig) VALUES ($1, 'test', 'noop')`, [`r${n}`]));
    const rolloutId = await one('INSERT INTO rollouts (deployment_id, revision, policy, status, phase) VALUES ($1, 1, $2, $3, $4)', [
      engine.deploymentId,
      JSON.stringify({ limit: { count: 1 }, per: 'role', pause_above: it.pauseAbove, min_sample: it.minSample }),
      it.status,
      it.phase,
    ]);
    const max = new Map(it.max.map((n, group) => [`g${group}`, n]));
    for (const [key, n] of max)
      await pool.query('INSERT INTO rollout_groups (rollout_id, key, nodes, max_in_flight) VALUES ($1, $2, 9, $3)', [rolloutId, key, n]);
    // A failed one that everything BLOCKED by a fault points to.
    const root = await one(
      `INSERT INTO node_roles (deployment_id, role_id, node_id, state, committed, error_code, error_epoch) SELECT $1, $2, id, 'ERROR', true, 'x', 7 FROM nodes WHERE id = $3`,
      [engine.deploymentId, await one(`INSERT INTO roles (name, barclamp, jig) VALUES ('root', 'test', 'noop')`, []), nodes[0]],
    );
    const members: Member[] = [];
    const free: Built['free'] = [];
    const cohorts = new Map<number, number>();
    const seen = new Set<string>();
    const busy = new Set<number>();
    for (const pair of it.pairs) {
      const nodeId = nodes[pair.node % it.nodes];
      const role = pair.role % it.roles;
      if (seen.has(`${nodeId}:${role}`)) continue;
      seen.add(`${nodeId}:${role}`);
      const state = pair.state === 'TRANSITION' && busy.has(nodeId) ? 'TODO' : pair.state;
      const fault = state === 'ERROR' && pair.fault === 'none' ? 'new' : state === 'ERROR' || state === 'BLOCKED' ? pair.fault : 'none';
      const runId = state === 'TRANSITION' ? (await pool.query<{ id: number }>(`SELECT nextval('runs_id_seq') AS id`)).rows[0].id : null;
      const id = await one(
        `INSERT INTO node_roles (deployment_id, role_id, node_id, state, cohort, committed, pending_parents, error_code, error_epoch, blocked_by, current_run_id) VALUES ($1, $2, $3, $4, $5, true, $6, $7, 3, $8, $9)`,
        [
          engine.deploymentId,
          roles[role],
          nodeId,
          state,
          pair.cohort,
          state === 'BLOCKED' ? 1 : 0,
          state === 'ERROR' ? 'x' : null,
          state === 'BLOCKED' && fault !== 'none' ? root : null,
          runId,
        ],
      );
      cohorts.set(id, pair.cohort);
      if (runId !== null) {
        busy.add(nodeId);
        await pool.query(`INSERT INTO runs (id, node_role_id, node_id, role_id, jig, exclusive_key) VALUES ($1, $2, $3, $4, 'noop', $3::int)`, [
          runId,
          id,
          nodeId,
          roles[role],
        ]);
      }
      if (!pair.member) {
        if (state === 'TODO') free.push({ id, nodeId, cohort: pair.cohort });
        continue;
      }
      const group = `g${it.perRole ? role : it.domains[pair.node % it.nodes]}`;
      members.push({ id, nodeId, group, canary: pair.canary, begun: pair.begun, state, fault });
      await pool.query(
        'INSERT INTO rollout_members (node_role_id, rollout_id, node_id, group_key, canary, begun, accepted_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7)',
        [id, rolloutId, nodeId, group, pair.canary, pair.begun, fault === 'accepted' ? (state === 'ERROR' ? 3 : 7) : null],
      );
    }
    const places = new Set<string>();
    for (const [node, group] of it.places) {
      const nodeId = nodes[node % it.nodes];
      places.add(placeKey(`g${group}`, nodeId));
      await pool.query('INSERT INTO rollout_places (rollout_id, group_key, node_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
        rolloutId,
        `g${group}`,
        nodeId,
      ]);
    }
    return {
      view: { status: it.status, phase: it.phase, reason: null, pauseAbove: it.pauseAbove, minSample: it.minSample, max, members, places },
      free,
      cohorts,
      busy,
      rolloutId,
    };
  }

  /** What the model lets the annealer claim: of each idle machine the first that the rollout does not hold, then the groups' limits. */
  function expected({ view, free, cohorts, busy }: Built): number[] {
    const open = [...view.members.filter((member) => member.state === 'TODO' && roomFor(view, member) > 0), ...free.map((one) => ({ ...one, member: false }))]
      .filter((one) => !busy.has(one.nodeId))
      .sort((a, b) => (cohorts.get(a.id) ?? 0) - (cohorts.get(b.id) ?? 0) || a.id - b.id);
    const taken = new Set<number>();
    const first = open.filter((one) => !taken.has(one.nodeId) && taken.add(one.nodeId));
    const members = first.flatMap((one) => ('group' in one ? [one] : []));
    const admitted = new Set(admit(view, members).map((member) => member.id));
    return first
      .filter((one) => !('group' in one) || admitted.has(one.id))
      .map((one) => one.id)
      .sort((a, b) => a - b);
  }

  it(`claims exactly what the model admits, and ends in its phase and status (seed ${SEED})`, async () => {
    let claimed = 0;
    let held = 0;
    await fc.assert(
      fc.asyncProperty(shape, async (it) => {
        const built = await build(it);
        const { pool } = engine.db;
        const now = assess(built.view);
        await pool.query('SELECT rollout_sweep()');
        const row = (
          await pool.query<{ status: string; phase: string; reason: string | null }>('SELECT status, phase, reason FROM rollouts WHERE id = $1', [
            built.rolloutId,
          ])
        ).rows[0];
        expect(row).toEqual({ status: now.status, phase: now.phase, reason: now.reason });
        const places = await pool.query<{ group_key: string; node_id: number }>('SELECT group_key, node_id FROM rollout_places WHERE rollout_id = $1', [
          built.rolloutId,
        ]);
        expect(places.rows.map((place) => placeKey(place.group_key, place.node_id)).sort()).toEqual([...now.places].sort());
        // The claim assesses once more; from here on the model must come to rest as well.
        let view: RolloutView = { ...built.view, ...now };
        view = { ...view, ...assess(view) };
        const live = ['running', 'paused', 'aborted'].includes(view.status);
        const before = await pool.query<{ id: number }>(`SELECT id FROM node_roles WHERE state = 'TRANSITION'`);
        const rest = live ? expected({ ...built, view }) : null;
        await claim(pool, 1000);
        const { rows } = await pool.query<{ id: number }>(`SELECT id FROM node_roles WHERE state = 'TRANSITION' AND id <> ALL($1) ORDER BY id`, [
          before.rows.map((one) => one.id),
        ]);
        if (rest !== null) {
          expect(rows.map((one) => one.id)).toEqual(rest);
          claimed += rest.length;
          held += built.view.members.filter((member) => member.state === 'TODO' && !rest.includes(member.id)).length;
        }
      }),
      { numRuns: 60, seed: SEED },
    );
    expect(claimed).toBeGreaterThan(20);
    expect(held).toBeGreaterThan(20);
  });
});
