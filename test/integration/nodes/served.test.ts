import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { createHookDispatcher, type HookDispatcher } from '../../../src/hooks/dispatch.js';
import { setDesiredBootenv } from '../../../src/nodes/boot.js';
import { deleteNode, finishDeletions } from '../../../src/nodes/remove.js';
import { evaluateServed, publishServed } from '../../../src/nodes/served.js';
import { createNode, updateNode } from '../../../src/nodes/store.js';
import { dhcpDatabaseHooks } from '../../../src/roles/builtin/dhcp-database.js';
import { createLogger } from '../../../src/shared/logger.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { eventsOf, machineMac, seedSystemDeployment } from './builders.js';

const SERVER = 'b6b9f7f6-40b5-4a7b-9f0e-7a8f4c9a0001';

let database: TestDatabase;
let db: Db;
let hooks: HookDispatcher;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await seedSystemDeployment(db);
  hooks = createHookDispatcher(db, { roles: new Map([['dhcp-database', dhcpDatabaseHooks]]), log: createLogger('test', 'silent') });
});
afterEach(async () => {
  await hooks.close();
  await db.close();
});

const register = async (number: number) =>
  (await createNode(db, { name: `n${number}.example.net`, macs: [machineMac(number, 0), machineMac(number, 1)] })).nodeId;
const want = (nodeId: number, bootenv: string) => withTransaction(db.pool, (tx) => setDesiredBootenv(tx, { nodeId, bootenv, reason: 'test' }));
const revision = async () => (await db.pool.query<{ revision: number }>('SELECT revision FROM dhcp_table')).rows[0].revision;
const entries = async () =>
  (await db.pool.query('SELECT mac, node_id, hostname, bootenv, boot_local, applied_gen, revision, deleted FROM dhcp_entries ORDER BY mac')).rows;
const serve = (served: number) =>
  db.pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until) VALUES ($1, 'dhcp', 'boot1', '{}', 'serving', $2, clock_timestamp() + interval '1 minute')
     ON CONFLICT (id) DO UPDATE SET served_revision = EXCLUDED.served_revision, lease_until = EXCLUDED.lease_until`,
    [SERVER, served],
  );
const servedFact = async (nodeId: number) =>
  (await db.pool.query<{ generation: number }>('SELECT generation FROM facts WHERE key = $1', [`served:${nodeId}`])).rows[0]?.generation;

/** A run that waits until the generation is served. */
async function waitingRun(nodeId: number, generation: number): Promise<number> {
  await db.pool.query(`INSERT INTO roles (name, barclamp, jig) VALUES ('r', 'test', 'noop') ON CONFLICT DO NOTHING`);
  const role = (await db.pool.query<{ id: number }>(`SELECT id FROM roles WHERE name = 'r'`)).rows[0].id;
  const nr = await db.pool.query<{ id: number }>(
    'INSERT INTO node_roles (deployment_id, role_id, node_id) SELECT deployment_id, $1, id FROM nodes WHERE id = $2 RETURNING id',
    [role, nodeId],
  );
  const run = await db.pool.query<{ id: number }>(
    `INSERT INTO runs (node_role_id, node_id, role_id, jig, exclusive_key, status, holds_slot) VALUES ($1, $2::int, $3, 'noop', ($2::int)::text, 'WAITING', true) RETURNING id`,
    [nr.rows[0].id, nodeId, role],
  );
  await db.pool.query(`INSERT INTO waits (run_id, key, min_generation, deadline, keeps) VALUES ($1, $2, $3, clock_timestamp() + interval '1 hour', 'node')`, [
    run.rows[0].id,
    `served:${nodeId}`,
    generation,
  ]);
  return run.rows[0].id;
}
const statusOf = async (run: number) => (await db.pool.query('SELECT status, wake_reason FROM runs WHERE id = $1', [run])).rows[0];

describe('a change of what a node boots', () => {
  it('is in the DHCP table with its own commit; the hook then writes nothing', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await want(nodeId, 'local');
    const written = await entries();
    expect(written).toMatchObject([{ bootenv: 'local', boot_local: true, applied_gen: 2, revision: 2 }, { revision: 2 }]);
    await hooks.drain();
    expect(await revision()).toBe(2);
    expect(await entries()).toEqual(written);
  });

  it('is in neither when the transaction is rolled back', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    const before = await entries();
    const broken = withTransaction(db.pool, async (tx) => {
      await setDesiredBootenv(tx, { nodeId, bootenv: 'local', reason: 'test' });
      expect((await tx.query('SELECT 1 FROM dhcp_entries WHERE applied_gen = 2')).rowCount).toBe(2);
      throw new Error('changed my mind');
    });
    await expect(broken).rejects.toThrow('changed my mind');
    expect(await entries()).toEqual(before);
    expect(await revision()).toBe(1);
    expect((await db.pool.query('SELECT bootenv, desired_gen FROM nodes WHERE id = $1', [nodeId])).rows).toEqual([{ bootenv: 'discovery', desired_gen: 1 }]);
  });

  it('is served only when the servers have confirmed its revision (engine-rules 6)', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await serve(1);
    await want(nodeId, 'local');
    expect(await evaluateServed(db.pool, nodeId)).toMatchObject({
      served: false,
      generation: 2,
      waitingFor: ['the dhcp server on boot1 serves revision 1 of 2'],
    });
    await serve(2);
    expect(await evaluateServed(db.pool, nodeId)).toMatchObject({ served: true, generation: 2, bootenv: 'local' });
  });

  it('made many at a time leaves revisions in the order of their commits, and nothing for the hook', async () => {
    const nodeIds = [await register(1), await register(2), await register(3), await register(4)];
    await hooks.drain();
    const before = await revision();
    await Promise.all(nodeIds.flatMap((nodeId) => [want(nodeId, 'local'), updateNode(db, nodeId, { dhcpOptions: { 'root-path': '/srv' } })]));
    expect(await revision()).toBe(before + 8);
    await hooks.drain();
    expect(await revision()).toBe(before + 8);
    expect((await db.pool.query(`SELECT 1 FROM dhcp_entries WHERE applied_gen = 2 AND options = '{"root-path": "/srv"}'`)).rowCount).toBe(8);
  });

  it('of its DHCP options is in the table with the commit too; what DHCP does not show leaves the table alone', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await updateNode(db, nodeId, { dhcpOptions: { 'root-path': '/srv/n1' } });
    expect((await db.pool.query('SELECT DISTINCT options, revision FROM dhcp_entries')).rows).toEqual([{ options: { 'root-path': '/srv/n1' }, revision: 2 }]);
    await updateNode(db, nodeId, { description: 'third from the left' });
    await hooks.drain();
    expect(await revision()).toBe(2);
  });
});

describe('dhcp-database', () => {
  it('makes an entry for each NIC of a new node and rewrites them when its bootenv changes', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    expect(await entries()).toMatchObject([
      { mac: machineMac(1, 0), node_id: nodeId, hostname: 'n1', bootenv: 'discovery', boot_local: false, applied_gen: 1, revision: 1 },
      { mac: machineMac(1, 1), revision: 1 },
    ]);
    await want(nodeId, 'local');
    await hooks.drain();
    expect(await entries()).toMatchObject([{ bootenv: 'local', boot_local: true, applied_gen: 2, revision: 2 }, { revision: 2 }]);
  });

  it("carries a node's own DHCP options, and raises the revision when they change", async () => {
    const id = await register(1);
    await hooks.drain();
    const before = await revision();
    await updateNode(db, id, { dhcpOptions: { 'root-path': '/srv', 'interface-mtu': 9000 } });
    await hooks.drain();
    const { rows } = await db.pool.query('SELECT DISTINCT options FROM dhcp_entries');
    expect([rows, await revision()]).toEqual([[{ options: { 'root-path': '/srv', 'interface-mtu': 9000 } }], before + 1]);
    expect(await updateNode(db, id, { dhcpOptions: { 'interface-mtu': 9000, 'root-path': '/srv' } })).toEqual([]);
  });

  it('puts many nodes into one revision and leaves rows alone that are right', async () => {
    const nodeIds = [];
    for (let i = 1; i <= 10; i += 1) nodeIds.push(await register(i));
    await hooks.drain();
    expect(await revision()).toBe(1);
    await want(nodeIds[3], 'debian-12');
    await hooks.drain();
    expect((await entries()).filter((entry) => entry.revision === 2)).toHaveLength(2);
    await db.pool.query(`UPDATE outbox_consumers SET pos = 0 WHERE name = 'hooks'`);
    await hooks.drain();
    expect(await revision()).toBe(2);
  });
});

describe('an admin node in ERROR', () => {
  it('race 8: keeps no entry from being written', async () => {
    const nodeId = await register(1);
    await db.pool.query(`INSERT INTO roles (name, barclamp, jig) VALUES ('dhcp-database', 'test', 'noop') ON CONFLICT DO NOTHING`);
    await db.pool.query(
      `INSERT INTO node_roles (deployment_id, role_id, node_id, state, committed, error_code)
       SELECT n.deployment_id, ro.id, n.id, 'ERROR', true, 'told' FROM nodes n, roles ro WHERE n.id = $1 AND ro.name = 'dhcp-database'`,
      [nodeId],
    );
    await want(nodeId, 'debian-12');
    await hooks.drain();
    expect((await entries()).map((entry) => entry.bootenv)).toEqual(['debian-12', 'debian-12']);
  });
});

describe('rule 6: served', () => {
  it('says step by step what is missing, and wakes the run that waits when nothing is', async () => {
    const nodeId = await register(1);
    expect((await evaluateServed(db.pool, nodeId)).waitingFor.join()).toContain('no entry for');
    const { generation } = await want(nodeId, 'debian-12');
    const run = await waitingRun(nodeId, generation);
    expect((await evaluateServed(db.pool, nodeId)).waitingFor).toEqual(['no DHCP server serves the network of the node']);
    await serve(0);
    expect((await evaluateServed(db.pool, nodeId)).waitingFor).toEqual(['the dhcp server on boot1 serves revision 0 of 1']);
    expect(await publishServed(db)).toBe(0);
    expect(await statusOf(run)).toEqual({ status: 'WAITING', wake_reason: null });
    await serve(1);
    expect(await evaluateServed(db.pool, nodeId)).toEqual({ served: true, generation, bootenv: 'debian-12', waitingFor: [] });
    expect(await publishServed(db)).toBe(1);
    expect(await statusOf(run)).toEqual({ status: 'WAKING', wake_reason: 'fact' });
    expect(await servedFact(nodeId)).toBe(generation);
    expect(await publishServed(db)).toBe(0);
  });

  it('race 6, race 12: does not count a revision that an entry of an older generation reached', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await serve(1);
    expect((await evaluateServed(db.pool, nodeId)).served).toBe(true);
    // As the functions of the engine that park a node: its entries follow by the hook.
    await db.pool.query(`UPDATE nodes SET bootenv = 'maintenance', desired_gen = 2 WHERE id = $1`, [nodeId]);
    const run = await waitingRun(nodeId, 2);
    await serve(99);
    await publishServed(db);
    expect(await statusOf(run)).toMatchObject({ status: 'WAITING' });
  });

  it('does not wait for a server whose lease is over, nor take it for one that answers', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await serve(1);
    await db.pool.query(`UPDATE boot_servers SET lease_until = clock_timestamp() - interval '1 second'`);
    expect((await evaluateServed(db.pool, nodeId)).waitingFor).toEqual(['no DHCP server serves the network of the node']);
  });
});

describe('deleting a node (engine-rules 25)', () => {
  it('withdraws its entries first and removes it when the servers have confirmed', async () => {
    const nodeId = await register(1);
    await hooks.drain();
    await serve(1);
    await deleteNode(db, nodeId, { actor: 'test' });
    expect(await finishDeletions(db)).toEqual([]);
    await hooks.drain();
    expect((await entries()).map((entry) => entry.deleted)).toEqual([true, true]);
    expect(await finishDeletions(db)).toEqual([]);
    await serve(2);
    expect(await finishDeletions(db)).toEqual([nodeId]);
    expect((await db.pool.query('SELECT 1 FROM nodes')).rowCount).toBe(0);
    expect((await eventsOf(db, 'node-deleted')).map((event) => event.data.macs)).toEqual([[machineMac(1, 0), machineMac(1, 1)]]);
    await hooks.drain();
    await register(1);
    await hooks.drain();
    expect((await entries()).map((entry) => entry.deleted)).toEqual([false, false]);
  });
});
