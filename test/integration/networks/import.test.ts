/** What a server had that Prybar replaces: taken over through the API, and given by the real DHCP server afterwards. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { DhcpServer } from '../../../src/dhcp/server.js';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { waitFor } from '../../support/wait-for.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';
import { RelayClient } from '../dhcp/lab.js';

let own: ApiFixture;
let dhcp: DhcpServer;
let relay: RelayClient;
beforeAll(async () => {
  own = await startApi();
  await own
    .as('operator')
    .post(`${API}/networks`)
    .send({ name: 'moc', subnet: '127.78.0.0/16', ranges: [{ name: 'dhcp', first: '127.78.9.1', last: '127.78.9.50' }] })
    .expect(201);
  await own
    .as('operator')
    .post(`${API}/nodes`)
    .send({ name: 'n1', macs: ['52:54:00:aa:00:01'] })
    .expect(201);
  dhcp = new DhcpServer({
    pool: own.db.pool,
    logger: pino({ level: 'silent' }),
    sockets: { kind: 'address', host: '127.0.0.1', port: 0 },
    server: { id: '00000000-0000-4000-8000-000000000007', host: 'test', incarnation: 'one' },
    boot: { httpPort: 8080 },
  });
  const [listening] = await dhcp.start();
  relay = await RelayClient.open(listening?.port ?? 0, '127.78.0.1');
});
afterAll(async () => {
  await relay.close();
  await dhcp.close();
  await own.close();
});

type Imported = { applied: boolean; format: string; counts: Record<string, number>; items: Record<string, unknown>[]; problems: Record<string, unknown>[] };
const send = async (body: object): Promise<Imported> => (await own.as('operator').post(`${API}/dhcp/import`).send(body).expect(200)).body as Imported;
const addresses = async (): Promise<string[]> =>
  (await own.db.pool.query<{ address: string }>('SELECT address FROM reservations UNION ALL SELECT address FROM leases ORDER BY 1')).rows.map(
    (row) => row.address,
  );
/** A fixture in the block that a test on loopback can have. */
const fixture = (name: string): string => readFileSync(path.join('test', 'fixtures', 'import', name), 'utf8').replaceAll('192.168.10.', '127.78.9.');
const given = async (mac: string): Promise<string> => formatIpv4((await relay.acquire(mac))?.yourIpAddress ?? 0);

describe('an import from another DHCP server', () => {
  it('is all or nothing: with a problem nothing is written, and each is said with its line and what to do', async () => {
    const held = await send({ text: fixture('dhcpd.conf') });
    expect(held).toMatchObject({ applied: false, format: 'isc', counts: { reservations: 2, leases: 0 } });
    expect(held.problems.filter(({ blocking }) => blocking).map(({ line, fix }) => [line, fix])).toEqual([
      [15, 'write its IPv4 address there'],
      [17, 'a reservation is by MAC: add one, or leave the host out'],
    ]);
    expect((await send({ text: fixture('dhcpd.conf'), dry_run: true, skip_problems: true })).applied).toBe(false);
    expect(await addresses()).toEqual([]);
  });

  it('gives the machines what they had, on the next question, and again the same when it is repeated', async () => {
    const done = await send({ text: fixture('dhcpd.conf'), skip_problems: true });
    expect(done).toMatchObject({ applied: true, counts: { reservations: 2, exists: 0 } });
    expect(done.items[0]).toEqual({
      ...{ line: 12, kind: 'reservation', action: 'create', mac: '52:54:00:aa:00:01', address: '127.78.9.11', hostname: 'cisco1', network: 'moc', node: 'n1' },
    });
    await waitFor(async () => (await given('52:54:00:aa:00:01')) === '127.78.9.11', { what: 'the reservation to be given' });
    expect(await send({ text: fixture('dhcpd.conf'), skip_problems: true })).toMatchObject({ counts: { reservations: 0, exists: 2 } });
  });

  it('takes leases over while the server answers: the machine keeps its address, nobody else gets it', async () => {
    const ends = Math.floor(Date.now() / 1000) + 3_600;
    const text = `${ends} 52:54:00:bb:00:01 127.78.9.1 laptop *\n1000 52:54:00:bb:00:02 127.78.9.2 * *\n`;
    expect(await send({ text })).toMatchObject({ applied: true, format: 'dnsmasq-leases', counts: { leases: 1, ended: 1 } });
    await waitFor(async () => (await given('52:54:00:bb:00:01')) === '127.78.9.1', { what: 'the lease to be known' });
    const others = await Promise.all(Array.from({ length: 20 }, (_, n) => given(`52:54:00:bc:00:${String(n).padStart(2, '0')}`)));
    expect(others).not.toContain('127.78.9.1');
  });

  it('refuses what is none of the formats, an unknown network and a viewer', async () => {
    const refused = await own.as('operator').post(`${API}/dhcp/import`).send({ text: 'hello' }).expect(400);
    expect(refused.body.errors).toEqual([{ field: 'format', message: expect.stringContaining('name the format: isc, dnsmasq') }]);
    await own.as('operator').post(`${API}/dhcp/import`).send({ text: 'x', format: 'isc', network: 'elsewhere' }).expect(400);
    await own.as('viewer').post(`${API}/dhcp/import`).send({ text: 'x', format: 'isc' }).expect(403);
  });
});
