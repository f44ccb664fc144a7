/**
 * The SQL of the engine held against the pure table. Random graphs of roles on random nodes, random histories of what
 * operators, workers, machines and the sweep do; after each step the noderoles must be where `next()` takes them from
 * where they were, and what must hold in every history must hold. At the end everything is driven to rest, twice: with
 * its errors as they are, and with them mended.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commitDeployment, recallDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { isRefusal, next, type NodeRoleEvent, type NodeRoleState } from '../../../src/noderoles/state.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { annealPass } from '../../../src/annealer/anneal.js';
import type { RunJob } from '../../../src/queue/jobs.js';
import { AppError } from '../../../src/shared/errors.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, call, driveToEnd, openDirectEngine, unsound, type DirectEngine } from '../../support/direct-engine.js';
import { emptyTables } from '../../support/empty-tables.js';

const RUNS = Number(process.env.PRYBAR_TEST_TABLE_RUNS ?? 40);
const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);
const MAX_ATTEMPTS = 3;

/** `warm`: the history begins with everything ACTIVE, else with everything just committed. */
type Shape = { requires: number[][]; flags: string[]; nodes: number; binds: [number, number][]; warm: boolean };
type Step = { op: Op; at: number; more: number };

const ops = [
  'bind',
  'commit',
  'commit',
  'claim',
  'claim',
  'claim',
  'start',
  'start',
  'start',
  'succeed',
  'succeed',
  'succeed',
  'batch',
  'fail',
  'fail',
  'fail-final',
  'wait',
  'wait',
  'fact',
  'deadline',
  'poke',
  'data',
  'retry',
  'retry',
  'cancel',
  'redeploy',
  'repropose',
  'recall',
  'alive',
  'available',
  'lease',
  'prove',
  'wave',
  'wave',
  'sweep',
  'ring',
] as const;
type Op = (typeof ops)[number];

const shape: fc.Arbitrary<Shape> = fc.integer({ min: 3, max: 8 }).chain((roles) =>
  fc.record({
    requires: fc.tuple(
      ...Array.from({ length: roles }, (_, role) => (role === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(role - 1), { maxLength: 3 }))),
    ),
    flags: fc.array(fc.constantFrom('', '', '', 'implicit', 'implicit', 'cluster', 'stay', 'destructive'), { minLength: roles, maxLength: roles }),
    nodes: fc.integer({ min: 2, max: 4 }),
    binds: fc.array(fc.tuple(fc.nat(roles - 1), fc.nat(3)), { minLength: 2, maxLength: 6 }),
    warm: fc.boolean(),
  }),
);
const steps: fc.Arbitrary<Step[]> = fc.array(fc.record({ op: fc.constantFrom(...ops), at: fc.nat(1000), more: fc.nat(1000) }), {
  minLength: 35,
  maxLength: 45,
  size: 'max',
});

type NodeRoleNow = {
  id: number;
  state: NodeRoleState;
  p: number;
  slack: number;
  barrier: boolean;
  want: number;
  committed: boolean;
  failures: number;
  destructive: boolean;
  stay: boolean;
  node: number;
  /** Its last run succeeded. */
  ok: boolean;
  stopping: boolean;
  run: number | null;
  gen: number | null;
  proposed: boolean;
  wall: string;
  epoch: number;
  blocked_by: number | null;
};
type RunNow = { id: number; nr: number; status: string; fence: number; dispatch: number; slot: boolean; gen: number | null };
type Now = {
  noderoles: NodeRoleNow[];
  edges: [number, number][];
  runs: RunNow[];
  waves: { nr: number; root: number; epoch: number; cohort: number; id: number }[];
};

/** An executor in a worker: it holds a fence, which may have been taken from it without its knowing. */
type Executor = { runId: number; fence: number; forced: 'skip' | 'supersede' | null };

class Rig {
  executors: Executor[] = [];
  roleIds: number[] = [];
  nodeIds: number[] = [];

  constructor(readonly engine: DirectEngine) {}

  get pool() {
    return this.engine.db.pool;
  }

  async reset(graph: Shape, run: number): Promise<void> {
    this.executors = [];
    await emptyTables(this.pool, [
      'node_roles',
      'node_role_edges',
      'runs',
      'waits',
      'facts',
      'propagations',
      'outbox_events',
      'outbox_batches',
      'late_results',
      'agent_work',
      'deployment_roles',
      'role_requires',
      'roles',
      'node_status',
      'deployment_revisions',
    ]);
    await this.pool.query(`DELETE FROM nodes WHERE kind = 'machine'`);
    await this.pool.query('UPDATE deployments SET committed_at = NULL, revision = 0 WHERE id = $1', [this.engine.deploymentId]);
    const name = (role: number) => `g${run}-r${role}`;
    const ids = await addRoles(
      this.engine.db,
      Object.fromEntries(graph.requires.map((requires, role) => [name(role), requires.map(name)])),
      Object.fromEntries(
        graph.flags.map((flag, role) => [
          name(role),
          { max_attempts: MAX_ATTEMPTS, ...(flag === 'stay' ? { on_parent_error: 'stay' } : flag === '' ? {} : { flags: [flag] }) },
        ]),
      ),
    );
    this.roleIds = graph.requires.map((_, role) => ids[name(role)]);
    this.nodeIds = await addMachines(this.engine.db, graph.nodes);
    for (const [role, node] of graph.binds) await this.bind(role, node);
    await commitDeployment(this.engine.db, this.engine.deploymentId, 'test');
    if (graph.warm) await driveToEnd(this.engine.db, () => ({ kind: 'done', wall: { v: 0 } }));
  }

  /** What would carry the history on when a step finds nothing to act on. */
  onward(now: Now): Op {
    if (this.executors.length > 0) return 'succeed';
    return now.runs.some((run) => run.slot && ['QUEUED', 'WAKING'].includes(run.status)) ? 'start' : 'claim';
  }

  bind(role: number, node: number) {
    return bindRole(this.engine.db, {
      roleId: pick(this.roleIds, role) as number,
      nodeId: pick(this.nodeIds, node) as number,
      deploymentId: this.engine.deploymentId,
      actor: 'test',
    });
  }

  async now(): Promise<Now> {
    const { rows } = await this.pool.query<{ now: Now }>({
      name: 'now',
      text: `SELECT jsonb_build_object(
        'noderoles', coalesce((SELECT jsonb_agg(jsonb_build_object('id', nr.id, 'state', nr.state, 'p', nr.pending_parents, 'slack', nr.slack, 'barrier', nr.barrier, 'want', nr.want_gen, 'committed', nr.committed, 'failures', nr.failures,
           'destructive', 'destructive' = ANY(ro.flags), 'stay', ro.on_parent_error = 'stay', 'node', nr.node_id, 'ok', nr.last_ok_hash IS NOT NULL, 'stopping', EXISTS (SELECT 1 FROM runs s WHERE s.node_role_id = nr.id AND s.status = 'STOPPING'),
           'run', nr.current_run_id, 'gen', r.gen, 'proposed', nr.proposed_data IS NOT NULL, 'wall', nr.wall::text, 'epoch', nr.error_epoch, 'blocked_by', nr.blocked_by) ORDER BY nr.id)
           FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id LEFT JOIN runs r ON r.id = nr.current_run_id), '[]'),
        'edges', coalesce((SELECT jsonb_agg(jsonb_build_array(parent_id, child_id)) FROM node_role_edges), '[]'),
        'runs', coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'nr', node_role_id, 'status', status, 'fence', fence, 'dispatch', dispatch, 'slot', holds_slot, 'gen', gen) ORDER BY id) FROM runs WHERE status <> 'ENDED'), '[]'),
        'waves', coalesce((SELECT jsonb_agg(jsonb_build_object('id', p.id, 'nr', p.node_role_id, 'root', p.root_id, 'epoch', p.error_epoch, 'cohort', nr.cohort) ORDER BY nr.cohort, p.id) FROM propagations p JOIN node_roles nr ON nr.id = p.node_role_id), '[]')) AS now`,
    });
    return rows[0].now;
  }
}

const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % list.length];

/** What the table says: applies events to a copy of where things were. */
class Expected {
  readonly rows: Map<number, NodeRoleNow>;
  constructor(private readonly before: Now) {
    this.rows = new Map(before.noderoles.map((row) => [row.id, { ...row }]));
  }

  row(id: number): NodeRoleNow {
    const row = this.rows.get(id);
    if (!row) throw new Error(`no noderole ${id} before`);
    return row;
  }

  children(id: number): number[] {
    return this.before.edges.filter(([parent]) => parent === id).map(([, child]) => child);
  }

  /** Applies the event to this noderole alone; answers how its children's counters move. Throws when the table refuses. */
  own(id: number, event: NodeRoleEvent): number {
    const row = this.row(id);
    const move = next(
      {
        state: row.state,
        pendingParents: row.p,
        slack: row.slack,
        barrier: row.barrier,
        wantGen: row.want,
        runGen: row.gen,
        destructive: row.destructive,
        stopping: row.stopping,
      },
      event,
    );
    if (isRefusal(move)) throw new Error(`${event.kind} of noderole ${id}: ${move.refused}`);
    Object.assign(row, { state: move.to, p: move.pendingParents, slack: move.slack, want: move.wantGen });
    return move.childrenDelta;
  }

  tellChildren(id: number, delta: number): void {
    if (delta === 0) return;
    for (const child of this.children(id)) this.tellChildren(child, this.own(child, { kind: delta < 0 ? 'parent-entered-active' : 'parent-left-active' }));
  }

  move(id: number, event: NodeRoleEvent): void {
    this.tellChildren(id, this.own(id, event));
  }
}

async function perform(rig: Rig, before: Now, { op, at, more }: Step): Promise<Expected | 'refused' | 'nothing'> {
  const { pool, engine } = rig;
  const expected = new Expected(before);
  const live = (...statuses: string[]) => before.runs.filter((run) => statuses.includes(run.status));
  const verb = async (id: number | undefined, event: NodeRoleEvent) => {
    if (id === undefined) return 'nothing';
    let refused: unknown;
    try {
      expected.move(id, event);
    } catch (error) {
      refused = error;
    }
    if (!refused) {
      await moveNodeRole(pool, id, event, 'test');
      return expected;
    }
    await expect(moveNodeRole(pool, id, event, 'test')).rejects.toThrow(AppError);
    return 'refused';
  };
  const anyNodeRole = pick(before.noderoles, at)?.id;
  const inState = (state: string) =>
    pick(
      before.noderoles.filter((row) => row.state === state),
      at,
    )?.id ?? anyNodeRole;

  switch (op) {
    case 'bind': {
      const { created } = await rig.bind(at, more);
      const after = await rig.now();
      for (const row of after.noderoles.filter((candidate) => created.includes(candidate.id))) {
        const pending = after.edges.filter(
          ([parent, child]) => child === row.id && expected.rows.get(parent)?.committed && expected.row(parent).state !== 'ACTIVE',
        ).length;
        expected.rows.set(row.id, { ...row, state: 'PROPOSED', p: pending, want: 1 });
      }
      return expected;
    }
    case 'commit': {
      try {
        await commitDeployment(engine.db, engine.deploymentId, 'test');
      } catch (error) {
        if (error instanceof AppError) return 'refused';
        throw error;
      }
      const touched = before.noderoles.filter((row) => row.proposed).map((row) => row.id);
      const fresh = before.noderoles.filter((row) => row.state === 'PROPOSED');
      // Parents committed for the first time begin to count, all at once, before anything moves; barriers they join close.
      const closed: [number, number][] = [];
      const joined = new Set<number>();
      for (const row of fresh.filter((candidate) => !candidate.committed))
        for (const child of expected.children(row.id)) {
          const joins = expected.row(child).barrier && !joined.has(child);
          joined.add(child);
          closed.push([child, expected.own(child, joins ? { kind: 'member-joined', slack: 0 } : { kind: 'parent-left-active' })]);
        }
      for (const row of fresh) expected.own(row.id, { kind: 'commit' });
      for (const [barrier, delta] of closed) expected.tellChildren(barrier, delta);
      for (const id of touched) if (before.noderoles.find((row) => row.id === id)?.state === 'PROPOSED') expected.row(id).want++;
      for (const id of touched) if (before.noderoles.find((row) => row.id === id)?.state !== 'PROPOSED') expected.move(id, { kind: 'poke' });
      return expected;
    }
    case 'claim':
      await claim(pool, 1 + (more % 5));
      return claimed(rig, expected, before);
    case 'start': {
      const run = pick(
        live('QUEUED', 'WAKING').filter((candidate) => candidate.slot),
        at,
      );
      if (!run) return 'nothing';
      const job: RunJob = { runId: run.id, dispatch: run.dispatch, fence: run.fence };
      // The queue delivers twice, and once more after that.
      const answers = await startRuns(pool, [job, job], 'w1', 600);
      expect(answers[1]?.kind).toBe('dropped');
      expect((await startRuns(pool, [job], 'w2', 600))[0]?.kind).toBe('dropped');
      const answer = answers[0];
      if (answer.kind === 'dropped') throw new Error(`the only job of run ${run.id} was dropped`);
      if (answer.kind === 'run') rig.executors.push({ runId: answer.run.runId, fence: answer.run.fence, forced: null });
      else rig.executors.push({ runId: answer.runId, fence: answer.fence, forced: answer.kind });
      return expected;
    }
    case 'succeed':
      return settleBatch(rig, expected, before, [[at, { kind: 'done', ...(more % 2 ? { wall: { v: more % 3 } } : {}) }]], more % 4 === 0 ? 100 : 0);
    case 'fail':
      return settleBatch(rig, expected, before, [[at, { kind: 'fail', code: 'told', message: 'told to', retryable: true }]], more % 4 === 0 ? 100 : 0);
    case 'fail-final':
      return settleBatch(rig, expected, before, [[at, { kind: 'fail', code: 'told', message: 'told to', retryable: false }]], 0);
    case 'wait': {
      const wait = {
        kind: 'wait',
        key: `k:${more % 4}`,
        minGeneration: 1 + (more % 2),
        deadlineSeconds: 600,
        keeps: more % 3 ? 'node' : 'nothing',
        memo: { n: more },
      } as const;
      return settleBatch(rig, expected, before, [[at, wait]], more % 4 === 0 ? 100 : 0);
    }
    case 'batch':
      return settleBatch(
        rig,
        expected,
        before,
        [0, 1, 2, 3].map((n) => [
          0,
          (more + n) % 5 === 0 ? { kind: 'fail', code: 'told', message: 'told to', retryable: true } : { kind: 'done', wall: { v: (more + n) % 2 } },
        ]),
        0,
      );
    case 'fact':
      await pool.query('SELECT raise_fact($1, $2, $3)', [`k:${at % 4}`, 1 + (more % 2), '{}']);
      return expected;
    case 'deadline':
      await pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second' WHERE run_id = $1`, [pick(live('WAITING'), at)?.id ?? 0]);
      await call(engine.db, 'expire_waits()');
      return expected;
    case 'poke':
      return verb(anyNodeRole, { kind: 'poke' });
    case 'data':
      if (anyNodeRole === undefined || before.noderoles.filter((row) => row.proposed).length > 2) return 'nothing';
      await setNodeRoleData(engine.db, anyNodeRole, { v: more % 3 }, 'test');
      return expected;
    case 'retry':
      return verb(inState('ERROR'), { kind: 'retry' });
    case 'cancel':
      return verb(inState('TRANSITION'), { kind: 'cancel' });
    case 'redeploy': {
      // Two at once: parent and child may both be among them.
      const ids = [...new Set([anyNodeRole, pick(before.noderoles, more)?.id].flatMap((id) => id ?? []))];
      if (ids.length === 0) return 'nothing';
      const deltas = ids.map((id) => [id, expected.own(id, { kind: 'redeploy' })] as const);
      for (const [id, delta] of deltas) expected.tellChildren(id, delta);
      expect(await call(engine.db, 'redeploy_noderoles($1, $2)', [ids, 'redeploy by test'])).toBe(ids.length);
      return expected;
    }
    case 'repropose':
      return more % 3 ? 'nothing' : verb(anyNodeRole, { kind: 'repropose' });
    case 'recall':
      if (more % 3) return 'nothing';
      await recallDeployment(engine.db, engine.deploymentId, 'test');
      return expected;
    case 'alive':
      await pool.query('UPDATE nodes SET alive = $2 WHERE id = $1', [pick(rig.nodeIds, at), more % 3 > 0]);
      return expected;
    case 'available':
      await pool.query('UPDATE nodes SET available = $2 WHERE id = $1', [pick(rig.nodeIds, at), more % 3 > 0]);
      return expected;
    case 'lease': {
      const run = pick(live('RUNNING'), at);
      if (!run) return 'nothing';
      await pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1`, [run.id]);
      expect(await call(engine.db, 'expire_leases(1000)')).toBe(1);
      expected.move(run.nr, { kind: 'release' });
      return expected;
    }
    case 'prove':
      await pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute' WHERE status = 'STOPPING'`);
      await call(engine.db, `prove_stopped(interval '2 seconds')`);
      return expected;
    case 'wave':
      await call(engine.db, 'propagate_errors(100)');
      return waved(expected, before);
    case 'sweep':
      expect(await call(engine.db, 'repair_drift()')).toBe(0);
      expect(await call(engine.db, 'fence_lost_nodes()')).toBe(0);
      return expected;
    case 'ring':
      await annealPass(engine.db.pool, async () => undefined);
      return claimed(rig, expected, before);
  }
}

/** What was claimed is the database's choice; that it could be is the table's. */
async function claimed(rig: Rig, expected: Expected, before: Now): Promise<Expected> {
  const after = await rig.now();
  for (const run of after.runs) if (!before.runs.some((old) => old.id === run.id)) expected.own(run.nr, { kind: 'claim' });
  return expected;
}

async function settleBatch(
  rig: Rig,
  expected: Expected,
  before: Now,
  wishes: [number, Settlement['outcome']][],
  p_claim: number,
): Promise<Expected | 'nothing'> {
  const batch: Settlement[] = [];
  for (const [at, wish] of wishes) {
    if (rig.executors.length === 0) break;
    const [executor] = rig.executors.splice(at % rig.executors.length, 1);
    if (!executor) continue;
    batch.push({ runId: executor.runId, fence: executor.fence, outcome: executor.forced ? { kind: executor.forced } : wish });
  }
  if (batch.length === 0) return 'nothing';
  await settle(rig.pool, batch, p_claim);

  const taken = batch.flatMap((item) => {
    const run = before.runs.find((candidate) => candidate.id === item.runId && candidate.fence === item.fence && candidate.status === 'RUNNING');
    return run ? [{ run, outcome: item.outcome }] : [];
  });
  const changed: number[] = [];
  const deltas = taken.map(({ run, outcome }) => {
    if (outcome.kind === 'wait') return 0;
    if (outcome.kind === 'supersede') return expected.own(run.nr, { kind: 'supersede' });
    if (outcome.kind === 'fail')
      return expected.own(run.nr, { kind: outcome.retryable && expected.row(run.nr).failures + 1 < MAX_ATTEMPTS ? 'fail-retryable' : 'fail-final' });
    if (outcome.kind === 'done' && outcome.wall && JSON.stringify(outcome.wall) !== JSON.stringify(JSON.parse(expected.row(run.nr).wall))) changed.push(run.nr);
    return expected.own(run.nr, { kind: 'succeed' });
  });
  // Own states first, then the children: a noderole and its parent may be settled together.
  taken.forEach(({ run }, index) => expected.tellChildren(run.nr, deltas[index]));
  // A barrier reads who its members are, not what they left.
  const told = new Set(changed.flatMap((id) => expected.children(id)).filter((id) => !expected.row(id).barrier));
  for (const child of [...told].sort((a, b) => a - b)) expected.move(child, { kind: 'parent-changed' });
  const installed = taken.filter(({ run, outcome }) => outcome.kind === 'done' && expected.row(run.nr).destructive).map(({ run }) => run.nr);
  for (const id of belowOnNode(expected, installed)) if (expected.row(id).ok) expected.move(id, { kind: 'poke' });
  return p_claim > 0 ? claimed(rig, expected, before) : expected;
}

/** What stands on a system that was installed anew. */
function belowOnNode(expected: Expected, installed: number[]): number[] {
  const below = new Set<number>();
  const open = installed.map((id) => [id, expected.row(id).node] as const);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [id, node] = next;
    for (const child of expected.children(id)) {
      if (expected.row(child).node !== node || below.has(child)) continue;
      below.add(child);
      open.push([child, node]);
    }
  }
  return [...below].sort((a, b) => a - b);
}

/** One round of ERROR waves, row by row, as the table moves it. */
function waved(expected: Expected, before: Now): Expected {
  for (const wave of before.waves) {
    const root = expected.row(wave.root);
    if (root.state !== 'ERROR' || root.epoch !== wave.epoch) continue;
    for (const child of expected.children(wave.nr)) {
      const row = expected.row(child);
      if (row.p > 0 && row.state === 'ACTIVE' && !row.stay) expected.move(child, { kind: 'error-wave' });
    }
  }
  return expected;
}

const told = (rows: Iterable<NodeRoleNow>) => [...rows].map(({ id, state, p, want }) => `${id} ${state} p=${p} want=${want}`).sort();

/** Claims, starts and succeeds whatever is there, until nothing moves; walls follow their parents', so that changes travel. */
async function toRest(rig: Rig): Promise<void> {
  const { pool, engine } = rig;
  await pool.query('UPDATE nodes SET alive = true, available = true WHERE id = ANY($1)', [rig.nodeIds]);
  await pool.query('UPDATE deployments SET committed_at = clock_timestamp() WHERE id = $1', [engine.deploymentId]);
  for (let round = 0; round < 200; round++) {
    // Barriers back off as any role does; the others of these graphs do not.
    await pool.query('UPDATE node_roles SET not_before = NULL WHERE not_before IS NOT NULL');
    await pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute' WHERE status = 'STOPPING'`);
    await pool.query(`UPDATE waits SET deadline = clock_timestamp() - interval '1 second'`);
    await call(engine.db, `prove_stopped(interval '2 seconds')`);
    await call(engine.db, 'expire_waits()');
    const waves = await call(engine.db, 'propagate_errors(100)');
    await claim(pool, 1000);
    const before = await rig.now();
    const jobs = before.runs
      .filter((run) => ['QUEUED', 'WAKING'].includes(run.status) && run.slot)
      .map((run) => ({ runId: run.id, dispatch: run.dispatch, fence: run.fence }));
    for (const answer of jobs.length > 0 ? await startRuns(pool, jobs, 'w1', 600) : []) {
      if (answer.kind === 'dropped') throw new Error('a job of a run at rest was dropped');
      rig.executors.push(answer.kind === 'run' ? { runId: answer.run.runId, fence: answer.run.fence, forced: null } : { ...answer, forced: answer.kind });
    }
    const executors = rig.executors.splice(0);
    if (executors.length > 0)
      await settle(
        pool,
        executors.map(({ runId, fence, forced }) => ({ runId, fence, outcome: forced ? { kind: forced } : { kind: 'done', wall: { v: 1 } } })),
        0,
      );
    expect(await unsound(engine.db)).toEqual([]);
    if (executors.length === 0 && waves === 0 && before.runs.length === 0) return;
  }
  throw new Error('it never came to rest');
}

/** ACTIVE noderoles that an ERROR reaches by way of what it blocks: none may be left at rest, unless its role stays. */
function activeBelowError(now: Now): number[] {
  const byId = new Map(now.noderoles.map((row) => [row.id, row]));
  const reached = new Set<number>();
  const open = now.noderoles.filter((row) => row.state === 'ERROR').map((row) => row.id);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const [parent, child] of now.edges) {
      const row = byId.get(child);
      if (parent !== id || !row || reached.has(child)) continue;
      if (row.state === 'BLOCKED') open.push(child);
      if (row.state === 'BLOCKED' || (row.state === 'ACTIVE' && !row.stay)) reached.add(child);
    }
  }
  return [...reached].filter((id) => byId.get(id)?.state === 'ACTIVE');
}

const STALE_INPUTS = `
  SELECT c.id, p.id AS parent FROM node_roles c JOIN roles ro ON ro.id = c.role_id JOIN node_role_edges e ON e.child_id = c.id JOIN node_roles p ON p.id = e.parent_id
    JOIN roles pr ON pr.id = p.role_id JOIN nodes pn ON pn.id = p.node_id
    JOIN LATERAL (SELECT r.inputs FROM runs r WHERE r.node_role_id = c.id AND r.outcome IN ('succeeded', 'skipped') ORDER BY r.id DESC LIMIT 1) r ON true
   WHERE NOT c.barrier AND NOT 'destructive' = ANY(ro.flags) AND coalesce(r.inputs->'parents'->(pr.name || '@' || pn.name), '{}') <> p.wall`;

describe('the engine in SQL against the table', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = new Rig(await openDirectEngine());
  });
  afterAll(() => rig.engine.close());

  it(`moves noderoles as the table says, in any history, and comes to rest all ACTIVE (seed ${SEED})`, async () => {
    let run = 0;
    const seen: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(shape, steps, async (graph, history) => {
        await rig.reset(graph, run++);
        for (const step of history) {
          const before = await rig.now();
          let answer = await perform(rig, before, step);
          if (answer === 'nothing') answer = await perform(rig, before, { ...step, op: rig.onward(before) });
          if (answer === 'nothing') continue;
          const expected = answer === 'refused' ? new Expected(before) : answer;
          seen[`${step.op}${answer === 'refused' ? ' refused' : ''}`] = (seen[`${step.op}${answer === 'refused' ? ' refused' : ''}`] ?? 0) + 1;
          expect({ step, noderoles: told((await rig.now()).noderoles) }).toEqual({ step, noderoles: told(expected.rows.values()) });
          expect({ step, unsound: await unsound(rig.engine.db) }).toEqual({ step, unsound: [] });
        }
        await toRest(rig);
        expect(activeBelowError(await rig.now())).toEqual([]);

        for (let round = 0; round < 3; round++) {
          const now = await rig.now();
          if (now.noderoles.every((row) => row.state === 'ACTIVE' && !row.proposed)) break;
          for (const row of now.noderoles) if (row.state === 'ERROR') await moveNodeRole(rig.pool, row.id, { kind: 'retry' }, 'test');
          if (now.noderoles.some((row) => row.state === 'PROPOSED' || row.proposed)) await commitDeployment(rig.engine.db, rig.engine.deploymentId, 'test');
          await toRest(rig);
        }
        expect(told((await rig.now()).noderoles).filter((text) => !text.includes('ACTIVE p=0'))).toEqual([]);
        expect((await rig.pool.query(STALE_INPUTS)).rows).toEqual([]);
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: process.env.PRYBAR_TEST_SHRINK === undefined },
    );
    if (process.env.PRYBAR_TEST_LOG) process.stderr.write(`${JSON.stringify(seen)}\n`);
  });
});
