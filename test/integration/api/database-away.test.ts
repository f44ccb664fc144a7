/** The API while its PostgreSQL is being killed: "ask again" with a time, never "something went wrong inside". */
import { expect, it } from '@jest/globals';
import { openDb } from '../../../src/db/client.js';
import { layWire } from '../../support/cut-off.js';
import { createTestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { API, startApi } from './api-fixture.js';

it('answers 503 with Retry-After while the database is away, and as before when it is back', async () => {
  const database = await createTestDatabase();
  const wire = await layWire(database.url);
  const db = openDb({ url: wire.url, applicationName: 'away-test' });
  const observer = openDb({ url: database.url, applicationName: 'observer' });
  const own = await startApi({ db });
  try {
    const { rows } = await own.db.pool.query<{ name: string; sha256: string; scope: string }>('SELECT name, sha256, scope FROM api_tokens');
    for (const row of rows) await db.pool.query('INSERT INTO api_tokens (name, sha256, scope) VALUES ($1, $2, $3)', [row.name, row.sha256, row.scope]);
    await own.as('admin').get(`${API}/nodes`).expect(200);

    // In the middle of a request: the server ends the connection that serves it, as a fast shutdown does (57P01).
    const holder = await observer.pool.connect();
    await holder.query('BEGIN; LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE');
    const hanging = own.as('admin').get(`${API}/nodes`);
    const answer = hanging.then((res) => res);
    await waitFor(
      async () => {
        const ended = await observer.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return (ended.rowCount ?? 0) > 0;
      },
      { what: 'the request to wait for the lock' },
    );
    await holder.query('ROLLBACK');
    holder.release();
    expect([(await answer).status, (await answer).body.code]).toEqual([503, 'database-away']);

    await wire.cut();
    for (const ask of [() => own.as('admin').get(`${API}/nodes`), () => own.as('admin').post(`${API}/nodes`).send({ name: 'late' })]) {
      const refused = await ask();
      expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'database-away', '2']);
    }
    await wire.mend();
    await own.as('admin').get(`${API}/nodes`).expect(200);
  } finally {
    await own.close();
    await db.close();
    await observer.close();
    await wire.cut();
    await database.drop();
  }
});
