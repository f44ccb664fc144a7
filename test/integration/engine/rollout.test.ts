/** Rolling changes as the engine carries them out: who goes first, how many at a time, when it stops. */
import { describe, expect, it } from '@jest/globals';
import { annealPass } from '../../../src/annealer/anneal.js';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { abortRollout, pauseRollout, removeRollout, resumeRollout, setRolloutPolicy, type RolloutPolicy } from '../../../src/deployments/rollouts.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { retryNodeRole, setNodeRoleData } from '../../../src/noderoles/verbs.js';
import type { Ring } from '../../../src/queue/jobs.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, bind, commit, nodeRole, useEngine, unsound } from '../../support/direct-engine.js';

const engine = useEngine({ poolSize: 12 });

const POLICY: RolloutPolicy = { canaries: null, limit: { count: 2 }, per: 'deployment', pause_above: 100, min_sample: 1 };
const set = (policy: Partial<RolloutPolicy>) => setRolloutPolicy(engine.db, engine.deploymentId, { ...POLICY, ...policy }, 'test');

async function rollout() {
  const { rows } = await engine.db.pool.query<{ id: number; status: string; phase: string; reason: string | null; revision: number }>(
    'SELECT id, status, phase, reason, revision FROM rollouts ORDER BY id DESC LIMIT 1',
  );
  return rows[0];
}

/** Nodes with a noderole in TRANSITION. */
async function flying(): Promise<number[]> {
  const { rows } = await engine.db.pool.query<{ node_id: number }>(`SELECT DISTINCT node_id FROM node_roles WHERE state = 'TRANSITION' ORDER BY 1`);
  return rows.map((row) => row.node_id);
}

const pending: Ring[] = [];
const pass = () => annealPass(engine.db.pool, async (rings) => void pending.push(...rings));

/** Starts everything that was rung and ends it: as failed when `fails` says so of its node. */
async function finish(fails: (nodeId: number) => boolean = () => false, claimMore = 0): Promise<void> {
  const answers = await startRuns(engine.db.pool, pending.splice(0), 'w1', 600);
  const batch = answers.flatMap((answer): Settlement[] => {
    if (answer.kind === 'dropped') return [];
    if (answer.kind !== 'run') return [{ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } }];
    const outcome = fails(answer.run.node.id)
      ? ({ kind: 'fail', code: 'broken', message: 'it broke', retryable: false } as const)
      : ({ kind: 'done' } as const);
    return [{ runId: answer.run.runId, fence: answer.run.fence, outcome }];
  });
  pending.push(...(await settle(engine.db.pool, batch, claimMore)));
}

/** `count` machines with one noderole of each role, none committed yet; answers noderole ids by role, in the order of the nodes. */
async function fleet(count: number, roles: Record<string, string[]> = { only: [] }): Promise<{ nodes: number[]; of: Record<string, number[]> }> {
  pending.length = 0;
  const ids = await addRoles(engine.db, roles);
  const nodes = await addMachines(engine.db, count);
  const of: Record<string, number[]> = {};
  for (const name of Object.keys(roles)) {
    of[name] = [];
    for (const node of nodes) of[name].push(await bind(engine, ids[name], node));
  }
  return { nodes, of };
}

const rack = (nodes: number[], name: string) =>
  engine.db.pool.query(`UPDATE nodes SET hint = jsonb_build_object('rack', $2::text) WHERE id = ANY($1)`, [nodes, name]);

describe('limits', () => {
  it('begins no more than the limit, and the next only when one has ended', async () => {
    const { nodes } = await fleet(6);
    await set({ limit: { count: 2 } });
    await commit(engine);
    await pass();
    await pass();
    expect(await flying()).toEqual(nodes.slice(0, 2));
    await finish();
    await pass();
    expect(await flying()).toEqual(nodes.slice(2, 4));
    await finish();
    await pass();
    await finish();
    await pass();
    expect(await rollout()).toMatchObject({ status: 'done', revision: 1 });
  });

  it('keeps a node its place through its whole chain, also when the settle itself claims', async () => {
    const { nodes } = await fleet(3, { a: [], b: ['a'], c: ['b'] });
    await set({ limit: { count: 1 } });
    await commit(engine);
    await pass();
    for (let step = 0; step < 3; step++) {
      expect(await flying()).toEqual([nodes[0]]);
      await finish(undefined, 100);
    }
    await pass();
    expect(await flying()).toEqual([nodes[1]]);
  });

  it('counts each failure domain for itself, in percent rounded down but at least one', async () => {
    const { nodes } = await fleet(9);
    await rack(nodes.slice(0, 5), 'r1');
    await rack(nodes.slice(5, 8), 'r2');
    await set({ limit: { percent: 40 }, per: 'hint.rack' });
    await commit(engine);
    await pass();
    // 40 % of 5, of 3, and of the one that is in no rack.
    expect(await flying()).toEqual([nodes[0], nodes[1], nodes[5], nodes[8]]);
  });

  it('counts each role for itself when it is per role', async () => {
    const { of } = await fleet(4, { a: [], b: [] });
    await set({ limit: { count: 1 }, per: 'role' });
    await commit(engine);
    await pass();
    const states = await Promise.all([...of.a, ...of.b].map(async (id) => (await nodeRole(engine.db, id)).state));
    expect(states.slice(0, 4).filter((state) => state === 'TRANSITION')).toHaveLength(1);
    expect(states.slice(4).filter((state) => state === 'TRANSITION')).toHaveLength(1);
  });

  it('looks past the nodes it holds back, however few are looked at in one claim', async () => {
    const { nodes } = await fleet(6);
    await rack(nodes.slice(0, 5), 'r1');
    await set({ limit: { count: 1 }, per: 'hint.rack' });
    await commit(engine);
    expect(await claim(engine.db.pool, 1)).toHaveLength(1);
    expect(await claim(engine.db.pool, 1)).toHaveLength(1);
    expect(await flying()).toEqual([nodes[0], nodes[5]]);
  });

  it('gives back the place of a node that only waits for another, so that two cannot wait for each other', async () => {
    pending.length = 0;
    const roles = await addRoles(engine.db, { early: [], late: [], joined: ['early', 'late'] });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    await bind(engine, roles.early, first);
    await bind(engine, roles.late, second);
    const joined = await bind(engine, roles.joined, first);
    await set({ limit: { count: 1 } });
    await commit(engine);
    for (let step = 0; step < 3; step++) {
      await pass();
      expect(await flying()).toHaveLength(1);
      await finish();
    }
    expect((await nodeRole(engine.db, joined)).state).toBe('ACTIVE');
  });

  it('costs other deployments nothing and holds nothing of theirs', async () => {
    const { nodes } = await fleet(3);
    await set({ limit: { count: 1 } });
    await commit(engine);
    const { free } = await addRoles(engine.db, { free: [] });
    const id = await bind(engine, free, nodes[2]);
    await engine.db.pool.query(
      `WITH d AS (INSERT INTO deployments (name, parent_id, committed_at) SELECT 'other', id, now() FROM deployments WHERE system RETURNING id)
       UPDATE node_roles nr SET deployment_id = d.id, committed = true, state = 'TODO' FROM d WHERE nr.id = $1`,
      [id],
    );
    await pass();
    expect(await flying()).toEqual([nodes[0], nodes[2]]);
  });

  it('rule 10c: two annealers and two settlers together never exceed the limit, and finish, whatever an operator does meanwhile', async () => {
    const { nodes } = await fleet(24, { a: [], b: ['a'] });
    await rack(nodes.slice(0, 12), 'r1');
    await rack(nodes.slice(12), 'r2');
    await set({ limit: { count: 3 }, per: 'hint.rack' });
    await commit(engine);
    const { pool } = engine.db;
    const queue: Ring[] = [];
    const states = () =>
      pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM node_roles WHERE deployment_id = $1 AND state <> 'ACTIVE'`, [engine.deploymentId]);
    let left = nodes.length * 2;
    const annealer = async () => {
      while (left > 0) {
        await annealPass(pool, async (rings) => void queue.push(...rings));
        left = (await states()).rows[0].n;
      }
    };
    const settler = async () => {
      while (left > 0) {
        const answers = await startRuns(pool, queue.splice(0, 2), 'w1', 600);
        const batch = answers.flatMap((answer): Settlement[] =>
          answer.kind === 'run' ? [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done' } }] : [],
        );
        if (batch.length > 0) queue.push(...(await settle(pool, batch, 100)));
        else await pool.query('SELECT 1');
      }
    };
    // Who changes a rollout by hand waits for the claims, and they for nobody: no deadlock.
    const operator = async () => {
      while (left > 0) {
        await pauseRollout(engine.db, engine.deploymentId, 'op').catch(() => undefined);
        await resumeRollout(engine.db, engine.deploymentId, 'op').catch(() => undefined);
        await pool.query('SELECT 1');
      }
    };
    await Promise.all([annealer(), annealer(), settler(), settler(), operator()]);
    expect(await unsound(engine.db)).toEqual([]);
    await pass();
    expect(await rollout()).toMatchObject({ status: 'done' });
    expect(await mostAtOnce(new Map(nodes.map((node, n) => [node, n < 12 ? 'r1' : 'r2'])))).toEqual({ r1: 3, r2: 3 });
  });
});

/** Replays the history of events: how many nodes of each domain had begun and not ended at once, at the most. */
async function mostAtOnce(domains: Map<number, string>): Promise<Record<string, number>> {
  const { rows } = await engine.db.pool.query<{ id: number; node: number; to: string }>(
    `SELECT e.subject_id AS id, (e.data->>'node_id')::int AS node, e.data->>'to' AS to FROM outbox_events e WHERE e.kind = 'noderole-changed' AND e.data->>'reason' <> 'bound' ORDER BY e.batch_id, e.id`,
  );
  const now = new Map<number, Map<number, string>>();
  const begun = new Set<number>();
  const most: Record<string, number> = {};
  for (const row of rows) {
    if (!domains.has(row.node)) continue;
    const node = now.get(row.node) ?? new Map<number, string>();
    now.set(row.node, node.set(row.id, row.to));
    if (row.to === 'TRANSITION') begun.add(row.node);
    if (row.to !== 'TRANSITION') continue;
    const domain = domains.get(row.node) ?? '';
    const count = [...begun].filter(
      (id) => domains.get(id) === domain && [...(now.get(id) ?? new Map<number, string>()).values()].some((to) => to === 'TODO' || to === 'TRANSITION'),
    ).length;
    most[domain] = Math.max(most[domain] ?? 0, count);
  }
  return most;
}

describe('canaries', () => {
  it('go first and alone; the others follow when all of them are ACTIVE', async () => {
    const { nodes } = await fleet(5);
    await set({ canaries: { count: 2 }, limit: { count: 5 } });
    await commit(engine);
    await pass();
    expect(await flying()).toEqual(nodes.slice(0, 2));
    await finish();
    await pass();
    expect(await flying()).toEqual(nodes.slice(2));
  });

  it('may be named, and take along what they wait for on other nodes', async () => {
    pending.length = 0;
    const roles = await addRoles(engine.db, { server: [], client: ['server'] });
    const nodes = await addMachines(engine.db, 4);
    await bind(engine, roles.server, nodes[0]);
    for (const node of nodes.slice(1)) await bind(engine, roles.client, node);
    await set({ canaries: { nodes: [nodes[2]] }, limit: { count: 9 } });
    await commit(engine);
    await pass();
    expect(await flying()).toEqual([nodes[0]]);
    await finish();
    await pass();
    expect(await flying()).toEqual([nodes[2]]);
    await finish();
    await pass();
    expect(await flying()).toEqual([nodes[1], nodes[3]]);
  });

  it('take along what goes before them in soft order', async () => {
    pending.length = 0;
    const roles = await addRoles(engine.db, { first: [], second: [] });
    const [a, b] = (await addMachines(engine.db, 2)) as [number, number];
    await engine.db.pool.query(`UPDATE roles SET soft_after_deployment = ARRAY[$1::int] WHERE id = $2`, [roles.first, roles.second]);
    await bind(engine, roles.second, a);
    await bind(engine, roles.first, b);
    await set({ canaries: { nodes: [a] }, limit: { count: 1 } });
    await commit(engine);
    for (const node of [b, a]) {
      await pass();
      expect(await flying()).toEqual([node]);
      await finish();
    }
  });

  // The node kept its place for what had to wait for the canaries, and the canaries waited for the place.
  it('are not held up by the place of a node that has done its part for them', async () => {
    pending.length = 0;
    const roles = await addRoles(engine.db, { base: [], extra: [], client: ['base'] });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    await bind(engine, roles.base, first);
    const extra = await bind(engine, roles.extra, first);
    await bind(engine, roles.client, second);
    await set({ canaries: { nodes: [second] }, limit: { count: 1 } });
    await commit(engine);
    for (const node of [first, second, first]) {
      await pass();
      expect(await flying()).toEqual([node]);
      await finish();
    }
    expect((await nodeRole(engine.db, extra)).state).toBe('ACTIVE');
  });

  it('are chosen among nodes that are alive', async () => {
    const { nodes } = await fleet(3);
    await engine.db.pool.query('UPDATE nodes SET alive = false WHERE id = $1', [nodes[0]]);
    await set({ canaries: { count: 1 }, limit: { count: 9 } });
    await commit(engine);
    await pass();
    expect(await flying()).toEqual([nodes[1]]);
  });

  it('that fail pause the rollout; resume accepts that and the fleet goes', async () => {
    const { nodes, of } = await fleet(4);
    await set({ canaries: { count: 2 }, limit: { count: 9 }, pause_above: 10, min_sample: 50 });
    await commit(engine);
    await pass();
    await finish((node) => node === nodes[0]);
    await pass();
    expect(await flying()).toEqual([]);
    expect(await rollout()).toMatchObject({ status: 'paused', phase: 'canary', reason: '1 of 2 canaries failed' });
    const why = await explainNodeRole(engine.db, of.only[3]);
    expect(why.answer).toBe("The rolling change of deployment 'demo' holds it back: the rollout is paused: 1 of 2 canaries failed.");
    expect(why.unblock).toContain('prybar rollout resume demo');
    await resumeRollout(engine.db, engine.deploymentId, 'op');
    await pass();
    expect(await flying()).toEqual(nodes.slice(2));
  });
});

describe('stopping', () => {
  it('pauses by itself past the failure rate, not before its sample, and tells with an alarm', async () => {
    const { nodes } = await fleet(8);
    await set({ limit: { count: 2 }, pause_above: 30, min_sample: 4 });
    await commit(engine);
    for (let round = 0; round < 2; round++) {
      await pass();
      await finish((node) => nodes.indexOf(node) % 2 === 0);
      expect((await rollout()).status).toBe('running');
    }
    await pass();
    expect(await rollout()).toMatchObject({ status: 'paused', reason: '2 of 4 nodes failed' });
    expect(await flying()).toEqual([]);
    const { rows } = await engine.db.pool.query(`SELECT data->>'code' AS code FROM outbox_events WHERE kind = 'alarm'`);
    expect(rows).toEqual([{ code: 'rollout-paused' }]);
  });

  it('counts a failure again when it comes again after resume', async () => {
    const { of } = await fleet(2);
    await set({ limit: { count: 1 }, pause_above: 0 });
    await commit(engine);
    await pass();
    await finish(() => true);
    await pass();
    await resumeRollout(engine.db, engine.deploymentId, 'op');
    await pass();
    await finish();
    await retryNodeRole(engine.db, of.only[0], 'op');
    await pass();
    await finish(() => true);
    await pass();
    expect(await rollout()).toMatchObject({ status: 'paused', reason: '1 of 2 nodes failed' });
  });

  it('claims nothing while it is paused; what runs ends normally', async () => {
    const { of } = await fleet(3, { a: [], b: ['a'] });
    await set({ limit: { count: 1 } });
    await commit(engine);
    await pass();
    await pauseRollout(engine.db, engine.deploymentId, 'op');
    await finish(undefined, 100);
    await pass();
    expect(await flying()).toEqual([]);
    expect((await nodeRole(engine.db, of.a[0])).state).toBe('ACTIVE');
    expect((await explainNodeRole(engine.db, of.b[0])).answer).toContain('the rollout is paused: by op');
    await resumeRollout(engine.db, engine.deploymentId, 'op');
    await pass();
    expect((await nodeRole(engine.db, of.b[0])).state).toBe('TRANSITION');
  });

  it('aborted: nodes that have begun finish, the others are held until the next commit takes them over', async () => {
    const { nodes, of } = await fleet(3, { a: [], b: ['a'] });
    await set({ limit: { count: 1 } });
    await commit(engine);
    await pass();
    await abortRollout(engine.db, engine.deploymentId, 'op');
    await finish();
    await pass();
    expect((await nodeRole(engine.db, of.b[0])).state).toBe('TRANSITION');
    await finish();
    await pass();
    expect(await flying()).toEqual([]);
    await expect(resumeRollout(engine.db, engine.deploymentId, 'op')).rejects.toMatchObject({ code: 'rollout-status' });
    expect((await explainNodeRole(engine.db, of.a[1])).answer).toContain('the rollout was aborted: by op; what had not begun is held back');
    await setNodeRoleData(engine.db, of.a[1], { again: true }, 'op');
    await commit(engine);
    expect(await rollout()).toMatchObject({ status: 'running', revision: 2 });
    await pass();
    expect(await flying()).toEqual([nodes[1]]);
  });

  it('removed: the rest goes at once', async () => {
    const { nodes } = await fleet(4);
    await set({ limit: { count: 1 } });
    await commit(engine);
    await pass();
    await removeRollout(engine.db, engine.deploymentId, 'op');
    await pass();
    expect(await flying()).toEqual(nodes);
    await expect(pauseRollout(engine.db, engine.deploymentId, 'op')).rejects.toMatchObject({ code: 'no-rollout' });
  });

  it('a new limit counts for the rollout that goes on', async () => {
    const { nodes } = await fleet(4);
    await set({ limit: { count: 1 } });
    await commit(engine);
    await pass();
    await set({ limit: { count: 3 } });
    await pass();
    expect(await flying()).toEqual(nodes.slice(0, 3));
  });
});

describe('why', () => {
  it('says who is waited for: canaries, or the nodes in flight', async () => {
    const { nodes, of } = await fleet(4);
    await rack(nodes, 'r1');
    await set({ canaries: { count: 2 }, limit: { count: 1 }, per: 'hint.rack' });
    await commit(engine);
    await pass();
    expect((await explainNodeRole(engine.db, of.only[3])).answer).toContain('canary phase: waits for 2 of 2 canaries');
    expect((await explainNodeRole(engine.db, of.only[1])).answer).toContain('1 of 1 nodes of rack r1 are in flight');
    await finish();
    await pass();
    expect((await explainNodeRole(engine.db, of.only[3])).answer).toContain('canary phase: waits for 1 of 2 canaries');
  });
});
