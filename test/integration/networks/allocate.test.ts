import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { ensureSystem } from '../../../src/deployments/system.js';
import { planAddresses, type Wanting } from '../../../src/networks/plan.js';
import { allocateNodes } from '../../../src/nodes/allocate.js';
import { createNode } from '../../../src/nodes/store.js';
import { parseBarclamp } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { eventsOf } from '../nodes/builders.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await importBarclamps(db.pool, [
    parseBarclamp('barclamp: { name: crowbar }\nroles: [{ name: dhcp-database, jig: noop, flags: [bootstrap, service] }]', 'test'),
  ]);
  await ensureSystem(db);
});
afterEach(async () => {
  await db.close();
});

async function network(
  name: string,
  subnet: string,
  range: [string, string] | null,
  more: { category?: string; suffix?: string; conduit?: string; group?: string } = {},
) {
  const { rows } = await db.pool.query<{ id: number }>(
    `INSERT INTO networks (name, subnet, category, suffix, conduit, group_name) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
    [name, subnet, more.category ?? name, more.suffix ?? null, more.conduit ?? null, more.group ?? 'default'],
  );
  const id = rows[0]?.id ?? 0;
  if (range !== null)
    await db.pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES ($1, 'host', $2, $3)`, [id, ...range]);
  return id;
}

const addressesOf = async (nodeId: number) =>
  (
    await db.pool.query<{ name: string; address: string; mac: string | null }>(
      'SELECT n.name, r.address, r.mac FROM reservations r JOIN networks n ON n.id = r.network_id WHERE r.node_id = $1 ORDER BY n.id',
      [nodeId],
    )
  ).rows;

describe('addresses of nodes', () => {
  it('are given with the node, on each network that has a range for hosts, the same host part where it is free', async () => {
    await network('admin', '10.100.1.0/24', ['10.100.1.20', '10.100.1.200']);
    await network('vm', '172.20.1.0/24', ['172.20.1.10', '172.20.1.200'], { suffix: 'vm', conduit: 'eth1' });
    await network('pool-only', '10.9.0.0/24', null);
    await network('oob', '10.8.0.0/24', ['10.8.0.1', '10.8.0.200'], { category: 'bmc' });
    const { nodeId } = await createNode(db, { name: 'ctrl{n}', macs: ['52:54:00:00:00:01'] });
    expect(await addressesOf(nodeId)).toEqual([
      { name: 'admin', address: '10.100.1.20', mac: '52:54:00:00:00:01' },
      { name: 'vm', address: '172.20.1.20', mac: null },
    ]);
    const second = await createNode(db, { name: 'ctrl{n}', macs: ['52:54:00:00:00:02'] });
    expect((await addressesOf(second.nodeId)).map((row) => row.address)).toEqual(['10.100.1.21', '172.20.1.21']);
    const { rows } = await db.pool.query('SELECT name FROM nodes WHERE kind = $1 ORDER BY id', ['machine']);
    expect(rows).toEqual([{ name: 'ctrl1' }, { name: 'ctrl2' }]);
    expect(await eventsOf(db, 'allocation-changed')).toHaveLength(4);
  });

  it('are as many as nodes that come at once, none twice; when the range is full the node is made and an alarm raised', async () => {
    await network('admin', '10.0.0.0/24', ['10.0.0.1', '10.0.0.10']);
    const nodes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => createNode(db, { name: 'n{n}', macs: [`52:54:00:00:01:${String(index).padStart(2, '0')}`] })),
    );
    const given = (await Promise.all(nodes.map((node) => addressesOf(node.nodeId)))).flat().map((row) => row.address);
    expect(new Set(given).size).toBe(10);
    expect(given).toHaveLength(10);
    expect(await eventsOf(db, 'alarm')).toHaveLength(2);
  });

  it('a deployment’s network is for its nodes alone, and an earlier reservation of the MAC becomes the node’s', async () => {
    const id = await network('tenant', '10.0.0.0/24', ['10.0.0.1', '10.0.0.10'], { category: 'admin' });
    const { rows } = await db.pool.query<{ id: number }>(
      `INSERT INTO deployments (name, parent_id) SELECT 'tenant', id FROM deployments WHERE system RETURNING id`,
    );
    await db.pool.query('UPDATE networks SET deployment_id = $1', [rows[0]?.id]);
    await db.pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES ($1, '10.0.0.9', '52:54:00:00:00:09')`, [id]);
    const other = await createNode(db, { name: 'other', macs: ['52:54:00:00:00:08'] });
    const own = await createNode(db, { name: 'own', macs: ['52:54:00:00:00:09'], deploymentId: rows[0]?.id ?? 0 });
    expect(await addressesOf(other.nodeId)).toEqual([]);
    expect(await addressesOf(own.nodeId)).toEqual([{ name: 'tenant', address: '10.0.0.9', mac: '52:54:00:00:00:09' }]);
  });

  it('10,000 nodes in one call, each with one of its own', async () => {
    await network('admin', '10.0.0.0/16', ['10.0.0.1', '10.0.255.254']);
    const { rows } = await db.pool.query<{ ids: number[] }>(
      `WITH made AS (INSERT INTO nodes (name, deployment_id) SELECT 'm' || n, d.id FROM generate_series(1, 10000) n, deployments d WHERE d.system RETURNING id) SELECT array_agg(id) AS ids FROM made`,
    );
    const events = await withTransaction(db.pool, (tx) => allocateNodes(tx, rows[0]?.ids ?? []));
    expect(events).toHaveLength(10_000);
    const { rows: counted } = await db.pool.query('SELECT count(DISTINCT address)::int AS n FROM reservations');
    expect(counted).toEqual([{ n: 10_000 }]);
  });

  it('are what the pure plan says, whatever is taken, hinted and held elsewhere', async () => {
    const admin = await network('admin', '10.1.0.0/24', null, { category: 'admin' });
    const target = await network('data', '10.2.0.0/24', ['10.2.0.1', '10.2.0.8']);
    const host = fc.integer({ min: 1, max: 10 });
    const scenario = fc.record({
      nodes: fc.array(fc.record({ hint: fc.option(host), admin: fc.option(host) }), { minLength: 1, maxLength: 10 }),
      taken: fc.uniqueArray(host, { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ nodes, taken }) => {
        await db.pool.query('TRUNCATE reservations; DELETE FROM nodes WHERE kind = $$machine$$');
        const wanting: Wanting[] = [];
        const adminTaken = new Set<number>();
        for (const [index, node] of nodes.entries()) {
          const { rows } = await db.pool.query<{ id: number }>(
            `INSERT INTO nodes (name, deployment_id, hint) SELECT $1, id, $2 FROM deployments WHERE system RETURNING id`,
            [`n${index}`, JSON.stringify(node.hint === null ? {} : { addresses: { data: `10.2.0.${node.hint}` } })],
          );
          const nodeId = rows[0]?.id ?? 0;
          const held = node.admin !== null && !adminTaken.has(node.admin) ? node.admin : null;
          if (held !== null) {
            adminTaken.add(held);
            await db.pool.query('INSERT INTO reservations (network_id, address, node_id) VALUES ($1, $2, $3)', [admin, `10.1.0.${held}`, nodeId]);
          }
          wanting.push({
            nodeId,
            hint: node.hint === null ? null : `10.2.0.${node.hint}`,
            admin: held === null ? null : { address: `10.1.0.${held}`, subnet: '10.1.0.0/24' },
          });
        }
        for (const one of taken)
          await db.pool.query('INSERT INTO reservations (network_id, address, hostname) VALUES ($1, $2, $3)', [target, `10.2.0.${one}`, `t${one}`]);
        await withTransaction(db.pool, (tx) =>
          allocateNodes(
            tx,
            wanting.map((node) => node.nodeId),
          ),
        );
        const { rows } = await db.pool.query<{ node_id: number; address: string }>(
          'SELECT node_id, address FROM reservations WHERE network_id = $1 AND node_id IS NOT NULL',
          [target],
        );
        const planned = planAddresses(
          { subnet: '10.2.0.0/24', first: '10.2.0.1', last: '10.2.0.8' },
          wanting,
          taken.map((one) => `10.2.0.${one}`),
        );
        expect(new Map(rows.map((row) => [row.node_id, row.address]))).toEqual(new Map([...planned].filter((each) => each[1] !== null)));
      }),
      { numRuns: 25 },
    );
  });
});
