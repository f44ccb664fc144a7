import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exclusiveKey, pickRunnable, type Candidate, type NodeView, type Snapshot } from '../../../src/annealer/model.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle } from '../../../src/noderoles/settle.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, addSlots, bind, commit, nodeRole, openDirectEngine, runsOf, unsound, type DirectEngine } from '../../support/direct-engine.js';
import { emptyTables } from '../../support/empty-tables.js';

const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);

type NodeShape = { kind: 'machine' | 'admin' | 'phantom'; alive: boolean; available: boolean; deleting: boolean; boot: string | null };
type RoleShape = { jobClass: string; runsIn: string; after: number | null; scope: 'node' | 'deployment' };
type PairShape = { node: number; role: number; state: 'TODO' | 'BLOCKED' | 'ACTIVE'; cohort: number; backoff: number; deployment: number; live: boolean };
type Shape = {
  nodes: NodeShape[];
  roles: RoleShape[];
  pairs: PairShape[];
  deployments: { committed: boolean; paused: boolean }[];
  slots: Record<string, number>;
  caps: Record<string, number | null>;
};

const often = fc.constantFrom(...Array.from({ length: 10 }, (_, n) => n > 0));
const shape: fc.Arbitrary<Shape> = fc.record({
  nodes: fc.array(
    fc.record({
      kind: fc.constantFrom('machine' as const, 'machine' as const, 'admin' as const, 'phantom' as const),
      alive: often,
      available: often,
      deleting: often.map((value) => !value),
      boot: fc.constantFrom('discovery', 'installed', null),
    }),
    { minLength: 3, maxLength: 6, size: 'max' },
  ),
  roles: fc.array(
    fc.record({
      jobClass: fc.constantFrom('fast', 'fast', 'ssh', 'image'),
      runsIn: fc.constantFrom('any', 'any', 'discovery', 'installed'),
      after: fc.option(fc.nat(5), { freq: 2 }),
      scope: fc.constantFrom('node' as const, 'node' as const, 'deployment' as const),
    }),
    {
      minLength: 2,
      maxLength: 6,
    },
  ),
  pairs: fc.array(
    fc.record({
      node: fc.nat(5),
      role: fc.nat(5),
      state: fc.constantFrom('TODO' as const, 'TODO' as const, 'TODO' as const, 'BLOCKED' as const, 'ACTIVE' as const),
      cohort: fc.nat(3),
      backoff: fc.constantFrom(0, 0, 0, 0, -60, 60),
      deployment: fc.nat(2),
      live: often.map((value) => !value),
    }),
    { minLength: 10, maxLength: 25, size: 'max' },
  ),
  deployments: fc.array(fc.record({ committed: often, paused: often.map((value) => !value) }), { minLength: 3, maxLength: 3 }),
  slots: fc.record({ fast: fc.constantFrom(0, 1, 2, 3, 4, 4), ssh: fc.constantFrom(0, 1, 2), image: fc.nat(1) }),
  caps: fc.record({
    total: fc.constantFrom(null, null, null, 1, 4),
    fast: fc.constantFrom(null, null, null, 0, 2, 5),
    ssh: fc.constantFrom(null, null, 1, 3),
    image: fc.constant(null),
  }),
});

describe('the claim in SQL against the model', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    engine = await openDirectEngine({ slots: 0 });
  });
  afterAll(() => engine.close());

  /** Writes a snapshot as rows; answers it as the model sees it. */
  async function build(it: Shape): Promise<{ candidates: Candidate[]; snapshot: Snapshot }> {
    const { pool } = engine.db;
    const insert = async (text: string, values: unknown[]) => (await pool.query<{ id: number }>(`${text} RETURNING id`, values)).rows[0].id;
    await emptyTables(pool, [
      'node_roles',
      'node_role_edges',
      'runs',
      'waits',
      'outbox_events',
      'outbox_batches',
      'roles',
      'role_requires',
      'deployment_roles',
      'worker_slots',
      'caps',
    ]);
    await pool.query(`DELETE FROM nodes; DELETE FROM deployments WHERE NOT system`);
    const root = (await pool.query<{ id: number }>('SELECT id FROM deployments WHERE system')).rows[0].id;
    const deployments: number[] = [];
    for (const [n, { committed, paused }] of it.deployments.entries())
      deployments.push(
        await insert(
          'INSERT INTO deployments (name, parent_id, committed_at, paused_at) VALUES ($1, $2, CASE WHEN $3 THEN now() END, CASE WHEN $4 THEN now() END)',
          [`d${n}`, root, committed, paused],
        ),
      );
    const nodes: NodeView[] = [];
    for (const [n, node] of it.nodes.entries()) {
      const id = await insert('INSERT INTO nodes (name, deployment_id, kind, alive, available, deleting, boot_class) VALUES ($1, $2, $3, $4, $5, $6, $7)', [
        `n${n}`,
        root,
        node.kind,
        node.alive,
        node.available,
        node.deleting,
        node.boot,
      ]);
      nodes.push({ id, kind: node.kind, alive: node.alive, available: node.available, deleting: node.deleting, bootClass: node.boot });
    }
    const roles: number[] = [];
    for (const [n, role] of it.roles.entries())
      roles.push(
        await insert(`INSERT INTO roles (name, barclamp, jig, job_class, runs_in) VALUES ($1, 'test', 'noop', $2, $3)`, [`r${n}`, role.jobClass, role.runsIn]),
      );
    /** Of two roles only the one defined later waits for the other: a circle of soft edges is refused at import. */
    const softOf = (role: RoleShape, n: number) => {
      const after = role.after !== null && role.after < n ? [roles[role.after]] : [];
      return role.scope === 'node' ? { softAfter: after, softAfterDeployment: [] } : { softAfter: [], softAfterDeployment: after };
    };
    for (const [n, role] of it.roles.entries()) {
      const soft = softOf(role, n);
      await pool.query('UPDATE roles SET soft_after = $2, soft_after_deployment = $3 WHERE id = $1', [roles[n], soft.softAfter, soft.softAfterDeployment]);
    }
    for (const [jobClass, slots] of Object.entries(it.slots)) if (slots > 0) await addSlots(engine.db, jobClass, slots);
    for (const [name, max] of Object.entries(it.caps)) if (max !== null) await pool.query('INSERT INTO caps (name, max) VALUES ($1, $2)', [name, max]);

    const candidates: Candidate[] = [];
    const busyKeys = new Set<string>();
    const inFlight = new Map<string, number>();
    const seen = new Set<string>();
    const now = Date.now();
    for (const pair of it.pairs) {
      const node = nodes[pair.node % nodes.length];
      const n = pair.role % roles.length;
      const [roleId, role, d] = [roles[n], it.roles[n], pair.deployment];
      if (seen.has(`${node.id}:${roleId}`)) continue;
      seen.add(`${node.id}:${roleId}`);
      const key = exclusiveKey(node, roleId);
      const live = pair.live && !busyKeys.has(key);
      const id = await insert(
        `INSERT INTO node_roles (deployment_id, role_id, node_id, state, cohort, committed, pending_parents, not_before) VALUES ($1, $2, $3, $4, $5, true, $6, CASE WHEN $7 <> 0 THEN clock_timestamp() + make_interval(secs => $7) END)`,
        [deployments[d], roleId, node.id, live ? 'ACTIVE' : pair.state, pair.cohort, !live && pair.state === 'BLOCKED' ? 1 : 0, pair.backoff],
      );
      if (live) {
        // What holds a key need not be in TRANSITION: a run that is being stopped holds it as well.
        await pool.query(
          `INSERT INTO runs (node_role_id, node_id, role_id, jig, job_class, exclusive_key, status) VALUES ($1, $2, $3, 'noop', $4, $5, 'QUEUED')`,
          [id, node.id, roleId, role.jobClass, key],
        );
        busyKeys.add(key);
        inFlight.set(role.jobClass, (inFlight.get(role.jobClass) ?? 0) + 1);
      }
      candidates.push({
        id,
        nodeId: node.id,
        roleId,
        state: live ? 'ACTIVE' : pair.state,
        cohort: pair.cohort,
        notBefore: pair.backoff === 0 ? null : now + pair.backoff * 1000,
        deploymentCommitted: it.deployments[d].committed,
        deploymentPaused: it.deployments[d].paused,
        jobClass: role.jobClass,
        runsIn: role.runsIn,
        deploymentId: deployments[d],
        ...softOf(role, n),
        blockedForGood: false,
      });
    }
    const room = new Map<string, number>();
    for (const [jobClass, slots] of Object.entries(it.slots)) {
      const used = inFlight.get(jobClass) ?? 0;
      if (slots > 0) room.set(jobClass, Math.min(2 * slots - used, (it.caps[jobClass] ?? Infinity) - used));
    }
    const total = Math.max(0, (it.caps.total ?? Infinity) - [...inFlight.values()].reduce((sum, used) => sum + used, 0));
    return { candidates, snapshot: { nodes: new Map(nodes.map((node) => [node.id, node])), busyKeys, room, total, now } };
  }

  it(`takes exactly what the model picks, from any snapshot (seed ${SEED})`, async () => {
    let picked = 0;
    await fc.assert(
      fc.asyncProperty(shape, async (it) => {
        const { candidates, snapshot } = await build(it);
        const expected = pickRunnable(candidates, snapshot).map((candidate) => candidate.id);
        const rings = await claim(engine.db.pool, 1000);
        const { rows } = await engine.db.pool.query<{ id: number }>(`SELECT id FROM node_roles WHERE state = 'TRANSITION' ORDER BY id`);
        expect(rows.map((row) => row.id)).toEqual([...expected].sort((a, b) => a - b));
        expect(rings).toHaveLength(expected.length);
        picked += expected.length;
      }),
      { numRuns: 100, seed: SEED },
    );
    expect(picked).toBeGreaterThan(25);
  });
});

describe('claims', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    engine = await openDirectEngine({ poolSize: 12 });
  });
  beforeEach(() => engine.reset());
  afterAll(() => engine.close());

  it.each([2, 8])('rule 10: %i at once never take one machine twice and never abort', async (claimers) => {
    const names = ['a', 'b', 'c', 'd'];
    const roles = await addRoles(engine.db, Object.fromEntries(names.map((name) => [name, []])));
    const nodes = await addMachines(engine.db, 40);
    for (const node of nodes) for (const name of names) await bind(engine, roles[name], node);
    await commit(engine);
    const { pool } = engine.db;
    for (let round = 0; round < 4; round++) {
      const all = (await Promise.all(Array.from({ length: claimers }, () => claim(pool, 15)))).flat();
      all.push(...(await claim(pool, 1000)));
      expect(new Set(all.map((ring) => ring.runId)).size).toBe(all.length);
      expect(all).toHaveLength(nodes.length);
      expect(await unsound(engine.db)).toEqual([]);
      const begun = await startRuns(pool, all, 'w1', 600);
      await settle(
        pool,
        begun.flatMap((answer) => (answer.kind === 'run' ? [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done' } as const }] : [])),
        0,
      );
    }
  });

  it('rule 10c: eight at once never take more than a cap leaves', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    for (const node of await addMachines(engine.db, 40)) await bind(engine, only, node);
    await commit(engine);
    await engine.db.pool.query(`INSERT INTO caps (name, max) VALUES ('fast', 7), ('ssh', 1)`);
    await Promise.all(Array.from({ length: 8 }, () => claim(engine.db.pool, 5)));
    expect((await claim(engine.db.pool, 1000)).length).toBeLessThanOrEqual(7);
    expect((await engine.db.pool.query(`SELECT 1 FROM runs WHERE status = 'QUEUED'`)).rowCount).toBe(7);
  });

  // Each pass looked at the first nodes only, those of a paused deployment for ever.
  it('rule 11: machines that cannot be claimed never hide those after them', async () => {
    const { only, elsewhere } = await addRoles(engine.db, { only: [], elsewhere: [] }, { elsewhere: { runs_in: 'installed' } });
    const [first, second, third] = (await addMachines(engine.db, 3)) as [number, number, number];
    await bind(engine, elsewhere, first);
    const held = await bind(engine, only, second);
    const wanted = await bind(engine, only, third);
    await commit(engine);
    await engine.db.pool.query(
      `WITH d AS (INSERT INTO deployments (name, parent_id, committed_at, paused_at) SELECT 'held', id, now(), now() FROM deployments WHERE system RETURNING id) UPDATE node_roles SET deployment_id = d.id FROM d WHERE node_roles.id = $1`,
      [held],
    );
    expect(await claim(engine.db.pool, 1)).toHaveLength(1);
    expect((await nodeRole(engine.db, wanted)).state).toBe('TRANSITION');
  });

  // A settle that held the children of two machines and a claim that held their nodes waited for each other.
  it('rule 10: a claim never waits for a noderole that somebody else holds', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    const held = await bind(engine, only, first);
    const free = await bind(engine, only, second);
    await commit(engine);
    const other = await engine.db.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT 1 FROM node_roles WHERE id = $1 FOR NO KEY UPDATE', [held]);
      expect(await claim(engine.db.pool, 100)).toHaveLength(1);
      expect(await runsOf(engine.db, free)).toHaveLength(1);
      await other.query('COMMIT');
    } finally {
      other.release();
    }
    expect(await claim(engine.db.pool, 100)).toHaveLength(1);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('rule 22: takes a role whose class has workers, though one before it on the machine has none', async () => {
    const { slow, quick } = await addRoles(engine.db, { slow: [], quick: [] }, { slow: { job_class: 'image' } });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    await bind(engine, slow, node);
    const wanted = await bind(engine, quick, node);
    await commit(engine);
    await claim(engine.db.pool, 100);
    expect((await nodeRole(engine.db, wanted)).state).toBe('TRANSITION');
  });

  it('rule 22: no more than twice the live worker slots of a class are queued, however much is ready', async () => {
    const { db } = engine;
    const { a } = await addRoles(db, { a: [] });
    for (const node of await addMachines(db, 50)) await bind(engine, a, node);
    await commit(engine);
    await db.pool.query('DELETE FROM worker_slots');
    expect(await claim(db.pool, 100)).toEqual([]);
    await addSlots(db, 'fast', 4);
    expect(await claim(db.pool, 100)).toHaveLength(8);
    expect(await claim(db.pool, 100)).toEqual([]);
    // A worker that stopped reporting is none.
    await db.pool.query(`UPDATE worker_slots SET heartbeat_at = clock_timestamp() - interval '31 seconds'`);
    await db.pool.query(`UPDATE runs SET status = 'RUNNING', lease_until = clock_timestamp() + interval '1 hour'`);
    expect(await claim(db.pool, 100)).toEqual([]);
  });

  it('rule 22: a run that waits in the queue has no lease that could end', async () => {
    const { db } = engine;
    const { a } = await addRoles(db, { a: [] });
    const [node] = await addMachines(db, 1);
    const id = await bind(engine, a, node);
    await commit(engine);
    const [ring] = await claim(db.pool, 1);
    await db.pool.query(`UPDATE runs SET rung_at = rung_at - interval '1 day', created_at = created_at - interval '1 day'`);
    const { rows } = await db.pool.query('SELECT expire_leases(5) AS n');
    expect(rows[0].n).toBe(0);
    expect((await startRuns(db.pool, [ring], 'w1', 600))[0]?.kind).toBe('run');
    expect((await nodeRole(db, id)).state).toBe('TRANSITION');
  });
});
