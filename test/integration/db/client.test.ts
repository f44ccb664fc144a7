import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { isPassing } from '../../../src/db/passing.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase({ from: 'empty' });
  db = openDb({ url: database.url, applicationName: 'client-test' });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

// PostgreSQL was restarted while annealers were in a transaction, between two statements: the client's 'error' had no
// listener, because a pool listens to idle clients only, and both annealers ended.
it('a connection that is cut between two statements of a transaction fails that transaction, and the process lives', async () => {
  const failed = await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const cut = new Promise<void>((resolve) => void tx.once('end', resolve));
    await db.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await cut;
    await tx.query('SELECT 1');
  }).then(
    () => null,
    (error: unknown) => error,
  );
  expect(isPassing(failed)).toBe(true);
  expect((await db.pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});
