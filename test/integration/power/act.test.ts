import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDb, type Db } from '../../../src/db/client.js';
import { createBmcLocks, type BmcLocks } from '../../../src/power/exclusive.js';
import { powerAction, readPower, type PowerAsk, type PowerDeps } from '../../../src/power/act.js';
import { setBmc } from '../../../src/power/bmcs.js';
import { programAfter } from '../../../src/power/ipmi.js';
import { openDriver } from '../../../src/power/drivers.js';
import { openSecrets } from '../../../src/power/secrets.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { bootedNode, seedSystemDeployment } from '../nodes/builders.js';

/** A power switch that answers HTTP: it obeys after some looks, or never, or not at once. */
class Switch {
  power: 'on' | 'off' = 'on';
  readonly actions: { action: string; next_boot: string | null }[] = [];
  readonly server: Server;
  /** Status queries that still show the old power after an action. */
  lag = 0;
  obeys = true;
  failures = 0;
  active = 0;
  mostActive = 0;
  #shown: 'on' | 'off' = 'on';
  #stale = 0;

  constructor() {
    this.server = createServer((req, res) => void this.#answer(req, res));
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.headers.authorization !== `Basic ${Buffer.from('admin:calvin').toString('base64')}`) return void res.writeHead(401).end();
    if (this.failures > 0) {
      this.failures -= 1;
      return void req.socket.destroy();
    }
    if (req.method === 'POST') await this.#act(req);
    if (this.#stale > 0) this.#stale -= 1;
    else this.#shown = this.power;
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ power: this.#shown, next_boot: null }));
  }

  async #act(req: IncomingMessage): Promise<void> {
    this.active += 1;
    this.mostActive = Math.max(this.mostActive, this.active);
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const body = JSON.parse(text) as { action: string; next_boot: string | null };
    this.actions.push(body);
    this.#stale = this.lag;
    if (this.obeys) this.power = body.action === 'off' ? 'off' : 'on';
    this.active -= 1;
  }
}

let database: TestDatabase;
let db: Db;
let home: string;
let bmcSwitch: Switch;
let locks: BmcLocks;
let deps: PowerDeps;
let nodeId: number;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  home = await mkdtemp(path.join(tmpdir(), 'prybar-power-'));
  bmcSwitch = new Switch();
  bmcSwitch.server.listen(0, '127.0.0.1');
  await once(bmcSwitch.server, 'listening');
  locks = createBmcLocks(database.url);
  const secrets = await openSecrets(home);
  deps = {
    secrets,
    locks,
    openDriver: (bmc, machine) => ({ driver: openDriver(bmc, machine).driver, timing: { spacingMs: 0, verifyEveryMs: 5, verifyTimeoutMs: 300 } }),
  };
  await seedSystemDeployment(db);
  nodeId = await bootedNode(db, 1);
  await setBmc(db, secrets, nodeId, { driver: 'simulated', address: '127.0.0.1', port: portOf(bmcSwitch.server), username: 'admin', password: 'calvin' });
});
afterEach(async () => {
  await locks.close();
  await db.close();
  bmcSwitch.server.closeAllConnections();
  bmcSwitch.server.close();
  await rm(home, { recursive: true, force: true });
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
const ask = (action: PowerAsk['action'], more: Partial<PowerAsk> = {}): PowerAsk => ({
  nodeId,
  action,
  nextBoot: null,
  signal: AbortSignal.timeout(10_000),
  ...more,
});
const row = async () => (await db.pool.query('SELECT b.power, b.last_error, n.alive FROM bmcs b JOIN nodes n ON n.id = b.node_id')).rows[0];

describe('powerAction', () => {
  it('race 15: cycles with the next boot, and what ran before is not alive any more', async () => {
    await powerAction(db, ask('cycle', { nextBoot: 'pxe' }), deps);
    expect(bmcSwitch.actions).toEqual([{ action: 'cycle', next_boot: 'pxe' }]);
    expect(await row()).toEqual({ power: 'on', last_error: null, alive: false });
  });

  it('rule 1: sends nothing for a run whose lease is over, though the machine is asked how it is', async () => {
    await expect(powerAction(db, ask('cycle', { nextBoot: 'pxe', mayAct: () => false }), deps)).rejects.toMatchObject({ code: 'lease-over' });
    expect(bmcSwitch.actions).toEqual([]);
    expect((await row()).alive).toBe(true);
    // It is over between two tries: the one that would come after it is not made.
    let may = true;
    const driver = {
      status: async () => 'on' as const,
      setNextBoot: async () => undefined,
      on: async () => undefined,
      off: async () => undefined,
      cycle: async () => {
        if (!may) throw new Error('sent too late');
        may = false;
        throw new Error('no answer');
      },
    };
    const slow = { ...deps, openDriver: () => ({ driver, timing: { spacingMs: 0, verifyEveryMs: 5, verifyTimeoutMs: 300 } }) };
    await expect(powerAction(db, ask('cycle', { mayAct: () => may }), slow)).rejects.toMatchObject({ code: 'lease-over' });
  });

  it('rule 1: a program for a BMC is not begun when that is forbidden just before', async () => {
    const never = programAfter(() => {
      throw new Error('the lease is over');
    });
    await expect(never('false', [], { env: {}, signal: AbortSignal.timeout(1000), timeout: 1000 })).rejects.toThrow('the lease is over');
  });

  it('waits until the BMC agrees', async () => {
    bmcSwitch.lag = 5;
    await powerAction(db, ask('off'), deps);
    expect(await row()).toMatchObject({ power: 'off' });
  });

  it('does not believe a BMC that took the command and did nothing', async () => {
    bmcSwitch.obeys = false;
    await expect(powerAction(db, ask('off'), deps)).rejects.toMatchObject({ code: 'timeout', retryable: true });
    expect(await row()).toMatchObject({ alive: true, last_error: expect.stringContaining('power is on instead of off') });
  });

  it('turns on a machine that is off when asked to cycle it, and leaves one alone that is as asked', async () => {
    bmcSwitch.power = 'off';
    await powerAction(db, ask('off'), deps);
    expect(bmcSwitch.actions).toEqual([]);
    await powerAction(db, ask('cycle'), deps);
    expect(bmcSwitch.actions.map((each) => each.action)).toEqual(['on']);
  });

  it('tries again when the connection breaks', async () => {
    bmcSwitch.failures = 1;
    expect(await readPower(db, { nodeId, signal: AbortSignal.timeout(10_000) }, deps)).toBe('on');
  });

  it('says that the password is refused, without trying again', async () => {
    const secrets = await openSecrets(home);
    await setBmc(db, secrets, nodeId, { driver: 'simulated', address: '127.0.0.1', port: portOf(bmcSwitch.server), username: 'admin', password: 'wrong' });
    await expect(powerAction(db, ask('on'), deps)).rejects.toMatchObject({ code: 'bmc-credentials', retryable: false });
    expect((await row()).last_error).not.toContain('wrong');
  });

  it('race 14: does one thing at a time to a BMC, also from two processes', async () => {
    const others = createBmcLocks(database.url);
    const verbs = ['cycle', 'cycle', 'cycle', 'cycle'] as const;
    await Promise.all(verbs.map((verb, i) => powerAction(db, ask(verb), i % 2 === 0 ? deps : { ...deps, locks: others })));
    await others.close();
    expect(bmcSwitch.actions).toHaveLength(4);
    expect(bmcSwitch.mostActive).toBe(1);
  });

  it('refuses a node without a BMC and an unknown driver', async () => {
    await db.pool.query(`UPDATE bmcs SET driver = 'toString'`);
    await expect(powerAction(db, ask('on'), deps)).rejects.toMatchObject({ code: 'no-such-driver' });
    await db.pool.query('DELETE FROM bmcs');
    await expect(powerAction(db, ask('on'), deps)).rejects.toMatchObject({ code: 'no-bmc' });
  });
});

describe('the secret key', () => {
  it('is made once, for its owner alone, also when two processes start together', async () => {
    const other = await mkdtemp(path.join(tmpdir(), 'prybar-key-'));
    const both = await Promise.all([openSecrets(other), openSecrets(other)]);
    expect(both[1].decrypt(both[0].encrypt('x')).reveal()).toBe('x');
    expect((await stat(path.join(other, 'secret.key'))).mode & 0o777).toBe(0o600);
    await rm(other, { recursive: true });
  });
});
