import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { createDeployment, deleteDeployment } from '../../../src/deployments/verbs.js';
import { nodeChanged } from '../../../src/events/events.js';
import { writeEvents } from '../../../src/events/outbox.js';
import { readEvents } from '../../../src/events/read.js';
import { sequence } from '../../../src/events/sequencer.js';
import { createHookDispatcher } from '../../../src/hooks/dispatch.js';
import { allOk, HOOK_NAMES, type HookItem, type HookName, type RoleHooks } from '../../../src/hooks/hooks.js';
import { ensureNetwork, RACK_NETWORK, reserveAddress } from '../../../src/networks/store.js';
import { setDesiredBootenv } from '../../../src/nodes/boot.js';
import { deleteNode, finishDeletions } from '../../../src/nodes/remove.js';
import { createNode, updateNode } from '../../../src/nodes/store.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { seedSystemDeployment } from '../nodes/builders.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});
beforeEach(async () => {
  await db.pool.query('TRUNCATE deployments, roles, networks, hook_deliveries, outbox_batches, outbox_events, outbox_consumers RESTART IDENTITY CASCADE');
  await seedSystemDeployment(db);
});

type Call = [hook: string, items: Pick<HookItem, 'subjectType' | 'subjectId' | 'changed' | 'data'>[]];
/** A role that hears everything; answers what it was told, in order. */
async function tellOne(names: readonly HookName[] = HOOK_NAMES): Promise<Call[]> {
  const calls: Call[] = [];
  const hooks: RoleHooks = Object.fromEntries(names.map((name) => [name, (items: HookItem[]) => (calls.push([name, items]), Promise.resolve(allOk(items)))]));
  const dispatcher = createHookDispatcher(db, { roles: new Map([['listener', hooks]]), log: createLogger('test', 'silent') });
  await dispatcher.drain();
  await dispatcher.close();
  return calls;
}
const told = (calls: Call[]) => calls.map(([hook, items]) => `${hook} ${items.map((item) => `${item.subjectType} ${item.subjectId}`).join(',')}`);

describe('what roles are told', () => {
  it('rule 19: of an address that becomes a machine its own, and of one that is given back with its node', async () => {
    const { networkId } = await ensureNetwork(db, RACK_NETWORK);
    const { nodeId } = await createNode(db, { name: 'n1', macs: ['52:54:00:00:00:01'] });
    const address = await reserveAddress(db, { networkId, range: 'dhcp', mac: '52:54:00:00:00:01', nodeId });
    await reserveAddress(db, { networkId, range: 'dhcp', mac: '52:54:00:00:00:01', nodeId });
    const first = await tellOne();
    expect(told(first)).toEqual(['onNetworkCreate network 1', `onNodeCreate node ${nodeId}`, 'onAllocationCreate allocation 1']);
    expect(first[2]?.[1][0]?.data).toEqual({ change: 'created', address, mac: '52:54:00:00:00:01', network_id: networkId, node_id: nodeId });
    await deleteNode(db, nodeId, { actor: 'test' });
    await finishDeletions(db);
    expect(told(await tellOne())).toEqual(expect.arrayContaining(['onAllocationDelete allocation 1', `onNodeDelete node ${nodeId}`]));
  });

  it('rule 19: of a deployment that comes and goes, and of the nodes that move to its parent with it', async () => {
    const { id } = await createDeployment(db, { name: 'd', actor: 'test' });
    const { nodeId } = await createNode(db, { name: 'n1', macs: ['52:54:00:00:00:01'] });
    await updateNode(db, nodeId, { deploymentId: id });
    expect(told(await tellOne(['onDeploymentCreate', 'onNodeMove']))).toEqual([`onDeploymentCreate deployment ${id}`, `onNodeMove node ${nodeId}`]);
    await deleteDeployment(db, id, 'test');
    expect(told(await tellOne(['onDeploymentDelete', 'onNodeMove']))).toEqual([`onNodeMove node ${nodeId}`, `onDeploymentDelete deployment ${id}`]);
  });

  it('rule 19: of a milestone, whichever role reached it; of other noderoles only their own role', async () => {
    await db.pool.query(
      `INSERT INTO roles (name, barclamp, jig, flags) VALUES ('listener', 'b', 'noop', '{}'), ('ready', 'b', 'noop', '{milestone}'), ('other', 'b', 'noop', '{}')`,
    );
    const ids = new Map((await db.pool.query<{ id: number; name: string }>('SELECT id, name FROM roles')).rows.map((row) => [row.name, row.id]));
    const active = (subjectId: number, role: string) => ({
      kind: 'noderole-changed' as const,
      subjectType: 'noderole' as const,
      subjectId,
      version: 2,
      data: { from: 'TRANSITION', to: 'ACTIVE', node_id: 1, role_id: ids.get(role) ?? 0, deployment_id: 1 },
    });
    await withTransaction(db.pool, (tx) => writeEvents(tx, [active(11, 'listener'), active(12, 'ready'), active(13, 'other')]));
    expect(told(await tellOne())).toEqual(['onActive noderole 11', 'onMilestone noderole 12']);
  });

  it('rule 19: nothing, when a write changes nothing', async () => {
    const { nodeId } = await createNode(db, { name: 'n1', macs: ['52:54:00:00:00:01'] });
    await updateNode(db, nodeId, { description: 'x', hint: { a: 1, b: 2 } });
    const wish = { nodeId, bootenv: 'maintenance', reason: 'test' };
    await withTransaction(db.pool, (tx) => setDesiredBootenv(tx, wish));
    await sequence(db.pool);
    const { lastPos } = await readEvents(db.pool, 0, 1000);
    expect(await updateNode(db, nodeId, { description: 'x', available: true, hint: { b: 2, a: 1 } })).toEqual([]);
    await withTransaction(db.pool, (tx) => setDesiredBootenv(tx, wish));
    await ensureNetwork(db, RACK_NETWORK);
    await ensureNetwork(db, RACK_NETWORK);
    await sequence(db.pool);
    expect((await readEvents(db.pool, lastPos, 1000)).events.map((event) => event.kind)).toEqual(['network-changed']);
  });

  it('rule 19: roles in cohort order for one event, and one that fails backs off by itself', async () => {
    await db.pool.query(
      `INSERT INTO roles (name, barclamp, jig, cohort) VALUES ('third', 'b', 'noop', 3), ('first', 'b', 'noop', 1), ('second', 'b', 'noop', 2)`,
    );
    const order: string[] = [];
    const hook = (name: string): RoleHooks => ({
      onNodeChange: (items) => {
        order.push(name);
        return name === 'second' ? Promise.reject(new Error('not now')) : Promise.resolve(allOk(items));
      },
    });
    await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(1, 2, ['alive'])]));
    const dispatcher = createHookDispatcher(db, {
      roles: new Map(['third', 'second', 'first'].map((name) => [name, hook(name)])),
      log: createLogger('test', 'silent'),
      backoffMs: () => 60_000,
    });
    await dispatcher.drain();
    await dispatcher.close();
    expect(order).toEqual(['first', 'second', 'third']);
    const { rows } = await db.pool.query<{ role: string; attempts: number; waits: boolean }>(
      'SELECT role, attempts, not_before > clock_timestamp() AS waits FROM hook_deliveries',
    );
    expect(rows).toEqual([{ role: 'second', attempts: 1, waits: true }]);
  });

  it('rule 19: an older event put together with a newer one keeps the newer version and its data', async () => {
    await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(1, 9, ['nics'])]));
    await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(1, 8, ['bootenv'])]));
    const calls = await tellOne(['onNodeChange']);
    expect(calls).toMatchObject([['onNodeChange', [{ subjectId: 1, version: 9, changed: ['bootenv', 'nics'], data: { changed: ['nics'] } }]]]);
  });
});
