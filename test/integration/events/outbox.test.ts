import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db, type Tx } from '../../../src/db/client.js';
import type { DomainEvent, PublishedEvent } from '../../../src/events/events.js';
import { createEventFeed } from '../../../src/events/feed.js';
import { notify, setCauseDepth, writeEvents } from '../../../src/events/outbox.js';
import { readEvents } from '../../../src/events/read.js';
import { sequence } from '../../../src/events/sequencer.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
});
afterEach(async () => {
  await db.close();
});

const event = (subjectId: number): DomainEvent => ({
  kind: 'alarm',
  subjectType: 'engine',
  subjectId,
  version: 0,
  data: { code: 'test', message: `number ${subjectId}` },
});
const write = (ids: number[]) => withTransaction(db.pool, (tx) => writeEvents(tx, ids.map(event)));

describe('rule 13: the outbox', () => {
  it('gives a position to a batch that commits after one that began later', async () => {
    const early: Tx = await db.pool.connect();
    await early.query('BEGIN');
    await writeEvents(early, [event(1)]);
    await write([2]);
    await sequence(db.pool);
    const first = await readEvents(db.pool, 0, 100);
    expect(first.events.map((e) => e.subjectId)).toEqual([2]);
    await early.query('COMMIT');
    early.release();
    await sequence(db.pool);
    expect((await readEvents(db.pool, first.lastPos, 100)).events.map((e) => e.subjectId)).toEqual([1]);
  });

  it('shows every event once, in one order, to whoever follows while many write, two sequencers run and transactions roll back', async () => {
    const writers = 8;
    const each = 40;
    const seen: PublishedEvent[] = [];
    const feed = createEventFeed(db, { pollMs: 20 });
    await feed.start();
    feed.subscribe(0, (events) => void seen.push(...events));
    let isWriting = true;
    const sequencer = async () => {
      while (isWriting) await sequence(db.pool);
    };
    const sequencers = [sequencer(), sequencer()];
    const expected = new Set<number>();
    await Promise.all(
      Array.from({ length: writers }, async (_unused, writer) => {
        for (let i = 0; i < each; i += 1) {
          const ids = [writer * 10_000 + i * 2, writer * 10_000 + i * 2 + 1];
          const work = withTransaction(db.pool, async (tx) => {
            await writeEvents(tx, ids.map(event));
            // Holds the batch open for a different time each, so that commits come in another order than ids.
            await tx.query('SELECT pg_sleep($1)', [((writer * 7 + i * 3) % 5) / 1000]);
            if (i % 10 === 9) throw new Error('rolled back');
          });
          if (i % 10 === 9) await expect(work).rejects.toThrow('rolled back');
          else {
            await work;
            for (const id of ids) expected.add(id);
          }
        }
      }),
    );
    isWriting = false;
    await Promise.all(sequencers);
    await sequence(db.pool);
    await waitFor(() => seen.length >= expected.size, { what: 'every event to be seen' });
    await feed.close();
    expect(seen.length).toBe(expected.size);
    expect(new Set(seen.map((e) => e.subjectId))).toEqual(expected);
    const order = seen.map((e) => e.pos * 10 + e.n);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(new Set(order).size).toBe(order.length);
    // The two events of a batch stay together.
    for (let i = 0; i < seen.length; i += 2) expect(seen[i + 1]?.pos).toBe(seen[i]?.pos);
  });

  it('goes on with higher positions after old batches were removed', async () => {
    await write([1]);
    await sequence(db.pool);
    const { lastPos } = await readEvents(db.pool, 0, 10);
    await db.pool.query('DELETE FROM outbox_batches');
    await write([2]);
    await sequence(db.pool);
    expect((await readEvents(db.pool, 0, 10)).lastPos).toBeGreaterThan(lastPos);
  });

  it('writes no batch for no events', async () => {
    await write([]);
    expect((await db.pool.query('SELECT 1 FROM outbox_batches')).rowCount).toBe(0);
  });

  it('marks what a hook writes with its depth', async () => {
    await withTransaction(db.pool, async (tx) => {
      await setCauseDepth(tx, 3);
      await writeEvents(tx, [event(1)]);
    });
    await write([2]);
    await sequence(db.pool);
    expect((await readEvents(db.pool, 0, 10)).events.map((e) => e.causeDepth)).toEqual([3, 0]);
  });
});

describe('rule 13: the event feed', () => {
  it('resumes behind the very event a client saw last, and refuses foreign and future cursors', async () => {
    await write([1, 2, 3]);
    await sequence(db.pool);
    const feed = createEventFeed(db, { pollMs: 20 });
    await feed.start();
    const first = await readEvents(db.pool, 0, 10);
    const cursor = feed.idOf(first.events[1]);
    const from = await feed.resume(cursor);
    const seen: number[] = [];
    feed.subscribe(from!, (events) => void seen.push(...events.map((e) => e.subjectId)));
    await waitFor(() => seen.length === 1, { what: 'the third event' });
    await write([4]);
    await sequence(db.pool);
    await waitFor(() => seen.length === 2, { what: 'the next event' });
    expect(seen).toEqual([3, 4]);
    expect(await feed.resume(cursor.replace(/^[^.]+/, 'ffff'))).toBeUndefined();
    expect(await feed.resume(`${feed.epoch()}.999.0`)).toBeUndefined();
    expect(await feed.resume('nonsense')).toBeUndefined();
    await feed.close();
  });

  it('asks a client to reload whose cursor is older than what is kept', async () => {
    for (let i = 0; i < 4; i += 1) await write([i]);
    await sequence(db.pool);
    const feed = createEventFeed(db);
    await feed.start();
    await db.pool.query('DELETE FROM outbox_batches WHERE pos < 4');
    expect(await feed.resume(`${feed.epoch()}.1.0`)).toBeUndefined();
    expect(await feed.resume(`${feed.epoch()}.3.0`)).toEqual({ pos: 3, n: 0 });
    await feed.close();
  });

  it('rule 23: hears of events by NOTIFY, and polls once after its connection was cut', async () => {
    const feed = createEventFeed(db, { pollMs: 600_000 });
    await feed.start();
    const seen: number[] = [];
    feed.subscribe(0, (events) => void seen.push(...events.map((e) => e.subjectId)));
    const publish = async (id: number) => {
      await write([id]);
      await sequence(db.pool);
    };
    await publish(1);
    await waitFor(() => seen.includes(1), { what: 'the first event' });
    await db.pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'prybar listen' AND datname = current_database()`);
    await publish(2);
    await waitFor(() => seen.includes(2), { what: 'the event written while nobody listened' });
    await feed.close();
  });

  it('delivers again what a subscriber failed to take, and lets the others go on', async () => {
    const feed = createEventFeed(db, { pollMs: 20 });
    await feed.start();
    const good: number[] = [];
    const flaky: number[] = [];
    let isFirst = true;
    feed.subscribe(0, (events) => void good.push(...events.map((e) => e.subjectId)));
    feed.subscribe(0, (events) => {
      if (isFirst) {
        isFirst = false;
        throw new Error('not now');
      }
      flaky.push(...events.map((e) => e.subjectId));
    });
    await write([1]);
    await sequence(db.pool);
    notify(db.pool);
    await waitFor(() => flaky.length === 1 && good.length === 1, { what: 'both to have it' });
    await feed.close();
  });
});
