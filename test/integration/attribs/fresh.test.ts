/**
 * Nothing is stale at rest: random roles that want attribs of each other, random changes of every bucket between and during
 * runs. When everything has come to rest, poking all of it runs no jig: each was last given what it would be given now.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commitDeployment } from '../../../src/deployments/commit.js';
import { setDeploymentRoleData, setDeploymentRoleWall } from '../../../src/deployments/verbs.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { setNodeRoleData, setSystemData } from '../../../src/noderoles/verbs.js';
import { updateNode } from '../../../src/nodes/store.js';
import { startRuns } from '../../../src/runs/start.js';
import { AppError } from '../../../src/shared/errors.js';
import { addMachines, addRoles, bind, openDirectEngine, unsound, type DirectEngine } from '../../support/direct-engine.js';

const RUNS = Number(process.env.PRYBAR_TEST_FRESH_RUNS ?? 15);
const SEED = Number(process.env.PRYBAR_TEST_SEED ?? Date.now() & 0x7fffffff);

/** Role k may want x or y of roles before it, of the node, the walls of all parents, or nothing at all. */
const roles = fc.tuple(
  ...Array.from({ length: 5 }, (_, role) =>
    fc.record({
      requires: role === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(role - 1), { maxLength: 2 }),
      wants: role === 0 ? fc.constant<[number, string][]>([]) : fc.array(fc.tuple(fc.nat(role - 1), fc.constantFrom('x', 'y')), { maxLength: 2 }),
      also: fc.constantFrom('', '', 'node/rack', 'parents', 'no-members'),
      flag: fc.constantFrom('', '', 'implicit', 'cluster'),
    }),
  ),
);
const ops = ['wall', 'wall', 'wall', 'data', 'data', 'pair', 'system', 'pair-wall', 'hint', 'commit', 'commit', 'poke', 'bind'] as const;
const steps = fc.array(fc.record({ op: fc.constantFrom(...ops), at: fc.nat(1000), value: fc.nat(2), also: fc.boolean() }), {
  minLength: 10,
  maxLength: 25,
  size: 'max',
});

let engine: DirectEngine;
beforeAll(async () => {
  engine = await openDirectEngine();
});
afterAll(() => engine.close());

type Wall = { x?: number; y?: number };
const noderoles = async () => (await engine.db.pool.query<{ id: number }>('SELECT id FROM node_roles WHERE NOT barrier ORDER BY id')).rows.map((row) => row.id);

/** One round of claim, start, settle; each run leaves what `wallOf` says. Answers how many jigs ran, -1 when there was nothing to do. */
async function round(wallOf: (noderole: number) => Wall): Promise<number> {
  const { pool } = engine.db;
  const rings = await claim(pool, 1000);
  if (rings.length === 0) return -1;
  let ran = 0;
  const batch = (await startRuns(pool, rings, 'w1', 600)).flatMap((answer): Settlement[] => {
    if (answer.kind === 'dropped') return [];
    if (answer.kind !== 'run') return [{ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } }];
    ran++;
    return [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done', wall: wallOf(answer.run.noderoleId) } }];
  });
  await settle(pool, batch, 0);
  return ran;
}

async function toRest(wallOf: (noderole: number) => Wall): Promise<number> {
  let ran = 0;
  for (let n = 0; n < 100; n++) {
    const more = await round(wallOf);
    if (more < 0) return ran;
    ran += more;
  }
  throw new Error('it never came to rest');
}

it(`every noderole at rest was last given what it would be given now (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(roles, steps, async (graph, history) => {
      await engine.reset();
      const { db, deploymentId } = engine;
      const declared = ['x', 'y'].map((name) => ({ name, schema: { type: 'integer' } }));
      const ids = await addRoles(
        db,
        Object.fromEntries(graph.map(({ requires }, role) => [`r${role}`, requires.map((other) => `r${other}`)])),
        Object.fromEntries(
          graph.map(({ wants, also, flag }, role) => [
            `r${role}`,
            {
              attribs: declared,
              flags: flag === '' ? [] : [flag],
              wants_attribs: [...wants.map(([other, name], index) => ({ name: `r${other}/${name}`, at: `w.${index}` })), ...(also === '' ? [] : [also])],
            },
          ]),
        ),
      );
      const roleIds = graph.map((_, role) => ids[`r${role}`]);
      const nodeIds = await addMachines(db, 3);
      for (const [index, roleId] of roleIds.toReversed().entries()) await bind(engine, roleId, nodeIds[index % 3]);
      const walls = new Map<number, Wall>();
      const wallOf = (noderole: number): Wall => walls.get(noderole) ?? {};
      const commit = () =>
        commitDeployment(db, deploymentId, 'test').catch((error: unknown) => {
          if (!(error instanceof AppError)) throw error;
        });
      await commit();

      for (const { op, at, value, also } of history) {
        const all = await noderoles();
        const one = all[at % all.length];
        const change = { [at % 2 ? 'x' : 'y']: value };
        if (op === 'wall') walls.set(one, { ...wallOf(one), ...change });
        if (op === 'wall')
          await moveNodeRole(db.pool, one, { kind: 'poke' }, 'test').then(() => db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [one]));
        if (op === 'data') await setNodeRoleData(db, one, also ? change : {}, 'test');
        if (op === 'pair') await setDeploymentRoleData(db, { deploymentId, roleId: roleIds[at % 5], data: change, actor: 'test' });
        if (op === 'system') await setSystemData(db, one, also ? change : {}, 'test');
        if (op === 'pair-wall') await setDeploymentRoleWall(db, { deploymentId, roleId: roleIds[at % 5], wall: change, runId: null, actor: 'test' });
        if (op === 'hint') await updateNode(db, nodeIds[at % 3], { hint: { rack: value, other: at } });
        if (op === 'commit') await commit();
        if (op === 'poke') await moveNodeRole(db.pool, one, { kind: 'poke' }, 'test');
        if (op === 'bind') await bind(engine, roleIds[at % 5], nodeIds[value]);
        if (also) await round(wallOf);
        expect(await unsound(db)).toEqual([]);
      }
      await commit();
      await toRest(wallOf);
      const states = await db.pool.query(`SELECT id, state FROM node_roles WHERE state <> 'ACTIVE'`);
      expect(states.rows).toEqual([]);

      for (const id of await noderoles()) await moveNodeRole(db.pool, id, { kind: 'poke' }, 'test');
      expect(await toRest(wallOf)).toBe(0);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: process.env.PRYBAR_TEST_SHRINK === undefined },
  );
});
