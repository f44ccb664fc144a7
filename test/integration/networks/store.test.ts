import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, type Db } from '../../../src/db/client.js';
import { ensureNetwork, RACK_NETWORK, reserveAddress } from '../../../src/networks/store.js';
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
});
afterEach(async () => {
  await db.close();
});

describe('ensureNetwork', () => {
  it('makes the rack once, however many start together, and raises the revision', async () => {
    const made = await Promise.all([1, 2, 3].map(() => ensureNetwork(db, RACK_NETWORK)));
    expect(made.filter((each) => each.isNew)).toHaveLength(1);
    expect(new Set(made.map((each) => each.networkId)).size).toBe(1);
    expect((await db.pool.query('SELECT revision FROM dhcp_table')).rows).toEqual([{ revision: 1 }]);
    expect(await eventsOf(db, 'network-changed')).toHaveLength(1);
  });

  it('refuses what overlaps and what is not sound', async () => {
    await ensureNetwork(db, RACK_NETWORK);
    await expect(ensureNetwork(db, { name: 'other', subnet: '127.77.4.0/24', ranges: [] })).rejects.toMatchObject({ code: 'network-overlap' });
    await expect(ensureNetwork(db, { name: 'other', subnet: 'x', ranges: [] })).rejects.toMatchObject({ code: 'validation-failed' });
  });
});

describe('reserveAddress', () => {
  it('gives each MAC an address of its own, the same when asked again, until the range is full', async () => {
    const { networkId } = await ensureNetwork(db, {
      name: 'n',
      subnet: '10.0.0.0/29',
      router: '10.0.0.2',
      ranges: [{ name: 'host', first: '10.0.0.1', last: '10.0.0.3' }],
    });
    const reserve = (last: number) => reserveAddress(db, { networkId, range: 'host', mac: `aa:00:00:00:00:0${last}`, nodeId: null });
    const given = await Promise.all([reserve(1), reserve(2)]);
    expect([...given].sort()).toEqual(['10.0.0.1', '10.0.0.3']);
    expect(await reserve(1)).toBe(given[0]);
    await expect(reserve(3)).rejects.toMatchObject({ code: 'range-full' });
  });
});
