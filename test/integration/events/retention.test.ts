import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { nodeChanged } from '../../../src/events/events.js';
import { createEventFeed } from '../../../src/events/feed.js';
import { writeEvents } from '../../../src/events/outbox.js';
import { atMostEvery, forgetEvents } from '../../../src/events/retention.js';
import { sequence } from '../../../src/events/sequencer.js';
import { forgetDeliveries } from '../../../src/webhooks/retention.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
});
beforeEach(() => db.pool.query('TRUNCATE outbox_batches, outbox_events, outbox_consumers, webhooks RESTART IDENTITY CASCADE'));
afterAll(async () => {
  await db.close();
  await database.drop();
});

/** Batches 1 to `count`, all of one age; consumers stand where they are put. */
async function fill(count: number, consumers: Record<string, number>, ageDays = 0): Promise<void> {
  for (let i = 1; i <= count; i += 1) await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(i, 1, ['alive'])]));
  await sequence(db.pool);
  await db.pool.query(`UPDATE outbox_batches SET created_at = clock_timestamp() - make_interval(days => $1)`, [ageDays]);
  for (const [name, pos] of Object.entries(consumers)) await db.pool.query('INSERT INTO outbox_consumers (name, pos) VALUES ($1, $2)', [name, pos]);
}
const kept = async () => (await db.pool.query<{ pos: number }>('SELECT pos FROM outbox_batches ORDER BY pos')).rows.map((row) => row.pos);
const week = { keepDays: 7, keepMax: 1_000_000 };

describe('what is forgotten', () => {
  it('old events go when everybody has read them, and never before', async () => {
    await fill(6, { hooks: 6, webhooks: 4 }, 30);
    expect(await forgetEvents(db.pool, week)).toBe(4);
    expect(await kept()).toEqual([5, 6]);
    expect((await db.pool.query('SELECT 1 FROM outbox_events')).rowCount).toBe(2);
  });

  it('young events stay, unless there are too many', async () => {
    await fill(6, { hooks: 6, webhooks: 6 }, 1);
    expect(await forgetEvents(db.pool, week)).toBe(0);
    expect(await forgetEvents(db.pool, { keepDays: 7, keepMax: 2 })).toBe(4);
    expect(await kept()).toEqual([5, 6]);
  });

  it('the newest batch stays, and what has no position yet', async () => {
    await fill(3, { hooks: 3 }, 30);
    await withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(9, 1, ['alive'])]));
    expect(await forgetEvents(db.pool, week)).toBe(2);
    expect(await kept()).toEqual([3, null]);
  });

  it('nothing goes while nobody has read anything', async () => {
    await fill(3, {}, 30);
    expect(await forgetEvents(db.pool, week)).toBe(0);
  });

  it('goes in small batches until nothing is left to go', async () => {
    await fill(10, { hooks: 10 }, 30);
    expect(await forgetEvents(db.pool, week, 2)).toBe(9);
  });

  it('a reader whose cursor is older than what is kept is told to reload; one that stands at its edge goes on', async () => {
    await fill(6, { hooks: 6 }, 30);
    await db.pool.query('UPDATE outbox_batches SET created_at = clock_timestamp() WHERE pos >= 4');
    const feed = createEventFeed(db);
    await feed.start();
    await forgetEvents(db.pool, week);
    expect(await kept()).toEqual([4, 5, 6]);
    expect(await feed.resume(`${feed.epoch()}.2.0`)).toBeUndefined();
    expect(await feed.resume(`${feed.epoch()}.3.0`)).toEqual({ pos: 3, n: 0 });
    await feed.close();
  });

  it('deliveries of webhooks go when they are over for long enough, dead ones later, pending ones never', async () => {
    await db.pool.query(`INSERT INTO webhooks (name, url, secret) VALUES ('w', 'https://example.com', '')`);
    const add = (status: string, days: number) =>
      db.pool.query(
        `INSERT INTO webhook_deliveries (uid, webhook_id, kind, subject_type, subject_id, body, status, created_at, ended_at)
         VALUES (gen_random_uuid(), (SELECT id FROM webhooks), $1::text || $2::int, 'node', 1, '{}', $1::text, clock_timestamp() - make_interval(days => $2::int),
                 CASE WHEN $1::text <> 'pending' THEN clock_timestamp() - make_interval(days => $2::int) END)`,
        [status, days],
      );
    for (const [status, days] of [
      ['delivered', 8],
      ['delivered', 6],
      ['dead', 8],
      ['dead', 29],
      ['pending', 99],
    ] as const)
      await add(status, days);
    expect(await forgetDeliveries(db.pool, 7)).toBe(2);
    const { rows } = await db.pool.query<{ kind: string }>('SELECT kind FROM webhook_deliveries ORDER BY id');
    expect(rows.map((row) => row.kind)).toEqual(['delivered6', 'dead8', 'pending99']);
  });

  it('a sweep carries it along without doing it each second', async () => {
    let times = 0;
    const forget = atMostEvery(60_000, () => Promise.resolve((times += 1)));
    expect([await forget(), await forget(), await forget()]).toEqual([1, 0, 0]);
  });
});
