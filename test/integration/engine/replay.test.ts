/**
 * The same history twice: what the simulation did on the pure decisions, transaction by transaction, asked of the SQL. After
 * each the two worlds must be equal: every noderole and every run. The database's clock is moved to the virtual one.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { claim } from '../../../src/noderoles/claim.js';
import { settle } from '../../../src/noderoles/settle.js';
import type { NodeRoleEvent } from '../../../src/noderoles/state.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { AppError } from '../../../src/shared/errors.js';
import { startRuns } from '../../../src/runs/start.js';
import { randomOf } from '../../support/random.js';
import { addRoles, call, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';
import { buildGraph } from '../../unit/simulation/graph.js';
import { optionsOf, simulate } from '../../unit/simulation/simulate.js';
import { RULES, World, type Entry, type Job, type Outcome, type Settlement } from '../../unit/simulation/world.js';

const HISTORIES = Number(process.env.PRYBAR_TEST_REPLAYS ?? 6);
const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0xffffff);
/** Nearer than this to a lease's or a deadline's end, what the database decides is a matter of its own milliseconds. */
const BLUR_MS = 120;

let engine: DirectEngine;
beforeAll(async () => {
  engine = await openDirectEngine();
});
afterAll(() => engine.close());

const json = (v: number) => (v === 0 ? {} : { v });

/** Ids of both worlds: noderoles and nodes are told by their order, runs by the claim that made them. */
class Twin {
  private readonly rows: number[] = [0];
  private readonly nodes = new Map<number, number>();
  private readonly runs = new Map<number, number>();
  private lastAt = 0;
  private lastNow = 0;

  constructor(readonly world: World) {}

  get pool() {
    return engine.db.pool;
  }

  async build(): Promise<void> {
    await engine.reset();
    const { world } = this;
    const used = [...new Set([...world.noderoles.values()].map((row) => row.role))].sort((a, b) => a - b);
    const ids = await addRoles(
      engine.db,
      Object.fromEntries(used.map((role) => [`r${role}`, []])),
      Object.fromEntries(
        used.map((role) => {
          const shape = world.roles[role];
          return [
            `r${role}`,
            {
              max_attempts: shape.maxAttempts,
              ...(shape.destructive ? { flags: ['destructive'] } : {}),
              ...(shape.stay ? { on_parent_error: 'stay' } : {}),
              validity: shape.boot ? 'boot' : 'always',
            },
          ];
        }),
      ),
    );
    for (const role of used)
      await this.pool.query('UPDATE roles SET soft_after = $2 WHERE id = $1', [ids[`r${role}`], world.roles[role].softAfter.map((other) => ids[`r${other}`])]);
    for (const node of world.nodes.values()) {
      const { rows } = await this.pool.query<{ id: number }>(
        `INSERT INTO nodes (name, deployment_id, kind, alive, boot_class) VALUES ($1, (SELECT id FROM deployments WHERE system), $2, true, 'discovery') RETURNING id`,
        [`n${node.id}`, node.kind],
      );
      this.nodes.set(node.id, rows[0].id);
    }
    for (const row of world.noderoles.values()) {
      const { rows } = await this.pool.query<{ id: number }>(
        'INSERT INTO node_roles (deployment_id, role_id, node_id, cohort, barrier, quorum) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id',
        [engine.deploymentId, ids[`r${row.role}`], this.nodes.get(row.node), row.cohort, row.barrier, row.quorum],
      );
      this.rows[row.id] = rows[0].id;
      await this.pool.query('INSERT INTO node_role_edges (parent_id, child_id) SELECT unnest($2::int[]), $1', [
        rows[0].id,
        (world.parents.get(row.id) ?? []).map((parent) => this.rows[parent]),
      ]);
    }
    const { rows } = await this.pool.query<{ now: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now');
    this.lastNow = rows[0].now;
  }

  /** Moves every time in the database, so that its clock stands where the virtual one does. */
  async moveClock(at: number): Promise<void> {
    const { rows } = await this.pool.query<{ now: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now');
    const ms = at - this.lastAt - (rows[0].now - this.lastNow);
    Object.assign(this, { lastAt: at, lastNow: rows[0].now });
    const by = `make_interval(secs => ${ms / 1000})`;
    await this.pool.query(
      `WITH r AS (UPDATE runs SET lease_until = lease_until - ${by}, rung_at = rung_at - ${by} WHERE status <> 'ENDED' AND (lease_until IS NOT NULL OR rung_at IS NOT NULL)),
            w AS (UPDATE waits SET deadline = deadline - ${by}) UPDATE node_roles SET not_before = not_before - ${by} WHERE not_before IS NOT NULL`,
    );
  }

  /** Whether some end of a lease, a margin, a ring or a deadline is too near to this moment to be judged. */
  isBlurred(at: number): boolean {
    return this.world.live().some((run) => {
      const ends = [
        run.life.leaseUntil,
        run.life.leaseUntil === null ? null : run.life.leaseUntil + RULES.stopMarginMs,
        run.life.rungAt === null ? null : run.life.rungAt + RULES.ringAgainMs,
        run.wait?.deadline ?? null,
      ];
      return ends.some((end) => end !== null && Math.abs(end - at) < BLUR_MS);
    });
  }

  async perform({ op, args }: Entry): Promise<void> {
    const { world, pool } = this;
    const count = (expression: string) => call(engine.db, expression);
    switch (op) {
      case 'claim': {
        const jobs = world.claim();
        await claim(pool, 1000);
        const { rows } = await pool.query<{ id: number; node_role_id: number }>('SELECT id, node_role_id FROM runs WHERE id <> ALL($1) ORDER BY id', [
          [...this.runs.values()],
        ]);
        for (const job of jobs) {
          if (this.runs.has(job.run)) continue;
          const mine = rows.find((row) => row.node_role_id === this.rows[world.run(job.run).noderole]);
          if (mine) this.runs.set(job.run, mine.id);
        }
        return;
      }
      case 'start': {
        const [job] = args as [Job];
        const answer = world.start(job);
        const [real] = await startRuns(pool, [{ runId: this.runs.get(job.run) ?? 0, dispatch: 1, fence: job.fence }], 'w1', RULES.leaseMs / 1000);
        expect(real.kind).toBe(answer?.how ?? 'dropped');
        return;
      }
      case 'renew': {
        const [run, fence] = args as [number, number];
        const isRenewed = world.renew(run, fence);
        const { rowCount } = await pool.query(
          `UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => $3) WHERE id = $1 AND fence = $2 AND status = 'RUNNING'`,
          [this.runs.get(run) ?? 0, fence, RULES.leaseMs / 1000],
        );
        expect(rowCount === 1).toBe(isRenewed);
        return;
      }
      case 'settle': {
        const [batch] = args as [Settlement[]];
        world.settle(batch);
        await settle(
          pool,
          batch.map(({ run, fence, outcome }) => ({ runId: this.runs.get(run) ?? 0, fence, outcome: told(outcome) })),
          0,
        );
        return;
      }
      case 'apply': {
        const [id, event] = args as [number, NodeRoleEvent];
        const isDone = world.apply(id, event);
        const answer = await moveNodeRole(pool, this.rows[id], event, 'test').then(
          () => true,
          (error: unknown) => {
            if (error instanceof AppError) return false;
            throw error;
          },
        );
        expect(answer).toBe(isDone);
        return;
      }
      case 'propose': {
        const [id, data] = args as [number, number];
        world.propose(id, data);
        await pool.query('UPDATE node_roles SET proposed_data = $2 WHERE id = $1', [this.rows[id], JSON.stringify(json(data))]);
        return;
      }
      case 'commit':
        world.commit();
        await pool.query('SELECT commit_deployment($1)', [engine.deploymentId]);
        return;
      case 'recall':
        world.recall();
        await pool.query('UPDATE deployments SET committed_at = NULL WHERE id = $1', [engine.deploymentId]);
        return;
      case 'node': {
        const [id, what] = args as [number, { alive?: boolean; available?: boolean }];
        world.setNode(id, what);
        await pool.query('UPDATE nodes SET alive = coalesce($2, alive), available = coalesce($3, available) WHERE id = $1', [
          this.nodes.get(id),
          what.alive ?? null,
          what.available ?? null,
        ]);
        return;
      }
      case 'boot': {
        const [id] = args as [number];
        world.boot(id);
        await pool.query('UPDATE nodes SET boot_epoch = boot_epoch + 1 WHERE id = $1', [this.nodes.get(id)]);
        return;
      }
      case 'fact': {
        const [key, generation] = args as [string, number];
        world.raiseFact(key, generation);
        await pool.query('SELECT raise_fact($1, $2, $3)', [key, generation, '{}']);
        return;
      }
      case 'expireLeases':
        world.expireLeases();
        await count('expire_leases(1000000)');
        return;
      case 'expireWaits':
        world.expireWaits();
        await count('expire_waits()');
        return;
      case 'proveStopped':
        world.proveStopped();
        await count(`prove_stopped(interval '${RULES.stopMarginMs} milliseconds')`);
        return;
      case 'ringAgain':
        world.ringAgain();
        await pool.query(`SELECT * FROM ring_again(interval '${RULES.ringAgainMs} milliseconds', 1000)`);
        return;
      case 'propagate':
        world.propagate();
        await count('propagate_errors(100)');
        return;
      default:
        throw new Error(`the log has '${op}'`);
    }
  }

  expected() {
    const { world } = this;
    return {
      noderoles: [...world.noderoles.values()].map(
        (row) => `${row.id} ${row.state} p=${row.p}/${row.slack} want=${row.want} failures=${row.failures} epoch=${row.errorEpoch}`,
      ),
      runs: [...world.runs.values()].map(
        ({ id, noderole, life }) =>
          `${id} of ${noderole}: ${life.status} fence=${life.fence} dispatch=${life.dispatch} slot=${life.holdsSlot} ${life.outcome ?? life.stopOutcome ?? ''}`,
      ),
    };
  }

  async actual() {
    const noderoles = await this.pool.query<{ id: number; text: string }>(
      `SELECT id, state || ' p=' || pending_parents || '/' || slack || ' want=' || want_gen || ' failures=' || failures || ' epoch=' || error_epoch AS text FROM node_roles ORDER BY id`,
    );
    const runs = await this.pool.query<{ id: number; nr: number; text: string }>(
      `SELECT id, node_role_id AS nr, status || ' fence=' || fence || ' dispatch=' || dispatch || ' slot=' || holds_slot || ' ' || coalesce(outcome, stop_outcome)::text AS text, status || ' fence=' || fence || ' dispatch=' || dispatch || ' slot=' || holds_slot || ' ' AS bare FROM runs`,
    );
    const rowOf = new Map(this.rows.map((id, at) => [id, at]));
    const byId = new Map(runs.rows.map((row) => [row.id, row]));
    return {
      noderoles: noderoles.rows.map(({ id, text }) => `${rowOf.get(id)} ${text}`),
      runs: [...this.runs].map(([mine, id]) => {
        const row = byId.get(id) as { nr: number; text: string | null; bare: string } | undefined;
        return `${mine} of ${rowOf.get(row?.nr ?? 0)}: ${row?.text ?? row?.bare}`;
      }),
    };
  }
}

function told(outcome: Outcome): Parameters<typeof settle>[1][number]['outcome'] {
  switch (outcome.kind) {
    case 'done':
      return { kind: 'done', wall: json(outcome.wall) };
    case 'lost':
      return { kind: 'lost', message: 'aborted' };
    case 'fail':
      return { kind: 'fail', code: 'told', message: 'told to', retryable: outcome.retryable };
    case 'wait':
      return {
        kind: 'wait',
        key: outcome.key,
        minGeneration: outcome.minGeneration,
        deadlineSeconds: outcome.deadlineMs / 1000,
        keeps: outcome.keeps,
        memo: {},
      };
    case 'skip':
    case 'supersede':
      return outcome;
  }
}

it(`the SQL takes every step of a simulated history as the pure decisions do (${HISTORIES} seeds from ${SEED})`, async () => {
  let steps = 0;
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    const options = optionsOf(seed, { durationMs: 8000, forSql: true, roles: 5, nodes: 2 });
    const { log } = simulate(options);
    const world = new World();
    buildGraph(world, randomOf(seed), options);
    for (const role of world.roles) if (role) role.backoffMs = 0;
    const twin = new Twin(world);
    await twin.build();
    for (const entry of log.filter(({ at }) => at <= 12_000)) {
      if (twin.isBlurred(entry.at)) break;
      await twin.moveClock(entry.at);
      world.now = entry.at;
      await twin.perform(entry);
      steps++;
      expect({ seed, entry, ...(await twin.actual()) }).toEqual({ seed, entry, ...twin.expected() });
    }
  }
  if (process.env.PRYBAR_TEST_LOG) process.stderr.write(`${steps} steps\n`);
});
