import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { recordPowerLoss, sweepAlive } from '../../../src/nodes/alive.js';
import { recordBoot, recordHeartbeat, setDesiredBootenv } from '../../../src/nodes/boot.js';
import type { BootPhase } from '../../../src/nodes/boot-phases.js';
import { recordPhases } from '../../../src/nodes/phase.js';
import { createPhaseRecorder } from '../../../src/nodes/phase-recorder.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { bootedNode, eventsOf, machineMac, seedSystemDeployment } from './builders.js';

let database: TestDatabase;
let db: Db;
let nodeId: number;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await seedSystemDeployment(db);
  nodeId = await bootedNode(db, 1);
});
afterEach(async () => {
  await db.close();
});

const boot = (bootId: string, bootClass: 'discovery' | 'installer' | 'installed') =>
  withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId, bootClass, bootenv: null, address: null }));
const node = async () => (await db.pool.query('SELECT alive, boot_epoch, boot_class, desired_gen, bootenv FROM nodes WHERE id = $1', [nodeId])).rows[0];
const fact = async () => (await db.pool.query(`SELECT generation, detail FROM facts WHERE key = $1`, [`boot:${nodeId}`])).rows[0];
const silentFor = (seconds: number) => db.pool.query('UPDATE node_status SET heartbeat_at = clock_timestamp() - make_interval(secs => $1)', [seconds]);
const changes = async () => (await eventsOf(db, 'node-changed')).map((event) => (event.data.changed as string[]).join('+'));

describe('setDesiredBootenv', () => {
  it('raises the generation once for a change, and not at all for none', async () => {
    const wish = { nodeId, bootenv: 'debian-12', reason: 'install' };
    const first = await withTransaction(db.pool, (tx) => setDesiredBootenv(tx, wish));
    const again = await withTransaction(db.pool, (tx) => setDesiredBootenv(tx, wish));
    expect([first.generation, again.generation]).toEqual([2, 2]);
    expect((await changes()).filter((changed) => changed === 'bootenv')).toHaveLength(1);
  });
});

describe('recordBoot', () => {
  it('counts a boot once, however often it reports', async () => {
    expect(await boot('boot-b', 'installed')).toEqual({ bootEpoch: 2, isNew: true });
    expect(await boot('boot-b', 'installed')).toEqual({ bootEpoch: 2, isNew: false });
    expect(await fact()).toEqual({ generation: 2, detail: { boot_id: 'boot-b', class: 'installed', install_id: null } });
  });

  it('race 3: a node that reports another system than it should boot changes nothing of what it should boot', async () => {
    await withTransaction(db.pool, (tx) => setDesiredBootenv(tx, { nodeId, bootenv: 'debian-12', reason: 'install' }));
    await withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId: 'stale', bootClass: 'discovery', bootenv: 'discovery', address: null }));
    expect(await node()).toMatchObject({ bootenv: 'debian-12', desired_gen: 2 });
  });

  it('ends nothing with the boot of an installer, which brings no agent (engine-rules 16)', async () => {
    await boot('boot-i', 'installer');
    expect(await node()).toMatchObject({ alive: false, boot_epoch: 1, boot_class: 'installer' });
    expect(await fact()).toMatchObject({ generation: 1 });
  });
});

describe('alive (engine-rules 21)', () => {
  it('is lost after the grace and comes back with the next heartbeat of the same boot', async () => {
    expect(await sweepAlive(db, 20)).toEqual([]);
    await silentFor(21);
    expect(await sweepAlive(db, 20)).toEqual([nodeId]);
    expect(await sweepAlive(db, 20)).toEqual([]);
    expect(await node()).toMatchObject({ alive: false, boot_epoch: 1 });
    expect(await recordHeartbeat(db, nodeId, 'boot-1')).toBe(true);
    expect(await node()).toMatchObject({ alive: true, boot_epoch: 1 });
    expect((await changes()).filter((changed) => changed === 'alive')).toHaveLength(2);
  });

  it('race 9: does not come back with a heartbeat of an older boot', async () => {
    await silentFor(21);
    await sweepAlive(db, 20);
    expect(await recordHeartbeat(db, nodeId, 'boot-0')).toBe(false);
    expect(await node()).toMatchObject({ alive: false });
  });

  it('is never taken from admin nodes', async () => {
    await db.pool.query(`UPDATE nodes SET kind = 'admin' WHERE id = $1`, [nodeId]);
    await silentFor(1000);
    expect(await sweepAlive(db, 20)).toEqual([]);
  });

  it('leaves a node to the next sweep that somebody holds', async () => {
    await silentFor(21);
    await withTransaction(db.pool, async (tx) => {
      await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
      expect(await sweepAlive(db, 20)).toEqual([]);
    });
    expect(await sweepAlive(db, 20)).toEqual([nodeId]);
  });

  it('ends with the power, unless the node has booted since', async () => {
    await recordPowerLoss(db, nodeId, 'boot-0');
    expect(await node()).toMatchObject({ alive: true });
    await recordPowerLoss(db, nodeId, 'boot-1');
    expect(await node()).toMatchObject({ alive: false });
  });
});

describe('boot phases', () => {
  const step = (phase: BootPhase | null, ms: number, mac = machineMac(1)) => ({ mac, kind: `saw-${phase}`, phase, detail: 'x', at: new Date(ms) });
  const phase = async () => (await db.pool.query('SELECT phase FROM node_status WHERE node_id = $1', [nodeId])).rows[0]?.phase;

  it('follows the newest step, tells of each new phase once, and keeps a row of each step', async () => {
    await recordPhases(db, [step('dhcp', 1000), step('tftp', 2000), step(null, 2500)]);
    await recordPhases(db, [step('dhcp', 1500), step('tftp', 2600)]);
    expect(await phase()).toBe('tftp');
    expect((await eventsOf(db, 'boot-phase')).map((event) => event.data.phase)).toEqual(['tftp']);
    expect((await db.pool.query('SELECT 1 FROM boot_events')).rowCount).toBe(5);
  });

  it('keeps the later of two steps at one instant, and does not let one that says nothing of the phase decide', async () => {
    await recordPhases(db, [step('script', 1000), step('kernel', 1000), step(null, 2000)]);
    expect(await phase()).toBe('kernel');
  });

  it('writes a row without a node for a MAC nobody knows', async () => {
    await recordPhases(db, [step('dhcp', 1000, 'aa:aa:aa:aa:aa:aa')]);
    const { rows } = await db.pool.query('SELECT node_id FROM boot_events');
    expect(rows).toEqual([{ node_id: null }]);
  });

  it('is recorded in the background, and what is left is written at the end', async () => {
    const recorder = createPhaseRecorder(db, { flushMs: 5 });
    recorder.record(step('dhcp', 1000));
    await waitFor(async () => (await phase()) === 'dhcp', { what: 'the phase to be written' });
    recorder.record(step('tftp', 2000));
    await recorder.close();
    expect(await phase()).toBe('tftp');
    expect(recorder.forgotten()).toBe(0);
  });
});
