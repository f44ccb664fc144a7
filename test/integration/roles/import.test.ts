/** Barclamps into the database: what an import writes, what it refuses, what becomes of roles that are gone. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ensureSystem } from '../../../src/deployments/system.js';
import { bindDiscoveryRoles } from '../../../src/noderoles/discovery.js';
import { parseBarclamp } from '../../../src/roles/load.js';
import { importBarclamps, type ImportOptions } from '../../../src/roles/store.js';
import { addMachines, bind, useEngine } from '../../support/direct-engine.js';

const engine = useEngine();
beforeEach(async () => {
  await engine.db.pool.query('TRUNCATE barclamps');
});

type Roles = Record<string, Record<string, unknown>>;
const barclamp = (name: string, roles: Roles) =>
  parseBarclamp(JSON.stringify({ barclamp: { name }, roles: Object.entries(roles).map(([role, more]) => ({ name: role, jig: 'noop', ...more })) }), name);
const importOf = (name: string, roles: Roles, options: ImportOptions = {}) => importBarclamps(engine.db.pool, [barclamp(name, roles)], options);

type Row = { name: string; requires: string[]; soft_after: string[]; soft_after_deployment: string[]; cohort: number };
async function rows(): Promise<Row[]> {
  const names = (column: string) => `ARRAY(SELECT o.name FROM roles o WHERE o.id = ANY(ro.${column}) ORDER BY 1) AS ${column}`;
  const answer = await engine.db.pool.query<Row>(
    `SELECT ro.name, ARRAY(SELECT rr.requires FROM role_requires rr WHERE rr.role_id = ro.id ORDER BY 1) AS requires, ${names('soft_after')}, ${names('soft_after_deployment')}, ro.cohort
       FROM roles ro ORDER BY ro.name`,
  );
  return answer.rows;
}
const row = async (name: string) => (await rows()).find((each) => each.name === name);
async function idOf(name: string): Promise<number> {
  const answer = await engine.db.pool.query<{ id: number }>('SELECT id FROM roles WHERE name = $1', [name]);
  return answer.rows[0]?.id ?? 0;
}

describe('an import', () => {
  it('writes soft order as ids, for either scope, also when the other role comes later', async () => {
    expect((await importOf('early', { first: { precedes: ['late', { role: 'later', scope: 'deployment' }] } })).warnings).toHaveLength(2);
    await importOf('second', { late: {}, later: { requires: ['late'] } });
    expect(await row('late')).toEqual({ name: 'late', requires: [], soft_after: ['first'], soft_after_deployment: [], cohort: 1 });
    expect(await row('later')).toEqual({ name: 'later', requires: ['late'], soft_after: [], soft_after_deployment: ['first'], cohort: 2 });
    await importOf('early', { first: {} });
    expect(await row('late')).toMatchObject({ soft_after: [], cohort: 0 });
  });

  it('makes a role require whoever attaches to it, until that one attaches no more', async () => {
    await importOf('app', { app: {} });
    await importOf('monitoring', { agent: { attaches: ['app'] } });
    expect(await row('app')).toMatchObject({ requires: ['agent'], cohort: 1 });
    await importOf('monitoring', { agent: {} });
    expect(await row('app')).toMatchObject({ requires: [], cohort: 0 });
  });

  it('gives a cluster role its barrier, and changes and takes both away together', async () => {
    await importOf('galera', { galera: { flags: ['cluster'], barrier: { quorum: 2 } } });
    const companion = async () =>
      (await engine.db.pool.query('SELECT barclamp, jig, flags, jig_config, description FROM roles WHERE name = $1', ['barrier-galera'])).rows[0];
    expect(await companion()).toEqual({
      barclamp: 'galera',
      jig: 'role-provided',
      flags: ['service'],
      jig_config: { barrier_of: 'galera', quorum: 2 },
      description: 'Opens when 2 members of galera are ACTIVE.',
    });
    await importOf('galera', { galera: { flags: ['cluster'] } });
    expect(await companion()).toMatchObject({ jig_config: { barrier_of: 'galera', quorum: null } });
    expect((await importOf('galera', { galera: {} })).removed).toEqual(['barrier-galera']);
  });

  it('says what it did, and the second time that nothing changed', async () => {
    const roles = { b: { attribs: [{ name: 'port', default: 1 }] }, a: { requires: ['b'] } };
    expect(await importOf('x', roles)).toEqual({ created: ['b', 'a'], changed: [], unchanged: [], removed: [], retired: [], warnings: [] });
    expect(await importOf('x', roles)).toMatchObject({ created: [], changed: [], unchanged: ['b', 'a'] });
    expect(await importOf('x', { ...roles, a: {} })).toMatchObject({ changed: ['a'], unchanged: ['b'] });
  });

  it('by two processes at once leaves both with the same roles', async () => {
    await Promise.all(Array.from({ length: 4 }, () => importOf('x', { a: { requires: ['b'] }, b: {} })));
    expect(await rows()).toHaveLength(2);
  });

  it('takes 10,000 roles that require each other in a chain', async () => {
    const chain = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`r${index}`, index === 0 ? {} : { requires: [`r${index - 1}`] }]));
    const definition = barclamp('deep', chain);
    const before = performance.now();
    await importBarclamps(engine.db.pool, [definition]);
    await importBarclamps(engine.db.pool, [definition]);
    // Quadratic would be minutes.
    expect(performance.now() - before).toBeLessThan(30_000);
    expect((await row('r9999'))?.cohort).toBe(9_999);
    await expect(importOf('shut', { last: { requires: ['r9999'], attaches: ['r0'] } })).rejects.toMatchObject({ code: 'role-cycle' });
  });
});

describe('an import is refused whole', () => {
  const code = { jigs: new Set(['noop', 'script', 'role-provided']), functions: new Set(['installer']), hooks: new Map([['dns', new Set(['onNodeChange'])]]) };

  it.each<[string, Roles, ImportOptions, { code: string; words: string[] }]>([
    ['with a circle', { c: { requires: ['d'] }, d: { requires: ['c'] } }, {}, { code: 'role-cycle', words: ['c -> d -> c'] }],
    ['with a circle through what was there', { c: { requires: ['a'], attaches: ['b'] } }, {}, { code: 'role-cycle', words: ['a -> b -> c -> a'] }],
    ['with a requirement that dangles', { c: { requires: ['nowhere'] } }, {}, { code: 'role-dangling', words: ["'c'", "'nowhere'"] }],
    ['with a soft order against the hard one', { c: { requires: ['a'], precedes: ['b'] } }, {}, { code: 'role-soft-order', words: ['c precedes b'] }],
    ['with a role of another barclamp', { c: {}, a: {} }, {}, { code: 'role-owned', words: ["'a'", "barclamp 'base'"] }],
    [
      'with a jig that does not exist',
      { c: { jig: 'chef' } },
      { code },
      { code: 'validation-failed', words: ['role c', "'chef'", 'noop, role-provided, script'] },
    ],
    ['with a function that no code provides', { c: { jig: 'role-provided' } }, { code }, { code: 'validation-failed', words: ['role c', 'installer'] }],
    [
      'with a hook that no code provides',
      { dns: { hooks: ['onActive'] } },
      { code },
      { code: 'validation-failed', words: ['dns', 'onActive', 'onNodeChange'] },
    ],
  ])('%s', async (_case, roles, options, refusal) => {
    await importOf('base', { a: { requires: ['b'] }, b: {} });
    const before = await rows();
    const failure: unknown = await importOf('new', { fine: {}, ...roles }, options).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: refusal.code });
    for (const word of refusal.words) expect((failure as Error).message).toContain(word);
    expect(await rows()).toEqual(before);
    expect((await engine.db.pool.query('SELECT name FROM barclamps')).rows).toEqual([{ name: 'base' }]);
  });

  it('when it is not who may write the barclamp', async () => {
    await importOf('shipped', { a: {} }, { source: 'built-in' });
    await importOf('ours', { b: {} }, { source: 'directory' });
    await importOf('theirs', { c: {} }, { source: 'api' });
    for (const source of ['directory', 'api'] as const) await expect(importOf('shipped', { a: {} }, { source })).rejects.toThrow('ships with Prybar');
    await expect(importOf('ours', { b: {} }, { source: 'api' })).rejects.toThrow('PRYBAR_BARCLAMPS');
    await importOf('theirs', { c: {} }, { source: 'directory' });
  });
});

describe('a role that its barclamp defines no more', () => {
  it('is removed when nothing is bound to it', async () => {
    await importOf('x', { a: {}, b: { requires: ['a'] } });
    expect(await importOf('x', { a: {} })).toMatchObject({ removed: ['b'], retired: [] });
    expect((await rows()).map((each) => each.name)).toEqual(['a']);
  });

  it('is kept as it is when it is bound, and removed by an import after it was unbound', async () => {
    await importOf('x', { a: {}, b: { requires: ['a'] } });
    const [node] = await addMachines(engine.db, 1);
    await bind(engine, await idOf('b'), node ?? 0);
    expect(await importOf('x', { a: {} })).toMatchObject({ removed: [], retired: ['b'] });
    expect(await row('b')).toMatchObject({ requires: ['a'], cohort: 1 });
    expect(await importOf('x', { a: {} })).toMatchObject({ removed: [], retired: [] });
    await engine.db.pool.query('DELETE FROM node_roles');
    expect(await importOf('unrelated', { z: {} })).toMatchObject({ removed: ['b'] });
  });

  it('answers what is bound to it already, and nothing new is bound to it', async () => {
    await importOf('x', { a: {}, b: { flags: ['discovery'] } });
    const [node, other] = await addMachines(engine.db, 2);
    const noderole = await bind(engine, await idOf('b'), node ?? 0);
    await importOf('x', { a: {} });
    expect(await bind(engine, await idOf('b'), node ?? 0)).toBe(noderole);
    await expect(bind(engine, await idOf('b'), other ?? 0)).rejects.toMatchObject({ code: 'role-retired' });
    await bindDiscoveryRoles(engine.db, other ?? 0);
    expect((await engine.db.pool.query('SELECT id FROM node_roles')).rows).toEqual([{ id: noderole }]);
  });

  it('comes back when it is defined again, by whomever', async () => {
    await importOf('x', { a: {}, b: {} });
    const [node] = await addMachines(engine.db, 1);
    const noderole = await bind(engine, await idOf('b'), node ?? 0);
    await importOf('x', { a: {} });
    expect(await importOf('y', { b: { requires: ['a'] } })).toMatchObject({ changed: ['b'] });
    expect(await row('b')).toMatchObject({ requires: ['a'] });
    const { rows: bound } = await engine.db.pool.query(
      'SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE ro.name = $1 AND ro.retired_at IS NULL',
      ['b'],
    );
    expect(bound).toEqual([{ id: noderole }]);
  });

  it('is not taken away while a role of another barclamp requires it', async () => {
    await importOf('x', { a: {}, b: {} });
    await importOf('y', { app: { requires: ['b'] } });
    await expect(importOf('x', { a: {} })).rejects.toMatchObject({ code: 'role-dangling', message: expect.stringContaining("role 'app' requires 'b'") });
    expect(await row('b')).toBeDefined();
  });
});

describe('roles that are bound by themselves', () => {
  it('are bound each by itself: one that cannot be keeps no other from the machine, and is told', async () => {
    await importOf('x', { good: { flags: ['discovery'] }, bad: { flags: ['discovery'], conflicts: ['good'] }, last: { flags: ['discovery'] } });
    const [node] = await addMachines(engine.db, 1);
    await expect(bindDiscoveryRoles(engine.db, node ?? 0)).rejects.toMatchObject({ code: 'role-conflict' });
    const { rows: bound } = await engine.db.pool.query('SELECT ro.name FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.committed ORDER BY 1');
    expect(bound).toEqual([{ name: 'good' }, { name: 'last' }]);
  });

  it('do not stop the start when one of them cannot be bound to the admin node', async () => {
    await importOf('x', { good: { flags: ['bootstrap'] }, bad: { flags: ['bootstrap'], conflicts: ['good'] } });
    expect(await ensureSystem(engine.db)).toEqual([{ role: 'bad', problem: expect.stringContaining("'good'") }]);
  });
});

describe('an import and a bind at once', () => {
  it('leave the role bound and retired, or removed and the bind refused', async () => {
    const nodes = await addMachines(engine.db, 12);
    for (const node of nodes) {
      await importOf('x', { a: {}, b: { requires: ['a'] } });
      const id = await idOf('b');
      const [bound, gone] = await Promise.allSettled([bind(engine, id, node), importOf('x', { a: {} })]);
      expect(gone).toMatchObject({ status: 'fulfilled' });
      if (bound.status === 'rejected') expect(bound.reason).toMatchObject({ code: expect.stringMatching(/^(role-missing|role-retired|not-found)$/) });
      const left = await engine.db.pool.query<{ retired: boolean }>(`SELECT ro.retired_at IS NOT NULL AS retired FROM roles ro WHERE ro.name = 'b'`);
      expect(left.rows).toEqual(bound.status === 'fulfilled' ? [{ retired: true }] : []);
      await engine.db.pool.query('DELETE FROM node_roles');
    }
  });
});

describe('rule 7: nothing that confirms what machines boot stands on what waits for that', () => {
  const circle = (path: string) => ({ code: 'served-circle', message: expect.stringMatching(path) });
  const flags = (...names: string[]) => ({ flags: names });

  it('an import is refused by the roles, and by what is bound already', async () => {
    await importOf('site', { storage: {}, dhcp: { requires: ['storage'] } });
    await bind(engine, await idOf('dhcp'), (await addMachines(engine.db, 1))[0]);
    await expect(importOf('site', { storage: flags('waits-for-served'), dhcp: { ...flags('confirms-served'), requires: ['storage'] } })).rejects.toMatchObject(
      circle('dhcp -> storage'),
    );
    // Its requirement is gone, its noderole still stands below the other.
    await expect(importOf('site', { storage: flags('waits-for-served'), dhcp: flags('confirms-served') })).rejects.toMatchObject(
      circle('dhcp@\\w+ -> storage@'),
    );
    expect(await row('dhcp')).toMatchObject({ requires: ['storage'] });
  });

  it('a bind is refused when what provides the requirement waits, and leaves nothing', async () => {
    await importOf('site', {
      disk: { flags: ['abstract'] },
      local: { provides: ['disk'] },
      installed: { provides: ['disk'], flags: ['waits-for-served'] },
      dhcp: { flags: ['confirms-served'], requires: ['disk'] },
    });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    await bind(engine, await idOf('installed'), first);
    await expect(bind(engine, await idOf('dhcp'), first)).rejects.toMatchObject(circle('dhcp@\\w+ -> installed@'));
    await bind(engine, await idOf('local'), second);
    await expect(bind(engine, await idOf('dhcp'), second)).resolves.toBeGreaterThan(0);
    expect((await engine.db.pool.query('SELECT count(*)::int AS n FROM node_roles')).rows).toEqual([{ n: 3 }]);
  });

  it('a bind is refused that joins a cluster on which such a role stands', async () => {
    await importOf('site', {
      storage: {},
      db: { flags: ['cluster'] },
      peer: { provides: ['db'], requires: ['storage'] },
      dhcp: { flags: ['confirms-served'], requires: ['db'] },
    });
    const [first, second] = (await addMachines(engine.db, 2)) as [number, number];
    await bind(engine, await idOf('dhcp'), first);
    await importOf('site', {
      storage: flags('waits-for-served'),
      db: { flags: ['cluster'] },
      peer: { provides: ['db'], requires: ['storage'] },
      dhcp: { flags: ['confirms-served'], requires: ['db'] },
    });
    await expect(bind(engine, await idOf('peer'), second)).rejects.toMatchObject(circle('-> peer@\\w+ -> storage@'));
  });
});
