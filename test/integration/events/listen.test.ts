import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { nodeChanged } from '../../../src/events/events.js';
import { listen } from '../../../src/events/listen.js';
import { EVENTS_CHANNEL, notify, writeEvents } from '../../../src/events/outbox.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';

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

describe('rule 23: hints', () => {
  it('no function of the engine notifies: a NOTIFY at commit serialises every commit of the cluster', () => {
    const notifying = readdirSync('prisma/functions').filter((file) =>
      /\bpg_notify\s*\(|^\s*NOTIFY\b/im.test(readFileSync(`prisma/functions/${file}`, 'utf8').replace(/--.*$/gm, '')),
    );
    expect(notifying).toEqual([]);
  });

  it('a transaction that writes events notifies nobody; many hints after it are one, and empty', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const heard: (string | undefined)[] = [];
    client.on('notification', (message) => heard.push(message.payload));
    await client.query(`LISTEN ${EVENTS_CHANNEL}`);
    await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(1, 1, ['alive'])]));
    // What was sent before this answer has come by the time it is here.
    await client.query('SELECT 1');
    expect(heard).toEqual([]);
    for (let i = 0; i < 100; i += 1) notify(db.pool);
    await waitFor(() => heard.length > 0, { what: 'the hint' });
    await client.query('SELECT 1');
    expect(heard).toEqual(['']);
    await client.end();
  });

  it('a listener hints once when it begins and once after every reconnection, because nobody told it meanwhile', async () => {
    let hints = 0;
    const listener = listen(database.url, EVENTS_CHANNEL, () => (hints += 1));
    await waitFor(() => hints === 1, { what: 'the hint of the first connection' });
    await db.pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'prybar listen' AND datname = current_database()`);
    await waitFor(() => hints === 2, { what: 'the hint of the second connection' });
    await listener.close();
  });
});
