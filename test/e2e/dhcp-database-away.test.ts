/** A minute without the database while machines boot: `npm test` has the short one (integration/dhcp/shared.test.ts), this is under load. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import { startLoad, type Load } from '../../scripts/bench/dhcp/load.js';
import { FIRST_UNRESERVED } from '../../scripts/bench/dhcp/network.js';
import { seedMachines } from '../../scripts/bench/dhcp/prybar.js';
import { startPostgres } from '../../scripts/bench/lib/servers.js';
import { DhcpServer } from '../../src/dhcp/server.js';
import { layWire } from '../support/cut-off.js';
import { waitFor } from '../support/wait-for.js';

const AWAY_SECONDS = 60;
const undos: (() => Promise<unknown>)[] = [];
const tools = { say: () => undefined, onEnd: (undo: () => Promise<unknown>) => void undos.push(undo) };

let direct: pg.Pool;
let wire: Awaited<ReturnType<typeof layWire>>;
let server: DhcpServer;
let known: Load;
let unknown: Load;

beforeAll(async () => {
  const postgres = await startPostgres(tools);
  const database = await seedMachines(postgres, 500);
  direct = new pg.Pool({ connectionString: database.url, max: 2 });
  direct.on('error', () => undefined);
  wire = await layWire(database.url);
  const pool = new pg.Pool({ connectionString: wire.url, max: 4, connectionTimeoutMillis: 500 });
  pool.on('error', () => undefined);
  server = new DhcpServer({
    pool,
    logger: pino({ level: 'silent' }),
    sockets: { kind: 'address', host: '127.0.0.1', port: 0 },
    server: { id: randomUUID(), host: '127.0.0.1', incarnation: 'e2e' },
    boot: { httpPort: 8080 },
  });
  const [{ port }] = await server.start();
  known = await startLoad('127.83.255.1', 0, { port });
  unknown = await startLoad('127.83.255.2', 0, { port });
  tools.onEnd(async () => {
    await known.stop();
    await unknown.stop();
    await server.close();
    await pool.end();
    await direct.end();
    await wire.cut();
  });
}, 120_000);

afterAll(async () => {
  for (const undo of undos.reverse()) await undo();
});

it('60 s without the database under load: known machines lose no boot, new leases wait, nothing is given twice, then all go on', async () => {
  const calm = { perSecond: 100, clients: 500, seconds: 3 };
  expect(await known.run(calm)).toMatchObject({ lost: 0 });
  expect(await unknown.run({ perSecond: 20, clients: 40, firstClient: FIRST_UNRESERVED, seconds: 2 })).toMatchObject({ lost: 0 });

  const running = known.run({ ...calm, seconds: AWAY_SECONDS });
  await wire.cut();
  const strangers = await unknown.run({ perSecond: 5, clients: 1_000, firstClient: FIRST_UNRESERVED + 1_000, seconds: AWAY_SECONDS - 5 });
  expect(strangers.done).toBe(0);
  const seen = await running;
  // Each REQUEST that finds its lease half over has to learn that the database is away; none of them is refused.
  expect(seen.lost / seen.begun).toBeLessThan(0.01);
  await direct.query('UPDATE dhcp_table SET revision = revision + 1');
  const { rows } = await direct.query<{ revision: string }>('SELECT revision FROM dhcp_table');

  await wire.mend();
  await waitFor(() => server.servedRevision() === BigInt(rows[0].revision), { what: 'the revision to be caught up with', timeoutMs: 20_000 });
  await sleep(1_000); // what clients sent meanwhile has been given up
  expect(await unknown.run({ perSecond: 50, clients: 200, firstClient: FIRST_UNRESERVED + 1_000, seconds: 4 })).toMatchObject({ lost: 0 });
  const twice = await direct.query(`SELECT mac FROM leases WHERE state = 'active' GROUP BY mac HAVING count(*) > 1`);
  expect(twice.rows).toEqual([]);
  const held = await direct.query<{ all: number; machines: number }>(
    `SELECT count(*)::int AS all, count(DISTINCT mac)::int AS machines FROM leases WHERE state = 'active' AND address LIKE '127.83.%'`,
  );
  expect(held.rows).toEqual([{ all: 240, machines: 240 }]);
}, 180_000);
