/** The DHCP table's rule in SQL against the pure one: whatever happens to nodes, NICs and rows, both want the same. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { rewriteEntries } from '../../../src/roles/builtin/dhcp-database.js';
import { planEntries, type NodeNic, type StoredEntry } from '../../../src/roles/builtin/dhcp-entries.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { seedSystemDeployment } from '../nodes/builders.js';

const NODES = [1, 2, 3];
const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03', '52:54:00:00:00:04'];

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
  await seedSystemDeployment(db);
  await db.pool.query(`INSERT INTO nodes (id, name, deployment_id) SELECT n, 'n' || n, (SELECT id FROM deployments WHERE system) FROM unnest($1::int[]) AS n`, [
    NODES,
  ]);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const ENTRY = `mac, node_id AS "nodeId", hostname, bootenv, boot_local AS "bootLocal", applied_gen AS "appliedGen", options::text AS options`;
const readStored = async () => (await db.pool.query<StoredEntry>(`SELECT ${ENTRY}, deleted FROM dhcp_entries ORDER BY mac`)).rows;
const readRevisions = async () =>
  new Map((await db.pool.query<{ mac: string; revision: number }>('SELECT mac, revision FROM dhcp_entries')).rows.map((row) => [row.mac, row.revision]));
const readNics = async (nodeIds: readonly number[]) =>
  (
    await db.pool.query<NodeNic>(
      `SELECT n.id AS "nodeId", n.name, n.bootenv, n.desired_gen AS "desiredGen", c.mac, n.dhcp_options::text AS options
         FROM nodes n JOIN nics c ON c.node_id = n.id WHERE n.id = ANY($1) AND NOT n.deleting`,
      [nodeIds],
    )
  ).rows;

const step = fc.oneof(
  fc.record({ sql: fc.constant('UPDATE nodes SET bootenv = $2, desired_gen = desired_gen + 1 WHERE id = $1'), to: fc.constantFrom('local', 'discovery') }),
  fc.record({ sql: fc.constant('UPDATE nodes SET name = $2::text || id WHERE id = $1'), to: fc.constantFrom('n', 'web.example.net.', 'web.other.net.') }),
  fc.record({
    sql: fc.constant('UPDATE nodes SET dhcp_options = $2::jsonb WHERE id = $1'),
    to: fc.constantFrom('{}', '{"b": 1, "a": "x"}', '{"a": "x", "b": 1}'),
  }),
  fc.record({ sql: fc.constant('UPDATE nodes SET deleting = $2::boolean WHERE id = $1'), to: fc.constantFrom('true', 'false') }),
  fc.record({
    sql: fc.constant('INSERT INTO nics (node_id, mac) VALUES ($1, $2) ON CONFLICT (mac) DO UPDATE SET node_id = EXCLUDED.node_id'),
    to: fc.constantFrom(...MACS),
  }),
  fc.record({ sql: fc.constant('DELETE FROM nics WHERE node_id <> $1 AND mac = $2'), to: fc.constantFrom(...MACS) }),
);

it('writes and withdraws what the pure rule says, as the next revision, and nothing else', async () => {
  const round = fc.record({
    steps: fc.array(fc.record({ node: fc.constantFrom(...NODES), step }), { maxLength: 6 }),
    asked: fc.uniqueArray(fc.constantFrom(...NODES, 77), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      for (const { steps, asked } of rounds) {
        for (const { node, step: change } of steps) await db.pool.query(change.sql, [node, change.to]);
        const [stored, nics, revisions] = [await readStored(), await readNics(asked), await readRevisions()];
        const macs = new Set(nics.map((nic) => nic.mac));
        const plan = planEntries(
          nics,
          stored.filter((entry) => asked.includes(entry.nodeId) || macs.has(entry.mac)),
        );
        const changed = new Map(plan.write.map((entry) => [entry.mac, entry]));
        const before = (await db.pool.query<{ revision: number }>('SELECT revision FROM dhcp_table')).rows[0].revision;
        const revision = await withTransaction(db.pool, (tx) => rewriteEntries(tx, asked));
        expect(revision).toBe(plan.write.length + plan.withdraw.length === 0 ? null : before + 1);
        const expected = new Map(stored.map((entry) => [entry.mac, plan.withdraw.includes(entry.mac) ? { ...entry, deleted: true } : entry]));
        for (const entry of changed.values()) expected.set(entry.mac, { ...entry, deleted: false });
        expect(await readStored()).toEqual([...expected.values()].sort((a, b) => (a.mac < b.mac ? -1 : 1)));
        for (const mac of [...plan.withdraw, ...changed.keys()]) revisions.set(mac, before + 1);
        expect(await readRevisions()).toEqual(revisions);
      }
    }),
    { numRuns: 40 },
  );
});

it('takes thousands of nodes as one revision, in a table that was never analysed', async () => {
  await db.pool.query(
    `INSERT INTO nodes (id, name, deployment_id) SELECT n, 'm' || n, (SELECT id FROM deployments WHERE system) FROM generate_series(1000, 5999) n`,
  );
  await db.pool.query(
    `INSERT INTO nics (node_id, mac) SELECT n, 'aa:00:00:00:' || lpad(to_hex(n / 256), 2, '0') || ':' || lpad(to_hex(n % 256), 2, '0') FROM generate_series(1000, 5999) n`,
  );
  const ids = Array.from({ length: 5_000 }, (_, index) => index + 1000);
  const startedAt = performance.now();
  const revision = await withTransaction(db.pool, (tx) => rewriteEntries(tx, ids));
  expect((await db.pool.query('SELECT 1 FROM dhcp_entries WHERE revision = $1', [revision])).rowCount).toBe(5_000);
  expect(await withTransaction(db.pool, (tx) => rewriteEntries(tx, ids))).toBeNull();
  // Far above what it takes (0.3 s), far below a loop of each with each.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
