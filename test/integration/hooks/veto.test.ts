import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import { createVetoes } from '../../../src/hooks/veto.js';
import type { RoleHooks } from '../../../src/hooks/hooks.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { commitNodeRoles } from '../../../src/noderoles/discovery.js';
import { addMachines, addRoles, commit, openDirectEngine, stateOf, unsound, type DirectEngine } from '../../support/direct-engine.js';

let engine: DirectEngine;
beforeAll(async () => void (engine = await openDirectEngine()));
afterEach(async () => {
  expect(await unsound(engine.db)).toEqual([]);
  await engine.reset();
});
afterAll(() => engine.close());

const governed = (roles: Record<string, RoleHooks>, limitMs?: number) => ({
  pool: engine.db.pool,
  vetoes: createVetoes(() => new Map(Object.entries(roles)), limitMs),
});
async function bindOn(db: ReturnType<typeof governed>, role: string, requires: Record<string, string[]> = { base: [], app: ['base'] }) {
  const roles = await addRoles(engine.db, requires);
  const [nodeId] = await addMachines(engine.db, 1);
  return bindRole(db, { roleId: roles[role], nodeId, deploymentId: engine.deploymentId, actor: 'test' });
}
const nodeRoles = async () => (await engine.db.pool.query('SELECT 1 FROM node_roles WHERE deployment_id = $1', [engine.deploymentId])).rowCount;

describe('hooks that may refuse', () => {
  it('rule 19: a bind that a role refuses leaves nothing behind, and says which role and why', async () => {
    const db = governed({ base: { onNodeBind: () => Promise.reject(new Error('no free licence')) } });
    await expect(bindOn(db, 'app')).rejects.toMatchObject({
      status: 409,
      code: 'vetoed',
      message: "role 'base' refuses (onNodeBind): no free licence",
      details: { role: 'base', hook: 'onNodeBind' },
    });
    expect(await nodeRoles()).toBe(0);
  });

  it('rule 19: a role is asked about its own new noderoles, which it can read, roles in cohort order', async () => {
    const asked: unknown[] = [];
    const hook = (name: string): RoleHooks => ({
      async onNodeBind(tx, subject) {
        const { rows } = await tx.query('SELECT ro.name FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.id = ANY($1)', [subject.nodeRoleIds]);
        asked.push([name, subject.deploymentId, rows.map((row) => row.name)]);
      },
    });
    await bindOn(governed({ app: hook('app'), base: hook('base'), other: hook('other') }), 'app');
    expect(asked).toEqual([
      ['base', engine.deploymentId, ['base']],
      ['app', engine.deploymentId, ['app']],
    ]);
  });

  it('rule 19: a commit that a role refuses commits nothing; without its objection the same commit goes through', async () => {
    const { nodeRoleId } = await bindOn(governed({}), 'app');
    const refusing = governed({ app: { onCommit: () => Promise.reject(new Error('two controllers are needed')) } });
    await expect(commitDeployment(refusing, engine.deploymentId, 'test')).rejects.toMatchObject({ status: 409, code: 'vetoed' });
    expect(await stateOf(engine.db, nodeRoleId)).toBe('PROPOSED');
    await commit(engine);
    expect(await stateOf(engine.db, nodeRoleId)).toBe('BLOCKED');
  });

  it('rule 19: noderoles that are committed by themselves (discovery, bootstrap) are asked about as well', async () => {
    const { nodeRoleId, created } = await bindOn(governed({}), 'base');
    const refusing = governed({ base: { onCommit: () => Promise.reject(new Error('no')) } });
    await expect(commitNodeRoles(refusing, created)).rejects.toMatchObject({ code: 'vetoed' });
    expect(await stateOf(engine.db, nodeRoleId)).toBe('PROPOSED');
  });

  it('rule 19: what such a hook writes is refused, and its settings end with it', async () => {
    const { nodeRoleId } = await bindOn(governed({}), 'base');
    const writing = governed({ base: { onCommit: async (tx) => void (await tx.query(`UPDATE nodes SET description = 'x'`)) } });
    await expect(commitDeployment(writing, engine.deploymentId, 'test')).rejects.toMatchObject({
      code: 'vetoed',
      message: expect.stringContaining('read-only'),
    });
    const failing = governed({
      base: {
        async onCommit(tx) {
          await tx.query('SELECT 1 / 0').catch(() => undefined);
        },
      },
    });
    // An error that the hook swallowed does not spoil the transaction.
    await commitDeployment(failing, engine.deploymentId, 'test');
    expect(await stateOf(engine.db, nodeRoleId)).toBe('TODO');
  });

  it.each([
    ['sleeps in the database', (tx: { query(text: string): Promise<unknown> }) => tx.query('SELECT pg_sleep(30)')],
    ['never answers', () => new Promise(() => undefined)],
  ])('rule 19: a hook that %s is given up after its limit and counts as a refusal', async (_what, work) => {
    const { nodeRoleId } = await bindOn(governed({}), 'base');
    const slow = governed({ base: { onCommit: async (tx) => void (await work(tx)) } }, 150);
    await expect(commitDeployment(slow, engine.deploymentId, 'test')).rejects.toMatchObject({ code: 'vetoed', message: expect.stringContaining('150 ms') });
    expect(await stateOf(engine.db, nodeRoleId)).toBe('PROPOSED');
    await commit(engine);
  });

  it('rule 19: a hook that goes on after its limit cannot use the connection that is no longer its own', async () => {
    await bindOn(governed({}), 'base');
    let late: Promise<void> = Promise.resolve();
    let wake: () => void = () => undefined;
    const slow = governed(
      {
        base: {
          onCommit: (tx) =>
            (late = (async () => {
              await new Promise<void>((resolve) => (wake = resolve));
              await tx.query('SELECT 1');
            })()),
        },
      },
      100,
    );
    await expect(commitDeployment(slow, engine.deploymentId, 'test')).rejects.toMatchObject({ code: 'vetoed' });
    wake();
    await expect(late).rejects.toThrow('decided already');
  });
});
