/** Rule 16: what a boot and an installation end, on the real functions. Rule 8: what never comes to rest is given up. */
import { describe, expect, it } from '@jest/globals';
import { withTransaction } from '../../../src/db/client.js';
import type { BootClass } from '../../../src/generated/prisma/enums.js';
import { recordBoot } from '../../../src/nodes/boot.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole, moveNodeRoleIn } from '../../../src/noderoles/store.js';
import { setNodeRoleData } from '../../../src/noderoles/verbs.js';
import {
  addMachines,
  addRoles,
  begin,
  bind,
  claimAndBegin,
  commit,
  driveToEnd,
  nodeRole,
  useEngine,
  runsOf,
  start,
  stateOf,
  unsound,
} from '../../support/direct-engine.js';
import { done } from '../../support/outcomes.js';

const engine = useEngine();

async function deploy(roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}) {
  const roleIds = await addRoles(engine.db, roles, more);
  const [nodeId] = await addMachines(engine.db, 1);
  const ids: Record<string, number> = {};
  for (const name of Object.keys(roles)) ids[name] = await bind(engine, roleIds[name], nodeId);
  await commit(engine);
  return { ids, nodeId };
}
const boot = (nodeId: number, bootId: string, bootClass: BootClass = 'discovery') =>
  withTransaction(engine.db.pool, (tx) => recordBoot(tx, { nodeId, bootId, bootClass, bootenv: null, address: null }));
const settled = (...batch: Settlement[]) => settle(engine.db.pool, batch, 0);

describe('rule 16: the validity of what was done', () => {
  it('a new boot ends what is valid for one boot, and leaves the rest', async () => {
    const { ids, nodeId } = await deploy({ a: [], b: ['a'] }, { a: { validity: 'boot' } });
    await driveToEnd(engine.db);
    await boot(nodeId, 'another');
    expect(await stateOf(engine.db, ids.a)).toBe('TODO');
    expect(await nodeRole(engine.db, ids.b)).toMatchObject({ state: 'ACTIVE', pending_parents: 1 });
    expect((await start(engine.db, (await claim(engine.db.pool, 1))[0])).kind).toBe('run');
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('the same boot reported again ends nothing, and neither does an installer', async () => {
    const { ids, nodeId } = await deploy({ a: [] }, { a: { validity: 'boot' } });
    await boot(nodeId, 'first');
    await driveToEnd(engine.db);
    await boot(nodeId, 'first');
    await boot(nodeId, 'installing', 'installer');
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('a boot into another environment ends nothing of a role that does not run there', async () => {
    const { ids, nodeId } = await deploy({ a: [] }, { a: { validity: 'boot', runs_in: 'discovery' } });
    await driveToEnd(engine.db);
    await boot(nodeId, 'from-disk', 'installed');
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
    await boot(nodeId, 'pxe');
    expect(await stateOf(engine.db, ids.a)).toBe('TODO');
  });

  it('a success of the boot before does not count for this one', async () => {
    const { ids, nodeId } = await deploy({ a: [] }, { a: { validity: 'boot' } });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await boot(nodeId, 'while-it-ran');
    await settled(done(turn));
    expect(await stateOf(engine.db, ids.a)).toBe('TODO');
    expect((await start(engine.db, (await claim(engine.db.pool, 1))[0])).kind).toBe('run');
  });

  it('a run that waits for this very boot is not wanted once more by it', async () => {
    const { ids, nodeId } = await deploy({ a: [] }, { a: { validity: 'boot' } });
    const turn = (await claimAndBegin(engine.db)).get(ids.a)!;
    await settled({
      ...turn,
      outcome: { kind: 'wait', key: `boot:${nodeId}`, minGeneration: 1, deadlineSeconds: 60, keeps: 'node', survivesReboot: true, memo: {} },
    });
    await boot(nodeId, 'expected');
    const { rows } = await engine.db.pool.query<{ runId: number; dispatch: number; fence: number }>(
      'SELECT id AS "runId", dispatch, fence FROM runs WHERE id = $1',
      [turn.runId],
    );
    await settled(done(await begin(engine.db, rows[0])));
    expect(await stateOf(engine.db, ids.a)).toBe('ACTIVE');
  });

  it('what stands above a completed installation keeps its validity on the installed system', async () => {
    const { ids, nodeId } = await deploy({ bios: [], os: ['bios'] }, { bios: { validity: 'boot' }, os: { flags: ['destructive'] } });
    await driveToEnd(engine.db);
    await engine.db.pool.query(`INSERT INTO installs (node_id, node_role_id, bootenv, status) VALUES ($1, $2, 'debian-12', 'completed')`, [nodeId, ids.os]);
    await boot(nodeId, 'from-disk', 'installed');
    expect(await stateOf(engine.db, ids.bios)).toBe('ACTIVE');
  });

  it('an installation that succeeds again makes everything below it on the node run again, and nothing that is valid always', async () => {
    const { ids } = await deploy({ os: [], web: ['os'], page: ['web'], asset: ['os'] }, { os: { flags: ['destructive'] }, asset: { validity: 'always' } });
    await driveToEnd(engine.db);
    await engine.db.pool.query(`UPDATE node_roles SET want_gen = want_gen + 1 WHERE id = $1`, [ids.os]);
    await engine.db.pool.query(`SELECT emit_events(e.events) FROM (SELECT (adjust_children(ARRAY[$1::int], 1)).events) e`, [ids.os]);
    await engine.db.pool.query(`UPDATE node_roles SET state = 'TODO', version = version + 1 WHERE id = $1`, [ids.os]);
    await settled(done((await claimAndBegin(engine.db)).get(ids.os)!));
    expect(await Promise.all([ids.os, ids.web, ids.page, ids.asset].map((id) => stateOf(engine.db, id)))).toEqual(['ACTIVE', 'TODO', 'BLOCKED', 'ACTIVE']);
    await driveToEnd(engine.db);
    expect((await runsOf(engine.db, ids.page)).map((run) => run.outcome)).toEqual(['succeeded', 'succeeded']);
  });
});

describe('rule 15: the destructive latch', () => {
  it('what is installed is skipped, whatever its inputs are now, and nothing that stands on it runs again', async () => {
    const { ids, nodeId } = await deploy({ os: [], app: ['os'] }, { os: { flags: ['destructive'] } });
    await driveToEnd(engine.db);
    await engine.db.pool.query(`INSERT INTO installs (node_id, node_role_id, bootenv, status) VALUES ($1, $2, 'debian-12', 'completed')`, [nodeId, ids.os]);
    const { last_ok_hash: made } = await nodeRole(engine.db, ids.os);
    await moveNodeRole(engine.db.pool, ids.os, { kind: 'repropose' }, 'operator');
    await setNodeRoleData(engine.db, ids.os, { colour: 'red' }, 'test');
    await commit(engine);
    await driveToEnd(engine.db);
    expect((await runsOf(engine.db, ids.os)).map((run) => run.outcome)).toEqual(['succeeded', 'skipped']);
    expect(await runsOf(engine.db, ids.app)).toHaveLength(1);
    expect(await nodeRole(engine.db, ids.os)).toMatchObject({ state: 'ACTIVE', last_ok_hash: made });
  });
});

describe('rule 8: values that chase each other', () => {
  /** A hook that pokes the parent whenever it may, while the parent leaves another wall each time. */
  async function chase(parent: number, rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: Math.random() } }));
      if ((await stateOf(engine.db, parent)) !== 'ACTIVE') return;
      await withTransaction(engine.db.pool, async (tx) => {
        await tx.query(`SELECT set_config('prybar.cause_depth', '1', true)`);
        await tx.query('UPDATE node_roles SET force_run = true WHERE id = $1', [parent]);
        await moveNodeRoleIn(tx, parent, { kind: 'poke' }, 'a hook');
      });
    }
  }

  it('end in ERROR `unstable`, which names what keeps changing; a retry begins anew', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    await chase(ids.a, 40);
    const { rows } = await engine.db.pool.query(`SELECT error_code, error_message FROM node_roles WHERE state = 'ERROR' ORDER BY id LIMIT 1`);
    expect(rows[0]).toMatchObject({ error_code: 'unstable', error_message: expect.stringMatching(/^ran 21 times since .* with nothing changed from outside/) });
    // Each of the circle counted for itself, so each may have to be retried.
    for (const id of [ids.a, ids.b]) {
      if ((await stateOf(engine.db, id)) === 'ERROR') await moveNodeRole(engine.db.pool, id, { kind: 'retry' }, 'operator');
      await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: 1 } }));
    }
    expect(await Promise.all(Object.values(ids).map((id) => stateOf(engine.db, id)))).toEqual(['ACTIVE', 'ACTIVE']);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('are told from an operator who changes data as often', async () => {
    const { ids } = await deploy({ a: [], b: ['a'] });
    for (let round = 0; round < 30; round++) {
      await setNodeRoleData(engine.db, ids.a, { v: round }, 'test');
      await commit(engine);
      await driveToEnd(engine.db, () => ({ kind: 'done', wall: { v: Math.random() } }));
    }
    expect(await Promise.all(Object.values(ids).map((id) => stateOf(engine.db, id)))).toEqual(['ACTIVE', 'ACTIVE']);
    expect((await runsOf(engine.db, ids.b)).length).toBeGreaterThan(25);
  });
});
