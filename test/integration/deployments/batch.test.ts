/** One request for a whole site, all or nothing. The example of the documentation is applied as it stands. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { batchSchema } from '../../../src/api/batch-schemas.js';
import { applyBatch } from '../../../src/deployments/batch.js';
import { ensureSystem } from '../../../src/deployments/system.js';
import { loadBarclamps } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { addMachines, addRoles, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';

const TEN = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

describe('a batch', () => {
  let engine: DirectEngine;
  beforeAll(async () => {
    engine = await openDirectEngine();
  });
  beforeEach(() => engine.reset());
  afterAll(() => engine.close());
  const apply = (batch: object) => applyBatch(engine.db, batchSchema.parse(batch), 'anna');
  const counts = async () =>
    (
      await engine.db.pool.query<Record<string, number>>(
        `SELECT (SELECT count(*) FROM deployments)::int AS deployments, (SELECT count(*) FROM nodes WHERE kind = 'machine')::int AS nodes, (SELECT count(*) FROM node_roles)::int AS noderoles`,
      )
    ).rows[0];

  it('makes the site of docs/examples/shop.yml and commits it, and a second time does nothing', async () => {
    await importBarclamps(engine.db.pool, await loadBarclamps('src/roles/catalog'));
    await ensureSystem(engine.db);
    const shop = parse(readFileSync('docs/examples/shop.yml', 'utf8')) as object;
    const first = await apply(shop);
    expect(first).toMatchObject({
      deployments: ['shop', 'shop-workers'],
      nodes: ['shop-1', 'shop-2', 'shop-3'],
      committed: [
        { deployment: 'shop', revision: 1 },
        { deployment: 'shop-workers', revision: 1 },
      ],
    });
    expect(first.noderoles).toBeGreaterThan(8);
    expect(await apply(shop)).toEqual({ deployments: [], nodes: [], noderoles: 0, committed: [] });
  });

  it('names the item that refers to nothing, all of them at once, and makes nothing', async () => {
    await addRoles(engine.db, { web: [] });
    const before = await counts();
    await expect(
      apply({
        deployments: [{ name: 'shop' }],
        nodes: [{ name: 'm1' }],
        bindings: [
          { deployment: 'shop', roles: ['web'], nodes: ['m1'] },
          { deployment: 'shop', roles: ['web', 'nope'], nodes: ['gone'] },
        ],
      }),
    ).rejects.toMatchObject({
      status: 400,
      problems: [
        { field: 'bindings[1].roles[1]', message: "no role 'nope'" },
        { field: 'bindings[1].nodes[0]', message: "no node 'gone'" },
      ],
    });
    expect(await counts()).toEqual(before);
  });

  it('names the item that cannot be bound, and makes nothing', async () => {
    await addRoles(engine.db, { web: [], mail: [] }, { mail: { conflicts: ['web'] } });
    const before = await counts();
    const bindings = ['a', 'b', 'c'].map((node) => ({ deployment: 'shop', roles: ['web'], nodes: [node] }));
    await expect(
      apply({
        deployments: [{ name: 'shop' }],
        nodes: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
        bindings: [...bindings, { deployment: 'shop', roles: ['mail'], nodes: ['b'] }],
        commit: true,
      }),
    ).rejects.toMatchObject({ status: 409, code: 'role-conflict', message: expect.stringMatching(/^bindings\[3\]: role 'mail' cannot be on node 'b'/) });
    await expect(
      apply({
        nodes: [
          { name: 'x', macs: ['52:54:00:00:00:09'] },
          { name: 'y', macs: ['52:54:00:00:00:09'] },
        ],
      }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('nodes[1]'),
    });
    expect(await counts()).toEqual(before);
  });

  it('binds ten thousand in a few seconds, and commits them', async () => {
    await addRoles(
      engine.db,
      { a: [], b: ['a'], c: ['a', 'b'], d: ['b'], e: [], f: ['e'], g: [], h: ['g'], i: ['h', 'd'], j: [] },
      Object.fromEntries(TEN.map((name) => [name, { flags: ['implicit'] }])),
    );
    await addMachines(engine.db, 1000);
    const { rows } = await engine.db.pool.query<{ name: string }>(`SELECT name FROM nodes WHERE kind = 'machine'`);
    const started = Date.now();
    const done = await apply({
      deployments: [{ name: 'big' }],
      bindings: [{ deployment: 'big', roles: TEN, nodes: rows.map((row) => row.name), data: { x: 1 } }],
      commit: true,
    });
    expect(done).toMatchObject({ noderoles: 10_000, committed: [{ noderoles: 10_000 }] });
    // Seconds on an idle machine; the bound only tells a set from a loop.
    expect(Date.now() - started).toBeLessThan(30_000);
  }, 60_000);
});
