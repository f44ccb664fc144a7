/**
 * Rule 2 under load: four workers settle a random graph across nodes, each through its own pump, while noderoles are
 * taken out of ACTIVE all the time. Nothing may be lost, no counter may drift, deadlocks are the pump's affair.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { isPassing } from '../../../src/db/passing.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import type { RunJob } from '../../../src/queue/jobs.js';
import { Pump } from '../../../src/runs/pump.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, call, openDirectEngine, unsound, type DirectEngine } from '../../support/direct-engine.js';

const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);
const NODEROLES = 300;
const NODES = 30;
const WORKERS = 4;
const DEMOTIONS = 400;

/** mulberry32: small, seeded, good enough to pick with. */
function randomOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

let engine: DirectEngine;
beforeAll(async () => {
  engine = await openDirectEngine({ poolSize: 14 });
});
afterAll(() => engine.close());

it(`rule 2: four settlers over a random graph, and demotions among them, lose nothing (seed ${SEED})`, async () => {
  const { pool } = engine.db;
  const random = randomOf(SEED);
  const roleNames = Array.from({ length: NODEROLES / NODES }, (_, n) => `r${n}`);
  const roles = await addRoles(engine.db, Object.fromEntries(roleNames.map((name) => [name, []])));
  const nodes = await addMachines(engine.db, NODES);
  // Written as rows: bind would look for parents by name, and this graph shall have any shape.
  const { rows } = await pool.query<{ id: number }>(
    `INSERT INTO node_roles (deployment_id, role_id, node_id, cohort) SELECT $1, r.id, n.id, r.ord * 1000 + n.ord FROM unnest($2::int[]) WITH ORDINALITY r(id, ord), unnest($3::int[]) WITH ORDINALITY n(id, ord) ORDER BY r.ord, n.ord RETURNING id`,
    [engine.deploymentId, roleNames.map((name) => roles[name]), nodes],
  );
  const ids = rows.map((row) => row.id);
  const edges = ids.flatMap((child, at) =>
    at === 0 ? [] : [...new Set(Array.from({ length: random(5) }, () => ids[random(at)]))].map((parent) => [parent, child] as const),
  );
  await pool.query('INSERT INTO node_role_edges (parent_id, child_id) SELECT * FROM unnest($1::int[], $2::int[])', [
    edges.map(([parent]) => parent),
    edges.map(([, child]) => child),
  ]);
  await pool.query(
    `SELECT emit_events(array_agg(noderole_event(id, 1, NULL, 'PROPOSED', node_id, role_id, deployment_id, 'bound') ORDER BY id)) FROM node_roles`,
  );
  await pool.query(`UPDATE outbox_events SET data = (data::jsonb || '{"from":"NONE"}')::json`);
  await pool.query('SELECT commit_deployment($1)', [engine.deploymentId]);

  const tried: Record<string, number> = {};
  const queue: RunJob[] = await claim(pool, 1000);
  const settlers = Array.from({ length: WORKERS }, (_, n) => {
    return new Pump<Settlement, true>({
      maxBatch: 20 + n,
      pause: (tries) => new Promise((resolve) => setTimeout(resolve, 5 * 2 ** Math.min(tries, 5) * Math.random())),
      onError: (error) => {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'none';
        tried[code] = (tried[code] ?? 0) + 1;
        return isPassing(error) ? 'again' : 'reject';
      },
      run: async (batch) => {
        queue.push(...(await settle(pool, batch, 500)));
        return batch.map(() => true as const);
      },
    });
  });

  let demoting = true;
  const demoter = (async () => {
    for (let n = 0; n < DEMOTIONS; n++) {
      const id = ids[random(ids.length)];
      await pool.query('UPDATE node_roles SET force_run = random() < 0.5 WHERE id = $1', [id]);
      await moveNodeRole(pool, id, { kind: 'poke' }, 'storm');
    }
    demoting = false;
  })();

  const worker = async (settler: Pump<Settlement, true>) => {
    let v = 0;
    for (;;) {
      const jobs = queue.splice(0, 1 + random(12));
      if (jobs.length === 0) {
        // What the claim skipped because somebody held it, is the sweep's.
        queue.push(...(await claim(pool, 1000)));
        if (queue.length > 0) continue;
        const { rows: left } = await pool.query(`SELECT 1 FROM node_roles WHERE state <> 'ACTIVE' LIMIT 1`);
        if (left.length === 0 && !demoting) return;
        await new Promise((resolve) => setTimeout(resolve, 2));
        continue;
      }
      const answers = await startRuns(pool, jobs, 'w', 600);
      await Promise.all(
        answers.map((answer) => {
          if (answer.kind === 'dropped') return Promise.resolve();
          if (answer.kind !== 'run') return settler.add({ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } });
          return settler.add({ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done', wall: { v: v++ % 2 } } });
        }),
      );
    }
  };
  await Promise.all([demoter, ...settlers.map(worker)]);

  expect(await unsound(engine.db)).toEqual([]);
  expect((await pool.query(`SELECT state, count(*)::int AS n FROM node_roles GROUP BY state`)).rows).toEqual([{ state: 'ACTIVE', n: NODEROLES }]);
  expect(await call(engine.db, 'repair_drift()')).toBe(0);
  expect(Object.keys(tried).filter((code) => !['40P01', '40001', '55P03'].includes(code))).toEqual([]);
  if (process.env.PRYBAR_TEST_LOG)
    process.stderr.write(`tried again: ${JSON.stringify(tried)}; runs: ${(await pool.query('SELECT count(*) FROM runs')).rows[0].count}\n`);
});
