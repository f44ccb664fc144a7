/** Power that the engine switches itself: powersave, and power on for work that waits. The BMC is a function that remembers. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { carryOutOrders, noteOperatorPower } from '../../../src/power/orders.js';
import { bulk } from '../../../src/noderoles/bulk.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addMachines, addRoles, bind, call, claimAndBegin, commit, driveToEnd, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';

let engine: DirectEngine;
let asked: string[];
let fails: Error | null;
beforeAll(async () => {
  engine = await openDirectEngine();
});
beforeEach(async () => {
  await engine.reset();
  await engine.db.pool.query('TRUNCATE power_orders, bmcs');
  asked = [];
  fails = null;
});
afterAll(() => engine.close());

const log = createLogger('test', 'silent');
const carry = () =>
  carryOutOrders(
    {
      db: engine.db,
      log,
      async power({ nodeId, action, nextBoot }) {
        asked.push(`${nodeId} ${action} ${nextBoot ?? '-'}`);
        if (fails) throw fails;
      },
    },
    new AbortController().signal,
  );
const decide = () => call(engine.db, "decide_power('15 minutes')");

async function machine(options: { alive: boolean; bmc?: boolean; hint?: object }): Promise<number> {
  const [node] = (await addMachines(engine.db, 1)) as [number];
  await engine.db.pool.query('UPDATE nodes SET alive = $2, hint = $3 WHERE id = $1', [node, options.alive, JSON.stringify(options.hint ?? {})]);
  if (options.bmc !== false) await engine.db.pool.query(`INSERT INTO bmcs (node_id, driver, address, port) VALUES ($1, 'simulated', 'x', 1)`, [node]);
  return node;
}
const order = async () =>
  (
    await engine.db.pool.query<{ action: string; cause: string; attempts: number; done: boolean; last_error: string | null }>(
      'SELECT action, cause, attempts, done_at IS NOT NULL AS done, last_error FROM power_orders',
    )
  ).rows;

describe('power on', () => {
  it('work committed for a node that is not alive switches it on into discovery, once', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const node = await machine({ alive: false });
    await bind(engine, only, node);
    expect(await decide()).toBe(0);
    await commit(engine);
    expect(await decide()).toBe(1);
    expect(await decide()).toBe(0);
    expect(await carry()).toBe(1);
    expect(asked).toEqual([`${node} on pxe`]);
    expect(await decide()).toBe(0);
    expect(await order()).toEqual([{ action: 'on', cause: 'work is waiting: only', attempts: 1, done: true, last_error: null }]);
  });

  it('an installed node boots from its disk', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const node = await machine({ alive: false });
    await engine.db.pool.query(`UPDATE nodes SET bootenv = 'local' WHERE id = $1`, [node]);
    await bind(engine, only, node);
    await commit(engine);
    await decide();
    await carry();
    expect(asked).toEqual([`${node} on -`]);
  });

  it.each([
    ['has no BMC', async (node: number) => engine.db.pool.query('DELETE FROM bmcs WHERE node_id = $1', [node])],
    ['is set aside', async (node: number) => engine.db.pool.query('UPDATE nodes SET available = false WHERE id = $1', [node])],
    ['belongs to a deployment that says never', async () => engine.db.pool.query(`UPDATE deployments SET power_on = 'never'`)],
    ['belongs to a deployment that is paused', async () => engine.db.pool.query(`UPDATE deployments SET paused_at = now()`)],
    ['was switched off by an operator since', async (node: number) => noteOperatorPower(engine.db, node, 'off', 'op')],
  ])('leaves alone a node that %s', async (_what, make) => {
    const { only } = await addRoles(engine.db, { only: [] });
    const node = await machine({ alive: false });
    await bind(engine, only, node);
    await commit(engine);
    await make(node);
    expect(await decide()).toBe(0);
  });

  it('is tried again with pauses when the BMC fails, and given up with an alarm', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    await bind(engine, only, await machine({ alive: false }));
    await commit(engine);
    await decide();
    fails = new Error('no answer');
    expect(await carry()).toBe(0);
    expect(await order()).toEqual([expect.objectContaining({ attempts: 1, done: false, last_error: 'no answer' })]);
    expect(await carry()).toBe(0);
    expect(asked).toHaveLength(1);
    await engine.db.pool.query(`UPDATE power_orders SET not_before = now() - interval '1 second', attempts = 5`);
    await carry();
    expect(await order()).toEqual([expect.objectContaining({ done: true })]);
    const { rows } = await engine.db.pool.query(`SELECT data->>'code' AS code FROM outbox_events WHERE kind = 'alarm'`);
    expect(rows).toEqual([{ code: 'power-order-failed' }]);
  });
});

describe('powersave', () => {
  async function resting(hint = {}): Promise<{ node: number; roles: Record<string, number> }> {
    const roles = await addRoles(engine.db, { saver: [], later: ['saver'] }, { saver: { flags: ['powersave'] } });
    const node = await machine({ alive: true, hint });
    await bind(engine, roles.saver, node);
    await commit(engine);
    await driveToEnd(engine.db);
    return { node, roles };
  }

  it('switches the node off when its role is ACTIVE and nothing else is under way, once', async () => {
    const { node } = await resting();
    expect(await decide()).toBe(1);
    await carry();
    expect(asked).toEqual([`${node} off -`]);
    expect((await engine.db.pool.query('SELECT alive FROM nodes WHERE id = $1', [node])).rows).toEqual([{ alive: false }]);
    // Somebody switches it on by hand: it stays on.
    await engine.db.pool.query('UPDATE nodes SET alive = true');
    expect(await decide()).toBe(0);
  });

  it('leaves on what has the hint stay_on, and what something hangs below', async () => {
    await resting({ stay_on: true });
    expect(await decide()).toBe(0);
    await engine.db.pool.query(`UPDATE nodes SET hint = '{}'`);
    await engine.db.pool.query('UPDATE deployments SET paused_at = NULL');
    const { node, roles } = {
      node: (await engine.db.pool.query<{ id: number }>(`SELECT id FROM nodes WHERE kind = 'machine'`)).rows[0].id,
      roles: await addRoles(engine.db, { saver: [], later: ['saver'] }, { saver: { flags: ['powersave'] } }),
    };
    await bind(engine, roles.later, node);
    await commit(engine);
    expect(await decide()).toBe(0);
    await driveToEnd(engine.db);
    expect(await decide()).toBe(1);
  });

  it('does not switch off a node that got work after it was decided', async () => {
    const { node, roles } = await resting();
    expect(await decide()).toBe(1);
    await bind(engine, roles.later, node);
    await commit(engine);
    await claimAndBegin(engine.db);
    expect(await carry()).toBe(0);
    expect(asked).toEqual([]);
    expect(await order()).toEqual([expect.objectContaining({ done: true, last_error: 'there is work for it again' })]);
  });

  it('a node that was switched off is switched on for new work, and off again after it', async () => {
    const { node } = await resting();
    await decide();
    await carry();
    await bulk(engine.db, 'rerun', { filter: { nodeId: node }, dryRun: false, actor: 'op' });
    expect(await decide()).toBe(1);
    await carry();
    await engine.db.pool.query('UPDATE nodes SET alive = true');
    await driveToEnd(engine.db);
    expect(await decide()).toBe(1);
    await carry();
    expect(asked).toEqual([`${node} off -`, `${node} on pxe`, `${node} off -`]);
  });
});
