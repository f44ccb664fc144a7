/** A schema at every write: what is off it is refused at its door, and a run that leaves it fails for good. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { setDeploymentRoleData } from '../../../src/deployments/verbs.js';
import type { Jig, JigContext, JigOutcome } from '../../../src/jigs/contract.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { setNodeRoleData } from '../../../src/noderoles/verbs.js';
import { Executor } from '../../../src/runs/execute.js';
import { secretsOfRun } from '../../../src/attribs/shown-inputs.js';
import { updateNode } from '../../../src/nodes/store.js';
import { parseBarclamp } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addMachines, addRoles, bind, call, commit, nodeRole, useEngine, runsOf } from '../../support/direct-engine.js';
import { waitFor } from '../../support/wait-for.js';

const engine = useEngine();
beforeEach(async () => {
  await engine.db.pool.query('TRUNCATE barclamps');
});

const attribs = [
  { name: 'port', schema: { type: 'integer' } },
  { name: 'password', schema: { type: 'string', writeOnly: true } },
];
const actor = 'test';

async function database(): Promise<{ roleId: number; nodeId: number }> {
  const roles = await addRoles(engine.db, { database: [], free: [] }, { database: { attribs } });
  const [nodeId] = await addMachines(engine.db, 1);
  return { roleId: roles.database, nodeId };
}

/** Runs everything that is claimable through `run`, as a worker does. */
async function work(run: (ctx: JigContext) => JigOutcome): Promise<void> {
  const jig: Jig = { name: 'test', description: 'of this test', run: async (ctx) => run(ctx) };
  const executor = new Executor({
    pool: engine.db.pool,
    jigs: new Map([['test', jig]]),
    worker: 'w1',
    leaseSeconds: 30,
    ring: async () => undefined,
    claimPerSettle: 0,
    log: createLogger('test', 'silent'),
  });
  await Promise.all((await claim(engine.db.pool, 100)).map((ring) => executor.handle(ring)));
}

const off = { code: 'validation-failed', problems: [{ field: 'data.port', message: 'must be integer' }] };

describe('attrib data off its schema', () => {
  it('is refused when it comes with a bind, and nothing is bound', async () => {
    const { roleId, nodeId } = await database();
    await expect(bindRole(engine.db, { roleId, nodeId, deploymentId: engine.deploymentId, data: { port: 'x' }, actor })).rejects.toMatchObject(off);
    expect((await engine.db.pool.query('SELECT 1 FROM node_roles')).rowCount).toBe(0);
  });

  it('is refused as data of a noderole and of a deployment role, and what was proposed stays', async () => {
    const { roleId, nodeId } = await database();
    const id = await bind(engine, roleId, nodeId);
    await setNodeRoleData(engine.db, id, { port: 1 }, actor);
    await expect(setNodeRoleData(engine.db, id, { port: 'x' }, actor)).rejects.toMatchObject(off);
    await expect(setNodeRoleData(engine.db, id, { prot: 1 }, actor)).rejects.toThrow(/did you mean 'port'/);
    await expect(setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId, data: { port: 'x' }, actor })).rejects.toMatchObject(off);
    expect((await engine.db.pool.query('SELECT proposed_data FROM node_roles')).rows).toEqual([{ proposed_data: { port: 1 } }]);
  });

  it('in the wall of a run fails it for good, naming the path; nobody is given the value', async () => {
    const { roleId, nodeId } = await database();
    const id = await bind(engine, roleId, nodeId);
    await commit(engine);
    await work(() => ({ kind: 'done', wall: { port: 'x', other: 1 } }));
    const { rows } = await engine.db.pool.query('SELECT state, error_code, error_message, wall FROM node_roles WHERE id = $1', [id]);
    expect(rows[0]).toMatchObject({ state: 'ERROR', error_code: 'wall-off-schema', wall: {} });
    expect(rows[0].error_message).toContain('wall.port: must be integer');
    expect(await runsOf(engine.db, id)).toMatchObject([{ outcome: 'failed' }]);
  });

  it('a wall on its schema is kept, with what it holds besides', async () => {
    const { roleId, nodeId } = await database();
    const id = await bind(engine, roleId, nodeId);
    await commit(engine);
    await work(() => ({ kind: 'done', wall: { port: 1, other: 1 } }));
    expect((await nodeRole(engine.db, id)).state).toBe('ACTIVE');
  });
});

describe('hints of a node', () => {
  const declare = (attribList: unknown[]) =>
    importBarclamps(engine.db.pool, [
      parseBarclamp(JSON.stringify({ barclamp: { name: 'racks' }, attribs: attribList, roles: [{ name: 'rack-role', jig: 'noop' }] }), 'racks'),
    ]);

  it('that a barclamp declares are held against their schema; any other is free', async () => {
    const { nodeId } = await database();
    await declare([{ name: 'place/rack', schema: { type: 'string', pattern: '^r[0-9]+$' } }]);
    await expect(updateNode(engine.db, nodeId, { hint: { place: { rack: 7 }, note: 7 } })).rejects.toMatchObject({
      code: 'validation-failed',
      problems: [{ field: 'hint.place.rack', message: 'must be string' }],
    });
    expect(await updateNode(engine.db, nodeId, { hint: { place: { rack: 'r7' }, note: 7 } })).toEqual(['hint']);
  });

  it('are declared by one barclamp, and are no place for a secret', async () => {
    await declare([{ name: 'rack', schema: { type: 'string' } }]);
    const other = parseBarclamp(
      JSON.stringify({ barclamp: { name: 'other' }, attribs: [{ name: 'rack', schema: {} }], roles: [{ name: 'o', jig: 'noop' }] }),
      'other',
    );
    await expect(importBarclamps(engine.db.pool, [other])).rejects.toMatchObject({ code: 'attrib-owned' });
    expect(() =>
      parseBarclamp(
        JSON.stringify({ barclamp: { name: 'x' }, attribs: [{ name: 'key', schema: { writeOnly: true } }], roles: [{ name: 'o', jig: 'noop' }] }),
        'x',
      ),
    ).toThrow(/no place for a secret/);
  });
});

describe('two writers of one container', () => {
  it('that change different attribs at once both count', async () => {
    const { roleId, nodeId } = await database();
    const id = await bind(engine, roleId, nodeId);
    await Promise.all([
      setNodeRoleData(engine.db, id, (kept) => ({ ...kept, port: 1 }), actor),
      setNodeRoleData(engine.db, id, (kept) => ({ ...kept, password: 'hunter22' }), actor),
    ]);
    expect((await engine.db.pool.query('SELECT proposed_data FROM node_roles')).rows).toEqual([{ proposed_data: { port: 1, password: 'hunter22' } }]);
  });
});

describe('a secret', () => {
  it('reaches the jig, and neither the audit nor the log of the run', async () => {
    const { roleId, nodeId } = await database();
    const id = await bind(engine, roleId, nodeId);
    await setNodeRoleData(engine.db, id, { port: 1, password: 'hunter22' }, actor);
    // What an answer showed comes back: the password stays.
    await setNodeRoleData(engine.db, id, { port: 2, password: '***' }, actor);
    await commit(engine);
    let given: unknown;
    await work((ctx) => {
      given = ctx.inputs.password;
      ctx.log(`connecting with ${JSON.stringify(ctx.inputs.password)}`);
      return { kind: 'done' };
    });
    expect(given).toBe('hunter22');
    const [run] = await runsOf(engine.db, id);
    expect((await engine.db.pool.query('SELECT text FROM run_logs WHERE run_id = $1', [run.id])).rows).toEqual([{ text: 'connecting with "***"\n' }]);
    expect((await engine.db.pool.query(`SELECT count(*)::int AS n FROM audit WHERE detail::text LIKE '%hunter22%'`)).rows).toEqual([{ n: 0 }]);
    await setNodeRoleData(engine.db, id, { port: 3, password: '***' }, actor);
    await commit(engine);
    await work((ctx) => ({ kind: 'fail', code: 'login', message: `refused ${JSON.stringify(ctx.inputs.password)}`, retryable: false }));
    expect((await engine.db.pool.query('SELECT error_message FROM node_roles WHERE id = $1', [id])).rows).toEqual([{ error_message: 'refused "***"' }]);
    // The agent's log comes to a process that did not start the run.
    expect(await secretsOfRun(engine.db.pool, run.id)).toEqual(['hunter22']);
  });

  it('in the wall of a parent that is read whole reaches the jig, and no log: not at first, not after a wait', async () => {
    const roles = await addRoles(engine.db, { vault: [], reader: ['vault'] }, { vault: { attribs } });
    const [nodeId] = await addMachines(engine.db, 1);
    await bind(engine, roles.vault, nodeId);
    const id = await bind(engine, roles.reader, nodeId);
    await commit(engine);
    await work(() => ({ kind: 'done', wall: { port: 1, password: 'hunter33' } }));
    const say = (ctx: JigContext): JigOutcome => {
      const vault = Object.values(ctx.inputs.parents as Record<string, { password: string }>)[0];
      ctx.log(`connecting with ${vault?.password}`);
      return ctx.wake === null ? { kind: 'timer', seconds: 0, memo: {} } : { kind: 'done' };
    };
    await work(say);
    await waitFor(async () => (await call(engine.db, 'expire_waits()')) > 0, { what: 'the timer' });
    await work(say);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ outcome: 'succeeded' });
    const { rows } = await engine.db.pool.query<{ text: string }>('SELECT l.text FROM run_logs l JOIN runs r ON r.id = l.run_id WHERE r.node_role_id = $1', [
      id,
    ]);
    expect(rows.map((row) => row.text)).toEqual(['connecting with ***\n', 'connecting with ***\n']);
  });
});
