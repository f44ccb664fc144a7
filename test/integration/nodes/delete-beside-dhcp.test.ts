/** The dhcp-database role and the deletion of a node want the same rows: two transactions at once, stopped where they meet. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { createNode } from '../../../src/nodes/store.js';
import { deleteNode, finishDeletions } from '../../../src/nodes/remove.js';
import { rewriteEntries } from '../../../src/roles/builtin/dhcp-database.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { machineMac, seedSystemDeployment } from './builders.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
  await seedSystemDeployment(db);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const waiters = async (): Promise<number> =>
  (await db.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
    .rows[0]?.n ?? 0;

// The role held the table and waited for the node (the entry refers to it), the deletion held the node and waited for the table.
it('a deletion beside the DHCP table’s rewriting waits, or comes back later; neither is ever broken off', async () => {
  const { nodeId } = await createNode(db, { name: 'n1', macs: [machineMac(1)] });
  const other = await createNode(db, { name: 'n2', macs: [machineMac(2)] });
  await db.pool.query('DELETE FROM dhcp_entries');
  const blocker = await db.pool.connect();
  try {
    // Stops the rewriting in the middle: the same MAC, inserted by somebody who does not commit.
    await blocker.query('BEGIN');
    await blocker.query(
      `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, applied_gen, revision, deleted) VALUES ($1, $2, 'x', 'local', 0, 0, true)`,
      [machineMac(1), other.nodeId],
    );
    const rewriting = withTransaction(db.pool, (tx) => rewriteEntries(tx, [nodeId]));
    await waitFor(async () => (await waiters()) === 1, { what: 'the rewriting to wait' });
    await deleteNode(db, nodeId, { actor: 'test' });
    const removing = finishDeletions(db);
    const isStuck = async () => (await waiters()) === 2;
    await waitFor(async () => (await isStuck()) || (await Promise.race([removing.then(() => true), isStuck().then(() => false)])), {
      what: 'the deletion to wait or to step aside',
    });
    await blocker.query('ROLLBACK');
    await expect(Promise.all([rewriting, removing])).resolves.toEqual([expect.any(Number), []]);
  } finally {
    blocker.release(true);
  }
  await withTransaction(db.pool, (tx) => rewriteEntries(tx, [nodeId]));
  await waitFor(async () => (await finishDeletions(db)).includes(nodeId), { what: 'the node to go' });
});
