import { afterAll, afterEach, beforeAll, beforeEach, describe, it, expect } from '@jest/globals';
import { formatIpv4 } from '../../../src/shared/ipv4.js';
import { bytesOf, fixture, ip, request } from '../../support/dhcp-request.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { freePort, openLab, RelayClient, RESERVED, type Lab } from './lab.js';

const PXE = { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: Buffer.from([0, 7]), 97: Buffer.alloc(17, 1) };
const IPXE = { 60: 'PXEClient:Arch:00007:UNDI:003016', 93: Buffer.from([0, 7]), 77: 'iPXE', 175: Buffer.from([19, 1, 1]) };
const mac = (last: number): string => `52:54:00:99:${(last >> 8).toString(16).padStart(2, '0')}:${(last & 255).toString(16).padStart(2, '0')}`;

let database: TestDatabase;
let lab: Lab;
let relays: RelayClient[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  lab = await openLab(database);
});

afterEach(async () => {
  for (const relay of relays) await relay.close();
  relays = [];
  await lab.close();
});

async function relayTo(port: number, giaddr?: string): Promise<RelayClient> {
  const relay = await RelayClient.open(port, giaddr);
  relays.push(relay);
  return relay;
}

async function stateOf(address: string): Promise<string | undefined> {
  const { rows } = await lab.pool.query<{ state: string }>('SELECT state FROM leases WHERE address = $1', [address]);
  return rows[0]?.state;
}

describe('a boot through a relay', () => {
  it('netboot rule 5: gives firmware, iPXE, installer and OS of one machine one address and one lease row', async () => {
    await lab.putEntry(mac(1));
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    const acks = [
      await relay.acquire(mac(1), { ...PXE, 61: Buffer.from('00aabbccdd', 'hex') }),
      await relay.acquire(mac(1), { ...IPXE, 61: Buffer.from('01525400990001', 'hex') }),
      await relay.acquire(mac(1), { 60: 'udhcp 1.35.0' }),
      await relay.acquire(mac(1), { 61: Buffer.from('ff00112233445566', 'hex'), 12: 'debian' }),
    ];
    const [firmware, ipxe, installer] = acks;
    expect(new Set(acks.map((ack) => ack?.yourIpAddress)).size).toBe(1);
    expect(firmware?.bootFile.toString('latin1')).toMatch(/^snponly\.efi\0/);
    expect(firmware?.options.get(43)).toEqual(Buffer.from('060108ff', 'hex'));
    expect(ipxe?.options.get(67)?.toString()).toBe('http://127.0.0.1:8080/boot/ipxe/52-54-00-99-00-01');
    expect(ipxe?.options.get(175)).toEqual(Buffer.from('b00101', 'hex'));
    expect(installer?.options.has(67)).toBe(false);
    const { rows } = await lab.pool.query('SELECT address, mac, state, hostname FROM leases');
    expect(rows).toEqual([{ address: formatIpv4(firmware?.yourIpAddress ?? 0), mac: mac(1), state: 'active', hostname: 'n7.lab.example' }]);
    expect(server.counters()).toMatchObject({ received: 8, offers: 4, acks: 4, naks: 0, malformed: 0 });
  });

  it('gives the reservation, and its row is there before the ACK', async () => {
    const { port } = await lab.startServer();
    const ack = await (await relayTo(port)).acquire(RESERVED, PXE);
    const { rows } = await lab.pool.query(`SELECT mac FROM leases WHERE address = '127.77.1.7' AND state = 'active'`);
    expect([ack?.yourIpAddress, rows]).toEqual([ip('127.77.1.7'), [{ mac: RESERVED }]]);
  });

  it('gives an unknown machine a pool address and the discovery loader', async () => {
    const { port } = await lab.startServer();
    const ack = await (await relayTo(port)).acquire(mac(2), IPXE);
    expect(formatIpv4(ack?.yourIpAddress ?? 0)).toMatch(/^127\.77\.200\.[1-4]$/);
    expect(ack?.options.get(67)?.toString()).toContain('/boot/ipxe/');
  });

  it('tells the boot as events, in order', async () => {
    const { port, events } = await lab.startServer();
    await (await relayTo(port)).acquire(RESERVED, PXE);
    expect(events.map((event) => [event.kind, event.address, event.detail])).toEqual([
      ['dhcp-discover', null, 'pxe, x64 UEFI'],
      ['dhcp-offer', '127.77.1.7', 'snponly.efi'],
      ['dhcp-request', '127.77.1.7', 'pxe, x64 UEFI'],
      ['dhcp-ack', '127.77.1.7', 'snponly.efi'],
    ]);
    expect(events[0]).toMatchObject({ mac: RESERVED, relay: '127.77.9.1', client: { arch: 7, ipxe: false, vendorClass: PXE[60] } });
  });

  it('echoes option 82 last', async () => {
    const { port } = await lab.startServer();
    const offer = await (await relayTo(port)).ask({ type: 1, mac: RESERVED });
    expect([...(offer?.options.keys() ?? [])].at(-1)).toBe(82);
    expect(offer?.options.get(82)).toEqual(Buffer.from([1, 2, 65, 66, 19, 0]));
  });
});

describe('the DHCP table', () => {
  it('race 22: answers with a change within the poll, and reports the revision it serves', async () => {
    const { port, id, server } = await lab.startServer();
    const relay = await relayTo(port);
    expect((await relay.ask({ type: 1, mac: RESERVED }))?.options.get(12)).toBeUndefined();
    const revision = await lab.putEntry(RESERVED, { options: { 'root-path': '/srv' } });
    await waitFor(async () => (await servedOf(id))?.served_revision === revision.toString(), { what: 'the revision to be served' });
    const offer = await relay.ask({ type: 1, mac: RESERVED });
    expect([offer?.options.get(12)?.toString(), offer?.options.get(17)?.toString()]).toEqual(['n7', '/srv']);
    expect(server.servedRevision()).toBe(revision);
    await lab.putEntry(RESERVED, { deleted: true });
    await waitFor(async () => (await relay.ask({ type: 1, mac: RESERVED }))?.options.has(12) === false, { what: 'the deleted entry to be gone' });
  });

  it('hears of a committed change at once, and reads the networks when they changed, whoever wrote', async () => {
    const { port } = await lab.startServer({ pollMs: 60_000 });
    const relay = await relayTo(port);
    await lab.putEntry(RESERVED, { options: { 'root-path': '/heard' } });
    await waitFor(async () => (await relay.ask({ type: 1, mac: RESERVED }))?.options.get(17)?.toString() === '/heard', { what: 'the entry to be served' });
    await lab.pool.query(`UPDATE reservations SET address = '127.77.1.8' WHERE mac = $1`, [RESERVED]);
    await waitFor(async () => (await relay.ask({ type: 1, mac: RESERVED }))?.yourIpAddress === ip('127.77.1.8'), { what: 'the reservation to be served' });
  });

  it('follows a kick without waiting for the poll', async () => {
    const { id, server } = await lab.startServer({ pollMs: 60_000 });
    const revision = await lab.putEntry(RESERVED);
    server.kick();
    await waitFor(async () => (await servedOf(id))?.served_revision === revision.toString(), { what: 'the revision to be served' });
  });

  it('engine rule 6: is serving only after the first load, and out after a clean close', async () => {
    const { id, server } = await lab.startServer();
    expect(await servedOf(id)).toMatchObject({ status: 'serving', networks: [1], kind: 'dhcp' });
    await server.close();
    expect(await servedOf(id)).toMatchObject({ status: 'out' });
  });

  it('netboot rule 6: refuses an offer that a reservation made since has overtaken', async () => {
    const { port } = await lab.startServer();
    const relay = await relayTo(port);
    const offer = await relay.ask({ type: 1, mac: mac(3) });
    await lab.pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES (1, '127.77.1.33', $1)`, [mac(3)]);
    const revision = await lab.putEntry(mac(3));
    const isServed = async (): Promise<boolean> => {
      const { rows } = await lab.pool.query('SELECT 1 FROM boot_servers WHERE served_revision >= $1', [revision.toString()]);
      return rows.length > 0;
    };
    await waitFor(isServed, { what: 'the revision to be served' });
    const old = Buffer.alloc(4);
    old.writeUInt32BE(offer?.yourIpAddress ?? 0);
    const answer = await relay.ask({ type: 3, mac: mac(3), options: { 50: old, 54: offer?.options.get(54) ?? '' } });
    expect(answer?.options.get(53)?.[0]).toBe(6);
    expect((await relay.acquire(mac(3)))?.yourIpAddress).toBe(ip('127.77.1.33'));
  });

  async function servedOf(id: string) {
    const { rows } = await lab.pool.query<{ served_revision: string; status: string }>('SELECT * FROM boot_servers WHERE id = $1', [id]);
    return rows[0];
  }
});

describe('leases', () => {
  it('hands out each address once when more machines ask than there are addresses', async () => {
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    const acks = await Promise.all(Array.from({ length: 10 }, (_, n) => relay.ask({ type: 1, mac: mac(n) }, 500)));
    const offered = acks.filter((ack) => ack !== undefined).map((ack) => ack.yourIpAddress);
    expect([offered.length, new Set(offered).size]).toEqual([4, 4]);
    expect(server.counters().reasons['pool-exhausted']).toBe(6);
  });

  it('netboot rule 7: lets the row decide between two servers that offered one address to two machines', async () => {
    await lab.pool.query(`UPDATE network_ranges SET last_address = '127.77.200.1'`);
    const [one, two] = [await lab.startServer(), await lab.startServer()];
    const [first, second] = [await relayTo(one.port, '127.77.9.1'), await relayTo(two.port, '127.77.9.2')];
    const results = await Promise.all([first.acquire(mac(1)), second.acquire(mac(2))]);
    expect(results.filter((ack) => ack !== undefined)).toHaveLength(1);
    const { rows } = await lab.pool.query(`SELECT mac FROM leases WHERE state = 'active'`);
    expect(rows).toHaveLength(1);
  });

  it('commits a storm in batches: 300 machines get 300 rows and every ACK', async () => {
    await lab.pool.query(`UPDATE network_ranges SET last_address = '127.77.202.255'`);
    const { port } = await lab.startServer();
    const relay = await relayTo(port);
    const acks = await Promise.all(Array.from({ length: 300 }, (_, n) => relay.acquire(mac(n))));
    expect(new Set(acks.map((ack) => ack?.yourIpAddress)).size).toBe(300);
    const { rows } = await lab.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM leases WHERE state = 'active'`);
    expect(rows[0]?.n).toBe(300);
  });

  it('moves a machine whose old lease another server wrote, in the same commit', async () => {
    const { port } = await lab.startServer();
    await lab.pool.query(
      `INSERT INTO leases (address, network_id, mac, state, expires_at, updated_at) VALUES ('127.77.200.3', 1, $1, 'active', now() + interval '1 hour', now())`,
      [RESERVED],
    );
    expect((await (await relayTo(port)).acquire(RESERVED))?.yourIpAddress).toBe(ip('127.77.1.7'));
    const { rows } = await lab.pool.query('SELECT address, state FROM leases WHERE mac = $1 ORDER BY address', [RESERVED]);
    expect(rows).toEqual([
      { address: '127.77.1.7', state: 'active' },
      { address: '127.77.200.3', state: 'released' },
    ]);
  });

  it('attack 10: gives a released address to the next machine, and a declined one to nobody', async () => {
    await lab.pool.query(`UPDATE network_ranges SET last_address = '127.77.200.1'`);
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    const serverId = '@127.0.0.1';
    await relay.acquire(mac(1));
    relay.send(bytesOf(request({ type: 7, mac: mac(2), giaddr: '127.77.9.1', ciaddr: '127.77.200.1', options: { 54: serverId } })));
    expect(await relay.ask({ type: 1, mac: mac(2) }, 200)).toBeUndefined();
    relay.send(bytesOf(request({ type: 7, mac: mac(1), giaddr: '127.77.9.1', ciaddr: '127.77.200.1', options: { 54: serverId } })));
    expect((await relay.acquire(mac(2)))?.yourIpAddress).toBe(ip('127.77.200.1'));
    relay.send(bytesOf(request({ type: 4, mac: mac(2), giaddr: '127.77.9.1', options: { 50: '@127.77.200.1', 54: serverId } })));
    await waitFor(async () => (await stateOf('127.77.200.1')) === 'declined', { what: 'the quarantine to be written' });
    expect(await relay.ask({ type: 1, mac: mac(3) }, 200)).toBeUndefined();
    expect(server.counters()).toMatchObject({ releases: 1, declines: 1 });
  });

  it('remembers leases over a restart', async () => {
    const { port, server } = await lab.startServer();
    const address = (await (await relayTo(port)).acquire(mac(1)))?.yourIpAddress;
    await server.close();
    const again = await lab.startServer();
    expect((await (await relayTo(again.port)).ask({ type: 1, mac: mac(1) }))?.yourIpAddress).toBe(address);
  });
});

describe('the database away', () => {
  afterEach(() => lab.pool.query('ALTER TABLE IF EXISTS leases_away RENAME TO leases; ALTER TABLE IF EXISTS dhcp_table_away RENAME TO dhcp_table'));

  it('engine rule 6: answers known hosts from memory, keeps new leases waiting, and withholds boot files when its lease ended', async () => {
    await lab.putEntry(RESERVED);
    const skew = { ms: 0 };
    const { port, server } = await lab.startServer({ monotonicMs: () => performance.now() + skew.ms });
    const relay = await relayTo(port);
    expect((await relay.acquire(mac(1)))?.yourIpAddress).toBeDefined();
    await lab.pool.query('ALTER TABLE leases RENAME TO leases_away');
    await lab.pool.query('ALTER TABLE dhcp_table RENAME TO dhcp_table_away');
    const reserved = await relay.acquire(RESERVED, IPXE);
    expect(reserved?.yourIpAddress).toBe(ip('127.77.1.7'));
    expect(reserved?.options.has(67)).toBe(true);
    expect(await relay.ask({ type: 1, mac: mac(2) })).toBeDefined();
    expect(await relay.acquire(mac(2))).toBeUndefined();
    expect((await relay.acquire(mac(1)))?.options.get(51)?.readUInt32BE(0)).toBeLessThanOrEqual(3600);
    skew.ms = 16_000;
    const late = await relay.acquire(RESERVED, IPXE);
    expect([late?.yourIpAddress, late?.options.has(67)]).toEqual([ip('127.77.1.7'), false]);
    expect(server.counters().reasons['database-away']).toBeGreaterThan(0);
    await lab.pool.query('ALTER TABLE leases_away RENAME TO leases');
    await lab.pool.query('ALTER TABLE dhcp_table_away RENAME TO dhcp_table');
    await waitFor(async () => (await relay.acquire(RESERVED, IPXE))?.options.has(67) === true, { what: 'boot files to be given again' });
    expect(await relay.acquire(mac(2))).toBeDefined();
  }, 30_000);

  it('does not start when the table cannot be read', async () => {
    await lab.pool.query('ALTER TABLE dhcp_table RENAME TO dhcp_table_away');
    await expect(lab.startServer()).rejects.toThrow(/dhcp_table/);
  });
});

describe('bad input', () => {
  it('attack 8: counts and drops malformed packets and goes on answering', async () => {
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    const bytes = fixture('ovmf-pxe-discover');
    for (let length = 0; length < bytes.length; length += 7) relay.send(bytes.subarray(0, length));
    relay.send(Buffer.alloc(1500, 0xff));
    expect(await relay.acquire(RESERVED)).toBeDefined();
    expect(server.counters().malformed).toBeGreaterThan(30);
    expect(server.counters().reasons['too-short']).toBeGreaterThan(30);
  });

  it('attack 12: ignores a relay in no network of ours, a reply, and its own address as relay', async () => {
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    relay.send(bytesOf(request({ type: 1, giaddr: '10.99.0.1' })));
    relay.send(bytesOf(request({ type: 1, giaddr: '127.77.9.1', op: 2 })));
    relay.send(bytesOf(request({ type: 1, giaddr: '127.0.0.1' })));
    await waitFor(() => server.counters().ignored === 3, { what: 'three messages to be ignored' });
    expect(server.counters().reasons).toEqual({ 'unknown-network': 1, 'not-a-request': 1, 'relayed-by-ourselves': 1 });
    expect(server.counters().offers).toBe(0);
  });

  it('attack 7: stores names with escapes as plain text', async () => {
    const { port } = await lab.startServer();
    await (await relayTo(port)).acquire(mac(1), { 12: "a\n$(reboot)\x1b[2J'; DROP TABLE leases;--\0x" });
    const { rows } = await lab.pool.query('SELECT hostname FROM leases');
    expect(rows).toEqual([{ hostname: "a?$(reboot)?[2J'; DROP TABLE leases;--" }]);
  });
});

describe('ports', () => {
  it('netboot rule 2: names the program that has the port', async () => {
    const { port } = await lab.startServer();
    await expect(lab.startServer({ sockets: { kind: 'address', host: '127.0.0.1', port } })).rejects.toMatchObject({
      message: expect.stringContaining(`127.0.0.1:${port} is in use`),
      fix: expect.stringContaining('stop that program'),
    });
  });
});

describe('firmware that we cannot boot', () => {
  it('attack 14: gets an address, no file, and its cause in the timeline and the counters', async () => {
    const { port, events } = await lab.startServer();
    const relay = await relayTo(port);
    const ack = await relay.acquire(mac(1), { 60: 'PXEClient:Arch:00999:UNDI:003016', 93: Buffer.from([3, 231]) });
    expect([ack?.options.has(67), ack?.options.has(60), ack?.bootFile.every((byte) => byte === 0)]).toEqual([false, false, true]);
    expect(events.filter((event) => event.kind === 'dhcp-offer' || event.kind === 'dhcp-ack').map((event) => event.detail)).toEqual([
      'unknown architecture',
      'unknown architecture',
    ]);
  });
});

describe('networks with settings of their own', () => {
  it('netboot rule 4: answers port 4011 in mode proxy, and offers the file and no address on the other', async () => {
    await lab.pool.query(`UPDATE networks SET dhcp_mode = 'proxy'`);
    const bootServerPort = await freePort();
    const { port } = await lab.startServer({ sockets: { kind: 'address', host: '127.0.0.1', port: 0, bootServerPort } });
    const offer = await (await relayTo(port)).ask({ type: 1, mac: mac(1), options: PXE });
    expect([offer?.yourIpAddress, offer?.options.get(67)?.toString(), offer?.options.has(51)]).toEqual([0, 'snponly.efi', false]);
    const ack = await (await relayTo(bootServerPort, '127.77.9.2')).ask({ type: 3, mac: mac(1), giaddr: '0.0.0.0', ciaddr: '127.77.9.2', options: PXE });
    expect([ack?.options.get(53), ack?.yourIpAddress, ack?.options.get(67)?.toString()]).toEqual([Buffer.from([5]), 0, 'snponly.efi']);
  });

  it('netboot rule 19: in mode proxy writes down which address the other server gave, so that a script may be rendered to it', async () => {
    await lab.pool.query(`UPDATE networks SET dhcp_mode = 'proxy'`);
    const { port } = await lab.startServer();
    const relay = await relayTo(port);
    for (const address of ['127.77.4.4', '127.77.4.5']) {
      const options = { ...PXE, 50: `@${address}`, 54: '@127.77.0.9' };
      relay.send(bytesOf(request({ type: 3, mac: mac(1), giaddr: '127.77.9.1', options })));
      await waitFor(async () => (await stateOf(address)) === 'active', { what: 'the observed lease to be a row' });
    }
    expect(await stateOf('127.77.4.4')).toBe('released');
  });

  it('netboot rule 5: gives two client identifiers of one machine two leases where the network says so, and remembers whose they are', async () => {
    await lab.pool.query(`UPDATE networks SET identify_by = 'client-id'`);
    const [one, two] = [Buffer.from('ff0000000100010001', 'hex'), Buffer.from('ff0000000200010001', 'hex')];
    const { port, server } = await lab.startServer();
    const relay = await relayTo(port);
    const first = await relay.acquire(mac(1), { 61: one });
    const second = await relay.acquire(mac(1), { 61: two });
    expect(second?.yourIpAddress).not.toBe(first?.yourIpAddress);
    await server.close();
    const again = await lab.startServer();
    expect((await (await relayTo(again.port)).acquire(mac(1), { 61: one }))?.yourIpAddress).toBe(first?.yourIpAddress);
    const { rows } = await lab.pool.query(`SELECT client_key FROM leases WHERE mac = $1 AND state = 'active' ORDER BY client_key`, [mac(1)]);
    expect(rows).toEqual([{ client_key: one.toString('hex') }, { client_key: two.toString('hex') }]);
  });

  it('netboot rule 7: reads the row before it refuses a machine that another server has given a lease', async () => {
    const { port, server } = await lab.startServer();
    await lab.pool.query(
      `INSERT INTO leases (address, network_id, mac, state, expires_at, updated_at) VALUES ('127.77.200.3', 1, $1, 'active', now() + interval '1 hour', now())`,
      [mac(1)],
    );
    const relay = await relayTo(port);
    const known = await relay.ask({ type: 3, mac: mac(1), options: { 50: '@127.77.200.3' } });
    const unknown = await relay.ask({ type: 3, mac: mac(2), options: { 50: '@127.77.200.4' } });
    expect([known?.options.get(53), unknown?.options.get(53)]).toEqual([Buffer.from([5]), Buffer.from([6])]);
    expect(server.counters().reasons).toEqual({ 'no lease known': 1 });
  });

  it('attack 9: leaves a flood of unknown machines at their quota, raises one alarm, and serves the known ones', async () => {
    await lab.pool.query('UPDATE networks SET unknown_quota = 1');
    await lab.putEntry(mac(100));
    const alarms: string[] = [];
    const { port, server } = await lab.startServer({ onAlarm: (one) => alarms.push(one.code) });
    const relay = await relayTo(port);
    const strangers = await Promise.all([1, 2, 3, 4].map((n) => relay.ask({ type: 1, mac: mac(n) }, 300)));
    expect(strangers.filter((offer) => offer !== undefined)).toHaveLength(1);
    expect([await relay.acquire(mac(100)), await relay.acquire(RESERVED)].map((ack) => ack !== undefined)).toEqual([true, true]);
    expect([alarms, server.counters().reasons]).toEqual([['dhcp-unknown-quota'], { 'unknown-quota': 3 }]);
  });

  it("sends the options of a network, and a node's own before them", async () => {
    await lab.pool.query(`UPDATE networks SET options = '{"ntp-servers": "10.0.0.1", "root-path": "/net", "nonsense": 1}'`);
    await lab.putEntry(mac(1), { options: { 'root-path': '/node' } });
    const { port } = await lab.startServer();
    const ack = await (await relayTo(port)).acquire(mac(1));
    expect([ack?.options.get(42), ack?.options.get(17)?.toString()]).toEqual([Buffer.from([10, 0, 0, 1]), '/node']);
  });
});
