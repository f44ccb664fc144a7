import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, type Db } from '../../../src/db/client.js';
import { reportFacts } from '../../../src/nodes/discover.js';
import { recordPhases } from '../../../src/nodes/phase.js';
import { createNode } from '../../../src/nodes/store.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { eventsOf, machineMac, machineUuid, report, seedSystemDeployment } from './builders.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test', poolSize: 16 });
  await emptyTables(db.pool);
  await seedSystemDeployment(db);
});
afterEach(async () => {
  await db.close();
});

const count = async (table: string) => (await db.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

describe('reportFacts', () => {
  it('race 17: makes one node of a machine that boots twice at once from different NICs', async () => {
    const reports = Array.from({ length: 8 }, (_unused, i) => report(1, { nic: i % 2, bootId: `boot-number-${i}` }));
    const answers = await Promise.all(reports.map((each) => reportFacts(db, each)));
    expect(new Set(answers.map((answer) => answer.nodeId)).size).toBe(1);
    expect(await count('nodes')).toBe(1);
    expect(await count('nics')).toBe(2);
    expect(await eventsOf(db, 'node-created')).toHaveLength(1);
  });

  it('makes as many nodes as there are machines when a rack reports at once', async () => {
    await Promise.all(Array.from({ length: 24 }, (_unused, i) => reportFacts(db, report(i + 1))));
    expect(await count('nodes')).toBe(24);
  });

  it('names it after the MAC it booted from, in the system deployment, alive in its first boot', async () => {
    const { nodeId, name, isNew, bootEpoch } = await reportFacts(db, report(1));
    expect({ name, isNew, bootEpoch }).toEqual({ name: 'd52-54-00-00-01-00.prybar.internal', isNew: true, bootEpoch: 1 });
    const { rows } = await db.pool.query(
      'SELECT n.alive, n.bootenv, n.boot_class, s.phase, s.boot_id FROM nodes n JOIN node_status s ON s.node_id = n.id WHERE n.id = $1',
      [nodeId],
    );
    expect(rows[0]).toEqual({ alive: true, bootenv: 'discovery', boot_class: 'discovery', phase: 'agent', boot_id: 'boot-1-a' });
  });

  it('is named by the template of the network it booted on, keeps its leased address there, and gets one of each other network', async () => {
    await db.pool.query(
      `INSERT INTO networks (id, name, subnet, domain, category, name_template, suffix, conduit) VALUES
         (1, 'other', '10.7.0.0/24', 'elsewhere.example', 'admin', 'no{n}', NULL, NULL),
         (2, 'boot', '127.77.0.0/24', 'rack.example', 'admin', 'ctrl{n}', NULL, NULL),
         (3, 'vm', '172.20.0.0/24', 'rack.example', 'vm', NULL, 'vm', 'eth1')`,
    );
    await db.pool.query(
      `INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (2, 'host', '127.77.0.100', '127.77.0.200'), (3, 'host', '172.20.0.1', '172.20.0.9')`,
    );
    await db.pool.query(
      `INSERT INTO leases (address, network_id, mac, expires_at) SELECT '127.77.0.' || n, 2, '52:54:00:00:0' || n || ':00', now() + interval '1 hour' FROM generate_series(1, 2) n`,
    );
    const named = [await reportFacts(db, report(1)), await reportFacts(db, report(2)), await reportFacts(db, report(1, { bootId: 'again' }))];
    expect(named.map((node) => node.name)).toEqual(['ctrl1.rack.example', 'ctrl2.rack.example', 'ctrl1.rack.example']);
    const { rows } = await db.pool.query('SELECT network_id, address, mac FROM reservations WHERE node_id = $1 ORDER BY network_id', [named[0]?.nodeId]);
    expect(rows).toEqual([
      { network_id: 2, address: '127.77.0.1', mac: machineMac(1, 0) },
      { network_id: 3, address: '172.20.0.1', mac: machineMac(1, 1) },
    ]);
  });

  it('is the node that the operator registered with one of its MACs', async () => {
    const { nodeId } = await createNode(db, { name: 'web1', macs: [machineMac(1, 1).toUpperCase().replaceAll(':', '-')] });
    expect(await reportFacts(db, report(1))).toMatchObject({ nodeId, name: 'web1', isNew: false });
    expect(await count('nics')).toBe(2);
  });

  it('reports nothing new when nothing is new', async () => {
    await reportFacts(db, report(1));
    const before = await count('outbox_events');
    await reportFacts(db, report(1));
    expect(await count('outbox_events')).toBe(before);
  });

  it('keeps machines with a placeholder UUID apart', async () => {
    for (const number of [1, 2]) await reportFacts(db, report(number, { uuid: '03000200-0400-0500-0006-000700080009', serial: 'Default string' }));
    expect(await count('nodes')).toBe(2);
    expect(await eventsOf(db, 'alarm')).toHaveLength(0);
  });

  it('makes a machine that claims the UUID of another a node of its own, and raises an alarm', async () => {
    await reportFacts(db, report(1));
    const { isNew } = await reportFacts(db, report(2, { uuid: machineUuid(1) }));
    expect(isNew).toBe(true);
    expect((await eventsOf(db, 'alarm')).map((event) => event.data.code)).toEqual(['identity-conflict']);
  });

  it('refuses a machine with the NIC of another, and writes nothing but the alarm', async () => {
    await reportFacts(db, report(1));
    await expect(reportFacts(db, report(2, { macs: [machineMac(1, 0)] }))).rejects.toMatchObject({ code: 'identity-conflict' });
    expect(await count('nodes')).toBe(1);
    const { rows } = await db.pool.query('SELECT uuid, serial FROM nodes');
    expect(rows[0]).toEqual({ uuid: machineUuid(1), serial: 'SN1' });
    expect((await eventsOf(db, 'alarm')).map((event) => event.data.code)).toEqual(['identity-conflict']);
  });

  it('race 18: reserves the address that is leased to the MAC, and no other', async () => {
    const { rows } = await db.pool.query<{ id: number }>(`INSERT INTO networks (name, subnet) VALUES ('t', '127.77.0.0/16') RETURNING id`);
    const lease = (address: string, mac: string) =>
      db.pool.query(`INSERT INTO leases (address, network_id, mac, expires_at) VALUES ($1, $2, $3, clock_timestamp() + interval '1 hour')`, [
        address,
        rows[0].id,
        mac,
      ]);
    await lease('127.77.0.1', machineMac(1));
    await lease('127.77.0.2', machineMac(3));
    const { nodeId } = await reportFacts(db, report(1));
    await reportFacts(db, report(2));
    const reserved = await db.pool.query('SELECT address, mac, node_id FROM reservations');
    expect(reserved.rows).toEqual([{ address: '127.77.0.1', mac: machineMac(1), node_id: nodeId }]);
  });

  it('links the boot steps that were seen before it was known', async () => {
    await recordPhases(db, [{ mac: machineMac(1), kind: 'dhcp-discover', phase: 'dhcp', detail: 'firmware', at: new Date() }]);
    const { nodeId } = await reportFacts(db, report(1));
    const { rows } = await db.pool.query('SELECT kind FROM boot_events WHERE node_id = $1 ORDER BY id', [nodeId]);
    expect(rows.map((row) => row.kind)).toEqual(['dhcp-discover', 'facts']);
  });
});

describe('createNode', () => {
  it('refuses a taken name and a taken MAC, naming the owner', async () => {
    await createNode(db, { name: 'a', macs: [machineMac(1)] });
    await expect(createNode(db, { name: 'a' })).rejects.toMatchObject({ code: 'name-taken' });
    await expect(createNode(db, { name: 'b', macs: [machineMac(1)] })).rejects.toThrow(`${machineMac(1)} belongs to a`);
    await expect(createNode(db, { name: 'c', macs: ['ff:ff:ff:ff:ff:ff'] })).rejects.toMatchObject({ code: 'validation-failed' });
    expect(await count('nodes')).toBe(1);
  });
});
