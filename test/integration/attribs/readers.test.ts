/** Who is touched when a value changes: exactly those that read it (DESIGN rule 9), and what they are given. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { overlay } from '../../../src/attribs/overlay.js';
import { sourcesOf, type Provenance } from '../../../src/attribs/provenance.js';
import { setDeploymentRoleData, setDeploymentRoleWall } from '../../../src/deployments/verbs.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { unbindNodeRole } from '../../../src/noderoles/unbind.js';
import { proposeNodeRole, setNodeRoleData, setSystemData } from '../../../src/noderoles/verbs.js';
import { updateNode } from '../../../src/nodes/store.js';
import type { JsonObject } from '../../../src/shared/json.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, bind, call, commit, nodeRole, useEngine, runsOf, unsound } from '../../support/direct-engine.js';

const engine = useEngine();

/** Runs what can run until nothing can; `walls`: what the run of each role leaves. Answers the roles whose jig ran, in order. */
async function drive(walls: Record<string, JsonObject> = {}): Promise<string[]> {
  const ran: string[] = [];
  for (let rings = await claim(engine.db.pool, 1000); rings.length > 0; rings = await claim(engine.db.pool, 1000)) {
    const answers = await startRuns(engine.db.pool, rings, 'w1', 600);
    await settle(
      engine.db.pool,
      answers.flatMap((answer): Settlement[] => {
        if (answer.kind === 'dropped') return [];
        if (answer.kind !== 'run') return [{ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } }];
        ran.push(answer.run.role.name);
        return [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done', wall: walls[answer.run.role.name] ?? {} } }];
      }),
      0,
    );
  }
  expect(await unsound(engine.db)).toEqual([]);
  return ran;
}

/** Inputs of the noderole's last run that was given any, and where they came from. */
async function given(id: number): Promise<{ inputs: JsonObject; from: Provenance }> {
  const { rows } = await engine.db.pool.query<{ inputs: JsonObject; from: Provenance | null }>(
    'SELECT inputs, inputs_from AS from FROM runs WHERE node_role_id = $1 AND inputs IS NOT NULL ORDER BY id DESC LIMIT 1',
    [id],
  );
  return { inputs: rows[0]?.inputs ?? {}, from: rows[0]?.from ?? { sources: [], of: {} } };
}

const touched = async (id: number) => ({ ...(await nodeRole(engine.db, id)), runs: (await runsOf(engine.db, id)).length });
const attrib = (name: string, more: Record<string, unknown> = {}) => ({ name, schema: { type: ['integer', 'string'] }, ...more });
const rerun = (id: number) =>
  moveNodeRole(engine.db.pool, id, { kind: 'poke' }, 'test').then(() => engine.db.pool.query('UPDATE node_roles SET force_run = true WHERE id = $1', [id]));

/** A database, its reader, one that reads another attrib of it, one that only comes after it, one that wants nothing. */
async function family() {
  const ids = await addRoles(
    engine.db,
    { database: [], reader: ['database'], other: ['database'], after: ['database'], plain: ['database'] },
    {
      database: { attribs: [attrib('port', { default: 5432 }), attrib('user')] },
      reader: { wants_attribs: [{ name: 'database/port', at: 'db/port' }] },
      other: { wants_attribs: ['database/user'] },
      after: { wants_attribs: ['node/rack'] },
    },
  );
  const [n1, n2] = await addMachines(engine.db, 2);
  const noderoles = {
    database: await bind(engine, ids.database, n1),
    reader: await bind(engine, ids.reader, n1),
    other: await bind(engine, ids.other, n1),
    after: await bind(engine, ids.after, n1),
    plain: await bind(engine, ids.plain, n1),
    far: await bind(engine, ids.reader, n2),
  };
  await commit(engine);
  return { ids, n1, n2, noderoles };
}

describe('a value that changes', () => {
  it('by a run reaches its readers, on the same node and across nodes, and touches nobody else', async () => {
    const { noderoles } = await family();
    await drive({ database: { port: 1, user: 'a' } });
    const before = { other: await touched(noderoles.other), after: await touched(noderoles.after) };
    expect((await given(noderoles.reader)).inputs).toMatchObject({ db: { port: 1 }, parents: {} });
    expect((await given(noderoles.after)).inputs.parents).toEqual({});

    await rerun(noderoles.database);
    expect((await drive({ database: { port: 2, user: 'a' } })).sort()).toEqual(['database', 'plain', 'reader', 'reader']);
    expect((await given(noderoles.reader)).inputs.db).toEqual({ port: 2 });
    expect((await given(noderoles.far)).inputs.db).toEqual({ port: 2 });
    // Their counters moved while the database ran again; nothing else of them did.
    for (const name of ['other', 'after'] as const) {
      const now = await touched(noderoles[name]);
      expect({ want: now.want_gen, runs: now.runs, state: now.state }).toEqual({ want: before[name].want_gen, runs: before[name].runs, state: 'ACTIVE' });
    }
  });

  it('by a commit reaches the noderole and those that want it, and only when its effective value changed', async () => {
    const { ids, noderoles } = await family();
    await drive();
    await setNodeRoleData(engine.db, noderoles.database, { port: 7000 }, 'test');
    await commit(engine);
    expect((await drive()).sort()).toEqual(['database', 'reader', 'reader']);
    expect((await given(noderoles.reader)).inputs.db).toEqual({ port: 7000 });

    // The deployment role says it below the noderole: nothing that anybody reads is another one.
    const before = await Promise.all(Object.values(noderoles).map(touched));
    await setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: ids.database, data: { port: 6000 }, actor: 'test' });
    await commit(engine);
    expect(await Promise.all(Object.values(noderoles).map(touched))).toEqual(before);
    expect(await drive()).toEqual([]);
  });

  it('of a deployment role pokes the noderoles of the pair that it changes, not those that cover it', async () => {
    const ids = await addRoles(engine.db, { database: [] }, { database: { attribs: [attrib('port')] } });
    const [n1, n2] = await addMachines(engine.db, 2);
    const open = await bind(engine, ids.database, n1);
    const covered = await bind(engine, ids.database, n2);
    await setNodeRoleData(engine.db, covered, { port: 1 }, 'test');
    await commit(engine);
    await drive();
    const before = await touched(covered);
    await setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: ids.database, data: { port: 2 }, actor: 'test' });
    await commit(engine);
    expect(await touched(covered)).toEqual(before);
    expect((await touched(open)).state).toBe('TODO');
    expect(await drive()).toEqual(['database']);
    expect((await given(open)).inputs.port).toBe(2);
  });

  it('to what it was already proposes nothing, so that there is nothing to commit', async () => {
    const { noderoles } = await family();
    await setNodeRoleData(engine.db, noderoles.database, { port: 7000 }, 'test');
    await commit(engine);
    await drive();
    const before = await Promise.all(Object.values(noderoles).map(async (id) => ({ ...(await touched(id)), version: 0 })));
    await setNodeRoleData(engine.db, noderoles.database, { port: 7000 }, 'test');
    await expect(commit(engine)).rejects.toMatchObject({ code: 'nothing-to-commit' });
    expect(await Promise.all(Object.values(noderoles).map(async (id) => ({ ...(await touched(id)), version: 0 })))).toEqual(before);
  });

  it('of a node reaches the noderoles on it that want that path', async () => {
    const { n1, n2, noderoles } = await family();
    await drive();
    await updateNode(engine.db, n1, { hint: { rack: 'r1', note: 'x' } });
    expect(await drive()).toEqual(['after']);
    expect((await given(noderoles.after)).inputs.rack).toBe('r1');
    await updateNode(engine.db, n1, { hint: { rack: 'r1', note: 'y' } });
    await updateNode(engine.db, n2, { hint: { rack: 'r2' } });
    expect(await drive()).toEqual([]);
  });

  it('of the system reaches the noderole and who wants it', async () => {
    const { noderoles } = await family();
    await drive();
    expect(await setSystemData(engine.db, noderoles.database, { user: 'root' }, 'test')).toBe(true);
    expect((await drive()).sort()).toEqual(['database', 'other']);
    expect(await setSystemData(engine.db, noderoles.database, { user: 'root' }, 'test')).toBe(false);
    await expect(setSystemData(engine.db, noderoles.database, { user: [] }, 'test')).rejects.toMatchObject({ code: 'validation-failed' });
  });

  it('of a deployment role that code found out reaches those of the pair that it changes, and who wants it', async () => {
    const { ids, noderoles } = await family();
    await drive();
    const wall = (data: JsonObject) =>
      setDeploymentRoleWall(engine.db, { deploymentId: engine.deploymentId, roleId: ids.database, wall: data, runId: null, actor: 'test' });
    expect(await wall({ port: 9 })).toBe(true);
    expect((await drive()).sort()).toEqual(['database', 'reader', 'reader']);
    expect((await given(noderoles.reader)).inputs.db).toEqual({ port: 9 });
    expect(await wall({ port: 9 })).toBe(false);
    await expect(wall({ port: [] })).rejects.toMatchObject({ code: 'validation-failed' });
    await setNodeRoleData(engine.db, noderoles.database, { port: 1 }, 'test');
    await commit(engine);
    await drive();
    expect(await wall({ port: 10 })).toBe(false);
    expect(await drive()).toEqual([]);
  });

  it('while its reader runs is read when that run has ended', async () => {
    const { noderoles } = await family();
    await drive({ database: { port: 1 } });
    await rerun(noderoles.reader);
    const [job] = await claim(engine.db.pool, 1);
    const [answer] = await startRuns(engine.db.pool, [job], 'w1', 600);
    if (answer.kind !== 'run') throw new Error(answer.kind);
    await setNodeRoleData(engine.db, noderoles.database, { port: 3 }, 'test');
    await commit(engine);
    await settle(engine.db.pool, [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done' } }], 0);
    expect((await nodeRole(engine.db, noderoles.reader)).state).not.toBe('ACTIVE');
    await drive({ database: { port: 1 } });
    expect((await given(noderoles.reader)).inputs.db).toEqual({ port: 3 });
  });

  it('in its own wall is no input of itself: the same run again is a memo hit', async () => {
    const { noderoles } = await family();
    await drive({ database: { port: 1 } });
    await moveNodeRole(engine.db.pool, noderoles.database, { kind: 'poke' }, 'test');
    expect(await drive({ database: { port: 2 } })).toEqual([]);
    expect((await given(noderoles.database)).inputs.port).toBe(5432);
  });
});

describe('a wanted attrib', () => {
  it('is that of the nearest parent, transitively on the same node before any elsewhere', async () => {
    const ids = await addRoles(
      engine.db,
      { database: [], middle: ['database'], reader: ['middle', 'database'] },
      { database: { attribs: [attrib('port')], flags: ['implicit'] }, reader: { wants_attribs: ['database/port'] } },
    );
    const [n1, n2] = await addMachines(engine.db, 2);
    const far = await bind(engine, ids.database, n1);
    const near = await bind(engine, ids.database, n2);
    const reader = await bind(engine, ids.reader, n2);
    await setNodeRoleData(engine.db, far, { port: 1 }, 'test');
    await setNodeRoleData(engine.db, near, { port: 2 }, 'test');
    await commit(engine);
    await drive();
    const { inputs, from } = await given(reader);
    expect(inputs.port).toBe(2);
    expect(sourcesOf(from, 'port')).toEqual([{ path: [], source: { bucket: 'noderole.committed', noderole: `database@${await nodeName(n2)}`, revision: 1 } }]);
  });

  it('follows the role when its wants change at an import', async () => {
    const { noderoles } = await family();
    await drive({ database: { port: 1, user: 'a' } });
    await addRoles(
      engine.db,
      { database: [], reader: ['database'], other: ['database'], after: ['database'], plain: ['database'] },
      { database: { attribs: [attrib('port'), attrib('user')] }, reader: { wants_attribs: ['database/user'] }, other: { wants_attribs: ['database/user'] } },
    );
    await rerun(noderoles.reader);
    await drive({ database: { port: 1, user: 'a' } });
    expect((await given(noderoles.reader)).inputs).toMatchObject({ user: 'a' });
    expect((await given(noderoles.reader)).inputs.db).toBeUndefined();
  });

  it('may be the walls of all parents, and a role that wants nothing reads them as well', async () => {
    const ids = await addRoles(
      engine.db,
      { base: [], all: ['base'], none: ['base'], legacy: ['base'] },
      { all: { wants_attribs: ['parents'] }, none: { wants_attribs: ['node/rack'] } },
    );
    const [node] = await addMachines(engine.db, 1);
    const noderoles = { all: await bind(engine, ids.all, node), none: await bind(engine, ids.none, node), legacy: await bind(engine, ids.legacy, node) };
    await commit(engine);
    await drive({ base: { key: 'k' } });
    const name = `base@${await nodeName(node)}`;
    expect((await given(noderoles.all)).inputs.parents).toEqual({ [name]: { key: 'k' } });
    expect((await given(noderoles.legacy)).inputs.parents).toEqual({ [name]: { key: 'k' } });
    expect((await given(noderoles.none)).inputs.parents).toEqual({});
    const { from } = await given(noderoles.all);
    expect(sourcesOf(from, 'parents')).toEqual([
      { path: [name], source: expect.objectContaining({ bucket: 'noderole.wall', noderole: name, run: expect.any(Number) }) },
    ]);
  });

  it('is not needed for the members of a cluster: its barrier tells them, unless the role wants no members', async () => {
    const ids = await addRoles(
      engine.db,
      { peer: [], reads: ['peer'], quiet: ['peer'] },
      { peer: { flags: ['cluster'] }, reads: { wants_attribs: ['node/rack'] }, quiet: { wants_attribs: ['no-members'] } },
    );
    const [n1, n2] = await addMachines(engine.db, 2);
    await bind(engine, ids.peer, n1);
    const reads = await bind(engine, ids.reads, n1);
    const quiet = await bind(engine, ids.quiet, n1);
    await commit(engine);
    await drive({ 'barrier-peer': { members: ['one'] } });
    expect(Object.values((await given(reads)).inputs.parents as JsonObject)).toEqual([{ members: ['one'] }]);
    expect((await given(quiet)).inputs.parents).toEqual({});

    await bind(engine, ids.peer, n2);
    await commit(engine);
    expect((await drive({ 'barrier-peer': { members: ['one', 'two'] } })).sort()).toEqual(['barrier-peer', 'peer', 'reads']);
    expect(Object.values((await given(reads)).inputs.parents as JsonObject)).toEqual([{ members: ['one', 'two'] }]);
  });
});

describe('an attrib of a cluster', () => {
  it('is that of the member on the same node, else of the first; when that one is gone the sweep finds another', async () => {
    const ids = await addRoles(
      engine.db,
      { peer: [], client: ['peer'] },
      { peer: { flags: ['cluster'], attribs: [attrib('port')] }, client: { wants_attribs: ['peer/port', 'no-members'] } },
    );
    const [n1, n2, n3] = await addMachines(engine.db, 3);
    const peers = [await bind(engine, ids.peer, n1), await bind(engine, ids.peer, n2)];
    const near = await bind(engine, ids.client, n2);
    const far = await bind(engine, ids.client, n3);
    await setNodeRoleData(engine.db, peers[0], { port: 1 }, 'test');
    await setNodeRoleData(engine.db, peers[1], { port: 2 }, 'test');
    await commit(engine);
    await drive();
    expect([(await given(near)).inputs.port, (await given(far)).inputs.port]).toEqual([2, 1]);

    await proposeNodeRole(engine.db, peers[0], 'test');
    await unbindNodeRole(engine.db, peers[0], { actor: 'test' });
    await drive();
    expect(await call(engine.db, 'relink_attribs()')).toBe(1);
    expect(await drive()).toEqual(['client']);
    expect((await given(far)).inputs.port).toBe(2);
    expect(await call(engine.db, 'relink_attribs()')).toBe(0);
  });
});

describe('provenance', () => {
  it('keeps for each attrib the revision that gave it its value', async () => {
    const { ids, noderoles } = await family();
    await drive();
    await setNodeRoleData(engine.db, noderoles.database, { port: 1, user: 'a' }, 'test');
    await commit(engine);
    await setNodeRoleData(engine.db, noderoles.database, { port: 1, user: 'b' }, 'test');
    await setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: ids.database, data: { user: 'c' }, actor: 'test' });
    await commit(engine);
    await drive();
    const { from } = await given(noderoles.database);
    expect(sourcesOf(from, 'port')[0].source).toEqual({ bucket: 'noderole.committed', revision: 2 });
    expect(sourcesOf(from, 'user')[0].source).toEqual({ bucket: 'noderole.committed', revision: 3 });
  });

  it('names the run that left a wall', async () => {
    const { noderoles } = await family();
    await drive({ database: { port: 1 } });
    const [first] = await runsOf(engine.db, noderoles.database);
    expect(sourcesOf((await given(noderoles.far)).from, 'db')).toEqual([
      { path: ['port'], source: { bucket: 'noderole.wall', noderole: expect.stringContaining('database@'), run: first.id } },
    ]);
  });
});

describe('the overlay in SQL', () => {
  it('is that of TypeScript', async () => {
    const { data } = fc.letrec<{ data: JsonObject; value: unknown }>((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, fc.constantFrom(1, 'x', null, true, [], {}, [{ a: 1 }]), tie('data')),
      data: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value') as fc.Arbitrary<never>, { maxKeys: 3 }),
    }));
    const pairs = fc.sample(fc.tuple(data, data), 300);
    const { rows } = await engine.db.pool.query<{ merged: JsonObject }>(
      'SELECT overlay_json(b, o) AS merged FROM unnest($1::jsonb[], $2::jsonb[]) WITH ORDINALITY AS i(b, o, n) ORDER BY n',
      [pairs.map(([base]) => JSON.stringify(base)), pairs.map(([, over]) => JSON.stringify(over))],
    );
    expect(rows.map((row) => row.merged)).toEqual(pairs.map(([base, over]) => overlay(base, over)));
  });
});

async function nodeName(id: number): Promise<string> {
  const { rows } = await engine.db.pool.query<{ name: string }>('SELECT name FROM nodes WHERE id = $1', [id]);
  return rows[0]?.name ?? '';
}

describe('an import', () => {
  const roles = { db: [], reader: ['db'], after: ['db'] };
  const importRoles = (template: JsonObject, port: JsonObject, description = 'x') =>
    addRoles(engine.db, roles, {
      db: { template, description, attribs: [attrib('port', port), attrib('other')] },
      reader: { 'wants-attribs': ['db/port'] },
      after: { 'wants-attribs': ['db/other'] },
    });
  const setUp = async () => {
    const ids = await importRoles({ port: 1 }, {});
    const [node] = await addMachines(engine.db, 1);
    const bound: Record<string, number> = {};
    for (const name of Object.keys(roles)) bound[name] = await bind(engine, ids[name], node);
    await commit(engine);
    await drive();
    return bound;
  };

  it('DESIGN rule 9: that changes the template of a role runs what is bound to it again, and who reads what changed', async () => {
    const bound = await setUp();
    await importRoles({ port: 2 }, {});
    expect(await nodeRole(engine.db, bound.db ?? 0)).toMatchObject({ state: 'TODO' });
    expect(await drive()).toEqual(['db', 'reader']);
    expect((await given(bound.db ?? 0)).inputs).toMatchObject({ port: 2 });
    expect((await touched(bound.after ?? 0)).runs).toBe(1);
  });

  it('DESIGN rule 9: that changes neither template nor attribs touches nothing', async () => {
    const bound = await setUp();
    const before = await Promise.all(Object.values(bound).map(touched));
    await importRoles({ port: 1 }, {}, 'another description');
    expect(await drive()).toEqual([]);
    expect(await Promise.all(Object.values(bound).map(touched))).toEqual(before);
  });
});
