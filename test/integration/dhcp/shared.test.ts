/** One network, one table, several servers; and a table that is away for a while. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, it, expect } from '@jest/globals';
import pg from 'pg';
import type { DhcpPacket } from '../../../src/dhcp/packet.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { layWire } from '../../support/cut-off.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { openLab, RelayClient, RESERVED, type Lab } from './lab.js';

const mac = (last: number): string => `52:54:00:98:${(last >> 8).toString(16).padStart(2, '0')}:${(last & 255).toString(16).padStart(2, '0')}`;
const addressOf = (packet: DhcpPacket | undefined): string => formatIpv4(packet?.yourIpAddress ?? 0);

let database: TestDatabase;
let lab: Lab;
let relays: RelayClient[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  lab = await openLab(database);
  await lab.pool.query(`UPDATE network_ranges SET last_address = '127.77.200.250'`);
});

afterEach(async () => {
  for (const relay of relays) await relay.close();
  relays = [];
  await lab.close();
});

async function serverOn(host: string, pool = lab.pool): Promise<{ relay: RelayClient; server: Awaited<ReturnType<Lab['startServer']>>['server'] }> {
  const { server, port } = await lab.startServer({ pool, sockets: { kind: 'address', host, port: 0 } });
  const relay = await RelayClient.open(port, `127.77.9.${relays.length + 1}`, host);
  relays.push(relay);
  return { relay, server };
}

describe('two servers on one network', () => {
  it('netboot rule 7: 200 machines at once, each asks both and takes either: no address twice, and the server not chosen is silent', async () => {
    const [one, two] = [await serverOn('127.0.0.1'), await serverOn('127.0.0.2')];
    const acquire = async (n: number): Promise<DhcpPacket | undefined> => {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const offers = await Promise.all([one, two].map(({ relay }) => relay.ask({ type: 1, mac: mac(n) })));
        const chosen = offers[n % 2];
        if (chosen === undefined) continue;
        const requested = Buffer.alloc(4);
        requested.writeUInt32BE(chosen.yourIpAddress);
        const options = { 50: requested, 54: chosen.options.get(54) ?? Buffer.alloc(4) };
        // A broadcast REQUEST reaches both.
        const [answer, other] = await Promise.all([
          [one, two][n % 2].relay.ask({ type: 3, mac: mac(n), options }),
          [two, one][n % 2].relay.ask({ type: 3, mac: mac(n), options }, 200),
        ]);
        expect(other).toBeUndefined();
        if (answer?.options.get(53)?.[0] === 5) return answer;
      }
      return undefined;
    };
    const given = await Promise.all(Array.from({ length: 200 }, (_, n) => acquire(n)));
    const addresses = given.map(addressOf);
    expect(addresses).not.toContain('0.0.0.0');
    expect(new Set(addresses).size).toBe(200);
    const { rows } = await lab.pool.query<{ mac: string; address: string }>(`SELECT mac, address FROM leases WHERE state = 'active'`);
    expect(new Map(rows.map((row) => [row.mac, row.address]))).toEqual(new Map(addresses.map((address, n) => [mac(n), address])));
  });

  it('each follows what the other writes: a lease, its release, a quarantine', async () => {
    const [one, two] = [await serverOn('127.0.0.1'), await serverOn('127.0.0.2')];
    // Not the address that every server would choose for this machine by itself.
    const first = addressOf(await one.relay.acquire(mac(1), { 50: '@127.77.200.77' }));
    expect(first).toBe('127.77.200.77');
    await waitFor(async () => addressOf(await two.relay.ask({ type: 1, mac: mac(1) })) === first, { what: 'the lease to be known to the other server' });
    two.relay.tell({ type: 7, mac: mac(1), ciaddr: first });
    // A machine that was promised something else keeps that promise: each look is another machine's.
    let asker = 1000;
    const offersTo = async (address: string): Promise<boolean> =>
      addressOf(await one.relay.ask({ type: 1, mac: mac((asker += 1)), options: { 50: `@${address}` } })) === address;
    await waitFor(() => offersTo(first), {
      what: 'the release to be known to the first server',
    });
    const third = await two.relay.acquire(mac(3));
    two.relay.tell({ type: 4, mac: mac(3), options: { 50: `@${addressOf(third)}`, 54: '@127.0.0.2' } });
    await waitFor(async () => (await lab.pool.query(`SELECT 1 FROM leases WHERE address = $1 AND state = 'declined'`, [addressOf(third)])).rowCount === 1, {
      what: 'the quarantine to be written',
    });
    await waitFor(async () => !(await offersTo(addressOf(third))), { what: 'the quarantine to be known to the first server' });
  });
});

describe('the database away and back', () => {
  it('netboot rule 7: known machines keep what they have, new leases wait, nothing is given twice, and what was missed is caught up', async () => {
    const wire = await layWire(lab.url);
    const pool = new pg.Pool({ connectionString: wire.url, max: 4, connectionTimeoutMillis: 500 });
    pool.on('error', () => undefined);
    const { relay, server } = await serverOn('127.0.0.1', pool);
    const other = await serverOn('127.0.0.2');
    const held = addressOf(await relay.acquire(mac(1)));
    await wire.cut();
    try {
      // With nothing but memory.
      expect(addressOf(await relay.acquire(RESERVED))).toBe('127.77.1.7');
      expect(addressOf(await relay.ask({ type: 3, mac: mac(1), ciaddr: held }))).toBe(held);
      const offered = await relay.ask({ type: 1, mac: mac(2) });
      const taken = addressOf(offered);
      expect(await relay.ask({ type: 3, mac: mac(2), options: { 50: `@${taken}`, 54: '@127.0.0.1' } }, 3_000)).toBeUndefined();
      // Meanwhile the other server, whose table is there, gives that address to another machine, and an entry changes.
      const offer = await other.relay.ask({ type: 1, mac: mac(3), options: { 50: `@${taken}` } });
      expect(addressOf(await other.relay.ask({ type: 3, mac: mac(3), options: { 50: `@${addressOf(offer)}`, 54: '@127.0.0.2' } }))).toBe(taken);
      const revision = await lab.putEntry(mac(1), { bootenv: 'local' });
      await wire.mend();
      await waitFor(async () => addressOf(await relay.ask({ type: 1, mac: mac(3) })) === taken, { what: 'the lease given meanwhile to be known' });
      await waitFor(() => server.servedRevision() === revision, { what: 'the revision to be caught up with' });
      const second = await relay.acquire(mac(2));
      expect([addressOf(second) === taken, addressOf(second)]).toEqual([false, expect.stringMatching(/^127\.77\.200\./)]);
      const { rows } = await lab.pool.query(`SELECT mac FROM leases WHERE state = 'active' AND address LIKE '127.77.200.%' ORDER BY mac`);
      expect(rows).toEqual([1, 2, 3].map((n) => ({ mac: mac(n) })));
    } finally {
      await server.close();
      await pool.end();
      await wire.cut();
    }
  });
});
