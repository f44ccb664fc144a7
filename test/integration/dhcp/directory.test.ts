/** How a DHCP server follows its table: by hints alone here, for its poll is a minute away. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { pino } from 'pino';
import { Directory } from '../../../src/dhcp/directory.js';
import { Hints } from '../../../src/dhcp/hints.js';
import { readNetworks } from '../../../src/dhcp/read-table.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { openLab, type Lab } from './lab.js';

const mac = (last: number): string => `52:54:00:99:00:${last.toString(16).padStart(2, '0')}`;
const ALL = Array.from({ length: 12 }, (_, last) => mac(last));

let database: TestDatabase;
let lab: Lab;
let directory: Directory;
let hints: Hints;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  lab = await openLab(database);
  await lab.putEntry(mac(0));
  const shared = { pool: lab.pool, logger: pino({ level: 'silent' }) };
  directory = new Directory({
    ...shared,
    server: { id: randomUUID(), host: 'test', incarnation: 'one' },
    monotonicMs: () => performance.now(),
    counters: () => ({}),
    pollMs: 60_000,
  });
  await directory.start();
  await new Promise<void>((resolve) => {
    hints = new Hints({ ...shared, serverId: 'test', onTable: (payload) => directory.hear(payload), onLeases: () => undefined, onConnected: resolve });
    hints.start();
  });
});
afterEach(async () => {
  await hints.close();
  await directory.close();
  await lab.close();
});
afterAll(() => database.drop());

const servesUpTo = (revision: bigint): Promise<unknown> => waitFor(() => directory.revision() === revision, { what: `revision ${revision} to be served` });
const confirmed = async (): Promise<bigint> =>
  BigInt((await lab.pool.query<{ at: string }>('SELECT max(served_revision)::text AS at FROM boot_servers')).rows[0]?.at ?? 0);

it('answers a changed boot from the hint of its commit, without a query, and confirms it', async () => {
  const asking = jest.spyOn(lab.pool, 'query');
  const revision = await lab.putEntry(mac(0), { bootenv: 'local', bootLocal: true, options: { 'root-path': '/srv' } });
  await servesUpTo(revision);
  expect(directory.entryOf(mac(0))).toMatchObject({ bootenv: 'local', bootLocal: true, options: new Map([[17, Buffer.from('/srv')]]) });
  const asked = asking.mock.calls.map(([statement]: unknown[]) => JSON.stringify(statement));
  asking.mockRestore();
  expect(asked.filter((text) => text.includes('dhcp-follow'))).toEqual([]);
  await waitFor(async () => (await confirmed()) === revision, { what: 'the revision to be confirmed' });
});

it('reads the reservation that has changed, and all of them after a load of many', async () => {
  const asking = jest.spyOn(lab.pool, 'query');
  const readings = (): string[] =>
    asking.mock.calls.flatMap(([statement]: unknown[]) => /dhcp-(networks|reservation-changes)/.exec(JSON.stringify(statement))?.[1] ?? []);
  await lab.pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES (1, '127.77.3.1', $1)`, [mac(3)]);
  await waitFor(() => directory.networks()[0]?.reservationByMac.has(mac(3)), { what: 'the reservation to be known' });
  expect(readings()).not.toContain('networks');
  await lab.pool.query(`INSERT INTO reservations (network_id, address) SELECT 1, '127.77.' || 10 + n / 250 || '.' || n % 250 FROM generate_series(0, 2499) n`);
  await waitFor(() => directory.networks()[0]?.reservationByAddress.size === 2_502, { what: 'the reservations to be known' });
  expect(readings()).toContain('networks');
  asking.mockRestore();
});

it('reads the table where a hint is lost, and knows then what it missed', async () => {
  await hints.close();
  await lab.putEntry(mac(1));
  hints = new Hints({
    pool: lab.pool,
    logger: pino({ level: 'silent' }),
    serverId: 'test',
    onTable: (payload) => directory.hear(payload),
    onLeases: () => undefined,
    onConnected: () => undefined,
  });
  hints.start();
  await waitFor(
    async () => {
      await servesUpTo(await lab.putEntry(mac(2)));
      return directory.entryOf(mac(1)) !== undefined;
    },
    { what: 'the hints to be heard again' },
  );
});

const RESERVATION_STEPS = [
  `INSERT INTO reservations (network_id, address) VALUES (1, $1) ON CONFLICT DO NOTHING`,
  `INSERT INTO reservations (network_id, address, mac) VALUES (1, $1, '52:54:00:98:00:01') ON CONFLICT DO NOTHING`,
  `UPDATE reservations SET address = $1 WHERE mac = '52:54:00:98:00:01' AND NOT EXISTS (SELECT FROM reservations WHERE address = $1)`,
  `UPDATE reservations SET unmanaged = NOT unmanaged WHERE address = $1`,
  `DELETE FROM reservations WHERE address = $1`,
  `UPDATE networks SET lease_seconds = lease_seconds + 1 WHERE $1 <> ''`,
];

it('has what the table has after any changes: one or many entries, withdrawn, twice in a transaction, with networks between', async () => {
  const change = fc.record({
    macs: fc.uniqueArray(fc.constantFrom(...ALL), { minLength: 1, maxLength: 12 }),
    bootenv: fc.constantFrom('local', 'discovery', 'debian-12'),
    deleted: fc.boolean(),
    options: fc.constantFrom('{}', '{"root-path": "/a"}'),
  });
  const reservation = fc.record({ address: fc.integer({ min: 20, max: 40 }).map((last) => `127.77.3.${last}`), sql: fc.constantFrom(...RESERVATION_STEPS) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.oneof(change, reservation), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
      async (transactions) => {
        for (const steps of transactions) {
          const client = await lab.pool.connect();
          await client.query('BEGIN');
          for (const step of steps) {
            if ('address' in step) {
              await client.query(step.sql, [step.address]);
              continue;
            }
            await client.query('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1');
            await client.query(
              `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, applied_gen, options, revision, deleted)
             SELECT m, 900, 'n7', $2, 1, $3::jsonb, t.revision, $4 FROM dhcp_table t, unnest($1::text[]) m
             ON CONFLICT (mac) DO UPDATE SET bootenv = EXCLUDED.bootenv, options = EXCLUDED.options, revision = EXCLUDED.revision, deleted = EXCLUDED.deleted`,
              [step.macs, step.bootenv, step.options, step.deleted],
            );
          }
          await client.query('COMMIT');
          client.release();
        }
        const { rows } = await lab.pool.query<{ revision: string }>('SELECT revision::text FROM dhcp_table');
        await servesUpTo(BigInt(rows[0]?.revision ?? 0));
        const { networks } = await readNetworks(lab.pool);
        await waitFor(() => isDeepStrictEqual(directory.networks(), networks), { what: 'the networks to be known' });
        const stored = await lab.pool.query<{ mac: string; bootenv: string; options: object }>(
          'SELECT mac, bootenv, options FROM dhcp_entries WHERE NOT deleted ORDER BY mac',
        );
        const known = ALL.flatMap((one) => directory.entryOf(one) ?? []);
        expect(known.map((entry) => ({ mac: entry.mac, bootenv: entry.bootenv, hasOptions: entry.options.size > 0 }))).toEqual(
          stored.rows.map((row) => ({ mac: row.mac, bootenv: row.bootenv, hasOptions: Object.keys(row.options).length > 0 })),
        );
      },
    ),
    { numRuns: 25 },
  );
});
