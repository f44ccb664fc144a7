import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { nodeChanged, type NodeField } from '../../../src/events/events.js';
import { writeEvents } from '../../../src/events/outbox.js';
import { createHookDispatcher, type HookDispatcher } from '../../../src/hooks/dispatch.js';
import { allOk, type HookItem, type RoleHooks } from '../../../src/hooks/hooks.js';
import { replayParked } from '../../../src/hooks/store.js';
import { createLogger } from '../../../src/shared/logger.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { eventsOf } from '../nodes/builders.js';

let database: TestDatabase;
let db: Db;
const open: HookDispatcher[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((dispatcher) => dispatcher.close()));
  await db.close();
});

function dispatcher(roles: Record<string, RoleHooks>, more: { hookTimeoutMs?: number } = {}): HookDispatcher {
  const made = createHookDispatcher(db, { roles: new Map(Object.entries(roles)), log: createLogger('test', 'silent'), backoffMs: () => 0, ...more });
  open.push(made);
  return made;
}
const change = (nodeId: number, version: number, changed: NodeField[], depth = 0) =>
  withTransaction(db.pool, (tx) => writeEvents(tx, [nodeChanged(nodeId, version, changed)], depth));
const pending = async () =>
  (await db.pool.query('SELECT role, hook, subject_id, attempts, parked_at IS NOT NULL AS parked FROM hook_deliveries ORDER BY id')).rows;
const recorder = (calls: HookItem[][]): RoleHooks => ({
  onNodeChange: (items) => {
    calls.push(items);
    return Promise.resolve(allOk(items));
  },
});

describe('rule 19: hook deliveries', () => {
  it('tells a role once of several changes of one node, in batches for many nodes', async () => {
    const calls: HookItem[][] = [];
    await change(1, 2, ['bootenv']);
    await change(1, 3, ['nics']);
    await change(2, 7, ['alive']);
    await dispatcher({ r: recorder(calls) }).drain();
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject([
      { subjectId: 1, version: 3, changed: ['bootenv', 'nics'] },
      { subjectId: 2, version: 7, changed: ['alive'] },
    ]);
    expect(await pending()).toEqual([]);
  });

  it('race 19: calls a hook again that got a newer event while it ran', async () => {
    const calls: HookItem[][] = [];
    const second: RoleHooks = {
      async onNodeChange(items) {
        calls.push(items);
        if (calls.length === 1) {
          await change(1, 3, ['nics']);
          // Another process records it: the row of the running delivery.
          await dispatcher({ r: recorder([]) }).drain();
        }
        return allOk(items);
      },
    };
    await change(1, 2, ['bootenv']);
    const main = dispatcher({ r: second });
    await main.drain();
    await main.drain();
    expect(calls.map((items) => items[0]?.version)).toEqual([2, 3]);
    expect(await pending()).toEqual([]);
  });

  it('lets a poisoned node fail alone, parks it after ten tries with an alarm, and replays it when told', async () => {
    const done = new Set<number>();
    let isPoisoned = true;
    const roles: Record<string, RoleHooks> = {
      r: {
        onNodeChange: (items) => {
          if (isPoisoned && items.some((item) => item.subjectId === 13)) return Promise.reject(new Error('poison'));
          for (const item of items) done.add(item.subjectId);
          return Promise.resolve(allOk(items));
        },
      },
    };
    for (const nodeId of [12, 13, 14]) await change(nodeId, 1, ['bootenv']);
    const main = dispatcher(roles);
    await main.drain();
    expect([...done].sort((a, b) => a - b)).toEqual([12, 14]);
    await waitFor(async () => (await main.drain(), (await pending())[0]?.parked), { what: 'the delivery to be parked' });
    expect(await pending()).toMatchObject([{ subject_id: 13, attempts: 10, parked: true }]);
    expect((await eventsOf(db, 'alarm')).map((event) => event.data.code)).toEqual(['hook-parked']);
    isPoisoned = false;
    expect(await replayParked(db.pool, { role: 'r', id: null })).toBe(1);
    await main.drain();
    expect(done.has(13)).toBe(true);
    expect(await pending()).toEqual([]);
  });

  it('believes answers for each subject, and takes none for a failure', async () => {
    await change(1, 1, ['bootenv']);
    await change(2, 1, ['bootenv']);
    await change(3, 1, ['bootenv']);
    let isFirst = true;
    const seen: number[][] = [];
    await dispatcher({
      r: {
        onNodeChange: (items) => {
          seen.push(items.map((item) => item.subjectId));
          const wasFirst = isFirst;
          isFirst = false;
          return Promise.resolve(
            wasFirst
              ? [
                  { subjectId: 1, ok: true },
                  { subjectId: 2, ok: false, error: 'no' },
                ]
              : allOk(items),
          );
        },
      },
    }).drain();
    expect(seen[0]).toEqual([1, 2, 3]);
    expect(
      seen
        .slice(1)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual([2, 3]);
  });

  it('does not let a slow or failing role hold back another', async () => {
    const calls: HookItem[][] = [];
    await change(1, 1, ['bootenv']);
    const main = dispatcher({ slow: { onNodeChange: () => new Promise(() => undefined) }, quick: recorder(calls) }, { hookTimeoutMs: 300 });
    main.start();
    await waitFor(() => calls.length === 1, { what: 'the quick role to be told' });
    expect((await pending()).map((row) => row.role)).toEqual(['slow']);
  });

  it('tells a create before the delete of the same node', async () => {
    const order: string[] = [];
    const told = (name: string) => (items: HookItem[]) => {
      order.push(name);
      return Promise.resolve(allOk(items));
    };
    await withTransaction(db.pool, (tx) =>
      writeEvents(tx, [
        { kind: 'node-created', subjectType: 'node', subjectId: 1, version: 1, data: { name: 'n', deployment_id: 1, macs: [] } },
        { kind: 'node-deleted', subjectType: 'node', subjectId: 1, version: 2, data: { name: 'n', macs: [] } },
      ]),
    );
    await dispatcher({ r: { onNodeDelete: told('delete'), onNodeCreate: told('create') } }).drain();
    expect(order).toEqual(['create', 'delete']);
  });

  it('parks hooks that call each other in a circle', async () => {
    let calls = 0;
    const loop: RoleHooks = {
      async onNodeChange(items, ctx) {
        calls += 1;
        await ctx.transaction((tx) => writeEvents(tx, [nodeChanged(1, calls, ['hint'])]));
        return allOk(items);
      },
    };
    await change(1, 1, ['hint']);
    await dispatcher({ r: loop }).drain();
    expect(calls).toBe(9);
    expect(await pending()).toMatchObject([{ parked: true }]);
    expect((await eventsOf(db, 'alarm')).map((event) => event.data.code)).toEqual(['hook-loop']);
  });

  it('delivers each event once when several processes dispatch', async () => {
    const calls: HookItem[][] = [];
    for (let i = 1; i <= 30; i += 1) await change(i, 1, ['bootenv']);
    await Promise.all([dispatcher({ r: recorder(calls) }).drain(), dispatcher({ r: recorder(calls) }).drain(), dispatcher({ r: recorder(calls) }).drain()]);
    expect(
      calls
        .flat()
        .map((item) => item.subjectId)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 30 }, (_unused, i) => i + 1));
  });
});
