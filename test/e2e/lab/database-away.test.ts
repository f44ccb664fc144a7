/** PostgreSQL stopped for a minute while machines ask for addresses: known ones are answered, new ones wait, nobody gets another's. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../support/wait-for.js';
import type { Background } from './support/command.js';
import { craft, type Crafted } from './support/craft.js';
import { loadBy } from './support/perfdhcp.js';
import { addNetwork, leasesOf, openSite, reserve, startService, type Site } from './support/service.js';
import { whyNoWorld, World, type Port } from './support/world.js';

const SERVER = '10.77.0.1';
const KNOWN = 20;
const AWAY_MS = 60_000;
const macOf = (index: number): string => `52:54:00:ab:44:${index.toString(16).padStart(2, '0')}`;

let world: World | undefined;
let site: Site;
let service: Background;
let known: Port;
let strangers: Port;
let crafted: Port;

beforeAll(async () => {
  const reason = await whyNoWorld();
  if (reason !== undefined) {
    process.stderr.write(`left out: DHCP while the database is away ${reason}\n`);
    return;
  }
  world = await World.create();
  await world.addSegment('lan');
  const server = await world.addHost('server', 'lan', { address: `${SERVER}/16` });
  known = await world.addHost('known', 'lan', { address: '10.77.0.50/16' });
  strangers = await world.addHost('strangers', 'lan', { address: '10.77.0.51/16' });
  crafted = await world.addHost('crafted', 'lan', { mac: macOf(200), address: '10.77.0.52/16' });
  site = await openSite();
  await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/16', pool: ['10.77.100.0', '10.77.200.255'], leaseSeconds: 600 });
  for (let index = 0; index < KNOWN; index += 1) await reserve(site.pool, 1, `10.77.1.${index + 1}`, macOf(index));
  service = await startService(site, server.ns);
}, 120_000);

afterAll(async () => {
  await service?.stop();
  await world?.close();
  await site?.close();
});

type Acquired = { address: string; seconds: unknown };

/** As `tryOnce`, asked again as a machine asks that was not heard. */
async function acquire(mac: string): Promise<Acquired> {
  return waitFor(() => tryOnce(mac), { what: `${mac} to get an address`, timeoutMs: 30_000 });
}

/** DISCOVER and REQUEST of one machine; what it was acknowledged, and for how long. */
async function tryOnce(mac: string): Promise<Acquired | undefined> {
  const discover: Crafted = { mac, type: 'discover', timeout: 3 };
  const [offer] = await craft(crafted, [discover]);
  if (!offer) return undefined;
  const [ack] = await craft(crafted, [{ mac, type: 'request', options: { requested_addr: offer.yiaddr, server_id: SERVER }, timeout: 4 }]);
  return ack?.options['message-type'] === 5 ? { address: ack.yiaddr, seconds: ack.options['lease_time'] } : undefined;
}

describe('PostgreSQL stopped for 60 s under load', () => {
  it(
    'answers known machines all the time, gives strangers nothing that is not a row, and goes on by itself',
    async () => {
      if (world === undefined) return;
      const held = macOf(100);
      const before = await acquire(held);
      const seconds = AWAY_MS / 1000 + 25;
      const loads = Promise.all([
        loadBy(known, { server: SERVER, rate: 10, seconds, clients: KNOWN, firstMac: macOf(0) }),
        loadBy(strangers, { server: SERVER, rate: 10, seconds, clients: 100_000, firstMac: '52:54:00:cd:00:00' }),
      ]);
      loads.catch(() => undefined);
      await waitFor(async () => (await site.pool.query(`SELECT 1 FROM leases WHERE mac LIKE '52:54:00:cd:%'`)).rowCount, { what: 'the load to begin' });
      await site.stopDatabase();
      const away = sleep(AWAY_MS);

      // A reservation that nobody asked for until now, a lease that was written before, a machine nobody has seen.
      expect((await acquire(macOf(KNOWN - 1))).address).toBe(`10.77.1.${KNOWN}`);
      const during = await acquire(held);
      expect(during.address).toBe(before.address);
      expect(Number(during.seconds)).toBeLessThanOrEqual(600);
      expect(await tryOnce(macOf(101))).toBeUndefined();

      await away;
      await site.startDatabase();
      const [forKnown, forStrangers] = await loads;
      process.stderr.write(
        `60 s without PostgreSQL: known machines ${forKnown.acks} of ${forKnown.discovers} acknowledged, strangers ${forStrangers.acks} of ${forStrangers.discovers}\n`,
      );
      expect(forKnown.acks).toBeGreaterThan(0.9 * forKnown.discovers);
      expect(forStrangers.twice).toBe(0);
      // Before and after; those in between got no address.
      expect(forStrangers.acks).toBeGreaterThan(50);
      expect(forStrangers.acks).toBeLessThan(0.6 * forStrangers.discovers);
      const { rows } = await site.pool.query<{ count: string }>(`SELECT count(*) FROM leases WHERE state = 'active' AND mac LIKE '52:54:00:cd:%'`);
      expect(Number(rows[0]?.count)).toBeGreaterThanOrEqual(forStrangers.acks);
      const after = await acquire(macOf(101));
      expect(await leasesOf(site.pool, macOf(101))).toEqual([{ address: after.address, mac: macOf(101), state: 'active' }]);
    },
    (AWAY_MS / 1000) * 3000,
  );
});
