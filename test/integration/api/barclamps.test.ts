/** `/barclamps` and its client against the real server. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClientError, createClient, type Client } from '../../../src/client/client.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

const roleCode = { jigs: new Set(['noop', 'script']), functions: new Set<string>(), hooks: new Map<string, ReadonlySet<string>>() };

let fixture: ApiFixture;
let client: Client;
beforeAll(async () => {
  fixture = await startApi({ roleCode });
  client = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin });
});
afterAll(() => fixture.close());

const YAML = `
barclamp: { name: shop, description: a shop, version: '2' }
roles:
  - name: shop-db
    jig: script
    flags: [cluster]
    barrier: { quorum: 2 }
    timeout-seconds: 60
    no-retry-on: [bad-disk]
    attribs:
      - { name: port, schema: { type: integer, minimum: 1 }, default: 5432 }
    jig-config:
      script: |
        #!/bin/sh
        echo hello
  - name: shop-app
    jig: noop
    wants-attribs: [{ name: port, at: db.port }]
    precedes: [{ role: shop-proxy, scope: deployment }]
  - { name: shop-proxy, jig: noop }
`;

const refusal = (work: Promise<unknown>): Promise<ClientError> =>
  work.then(
    () => Promise.reject(new Error('it was accepted')),
    (error: unknown) => (error instanceof ClientError ? error : Promise.reject(new Error(String(error)))),
  );

describe('barclamps', () => {
  it('are imported, shown with everything they say, and exported so that importing them again changes nothing', async () => {
    expect(await client.barclamps.import({ yaml: YAML })).toEqual({
      barclamps: ['shop'],
      created: ['shop-db', 'shop-app', 'shop-proxy'],
      changed: [],
      unchanged: [],
      removed: [],
      retired: [],
      warnings: [],
    });
    const shown = await client.barclamps.get('shop');
    expect(shown).toMatchObject({
      name: 'shop',
      description: 'a shop',
      version: '2',
      source: 'api',
      roles: ['shop-db', 'shop-app', 'shop-proxy'],
      retired: [],
    });
    const unchanged = { created: [], changed: [], unchanged: ['shop-db', 'shop-app', 'shop-proxy'] };
    expect(await client.barclamps.import({ yaml: shown.yaml })).toMatchObject(unchanged);
    expect(await client.barclamps.import(shown.definition as Parameters<Client['barclamps']['import']>[0])).toMatchObject(unchanged);
    expect((await client.barclamps.get('shop')).yaml).toBe(shown.yaml);
    expect(shown.yaml).toContain('wants-attribs:\n      - name: port\n        at: db.port');
    expect(shown.yaml).not.toContain('runs-in');

    expect(await client.roles.get('shop-db')).toMatchObject({ timeout_seconds: 60, no_retry_on: ['bad-disk'], backoff_max_seconds: 600, retired: false });
    expect(await client.roles.get('shop-app')).toMatchObject({ requires: ['shop-db'], wants: [{ name: 'port', at: 'db.port', role: 'shop-db' }] });
    expect(await client.roles.get('shop-proxy')).toMatchObject({ soft_after: [], soft_after_deployment: ['shop-app'] });
    expect(await client.roles.get('barrier-shop-db')).toMatchObject({ barrier_of: 'shop-db', quorum: 2, flags: ['service'], barclamp: 'shop' });
  });

  it('may require each other when they come together', async () => {
    const file = (name: string, requires: string) => ({
      file: `${name}/barclamp.yml`,
      yaml: `barclamp: { name: ${name} }\nroles: [{ name: ${name}-1, jig: noop, requires: [${requires}] }]`,
    });
    const files = [file('pair-a', 'pair-b-1'), file('pair-b', '')];
    expect((await refusal(client.barclamps.import({ files: files.slice(0, 1) }))).detail).toBe("role 'pair-a-1' requires 'pair-b-1', which does not exist");
    expect(await client.barclamps.import({ files })).toMatchObject({ barclamps: ['pair-a', 'pair-b'], created: ['pair-a-1', 'pair-b-1'] });
    expect((await refusal(client.barclamps.remove('pair-b'))).detail).toContain("role 'pair-a-1' requires 'pair-b-1'");
    await client.barclamps.remove('pair-a');
    await client.barclamps.remove('pair-b');
    expect((await client.barclamps.list()).items.map((barclamp) => barclamp.name)).toEqual(['crowbar', 'shop']);
  });

  it('dangle only when that is asked for', async () => {
    const { warnings } = await client.barclamps.import({
      yaml: 'barclamp: { name: early }\nroles: [{ name: early, jig: noop, requires: [late] }]',
      allow_dangling: true,
    });
    expect(warnings).toEqual(["role 'early' requires 'late', which does not exist yet"]);
    await client.barclamps.remove('early');
  });

  it.each<[string, string, number, string]>([
    ['a jig that does not exist', 'barclamp: { name: bad }\nroles: [{ name: bad, jig: chef }]', 400, "there is no jig 'chef'; there are noop, script"],
    ['a key nobody knows', 'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, require: [] }]', 400, 'the nearest is requires'],
    [
      'a schema that is none',
      'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, attribs: [{ name: a, schema: { type: int } }] }]',
      400,
      'is not a JSON Schema',
    ],
    [
      'a circle',
      'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, requires: [worse] }, { name: worse, jig: noop, requires: [bad] }]',
      409,
      'bad -> worse -> bad',
    ],
    ['a role of another', 'barclamp: { name: bad }\nroles: [{ name: shop-app, jig: noop }]', 409, "belongs to barclamp 'shop'"],
    ['the name of one that ships with Prybar', 'barclamp: { name: crowbar }\nroles: [{ name: bad, jig: noop }]', 409, 'ships with Prybar'],
    ['what is not YAML', 'barclamp: [', 400, 'yaml'],
  ])('are refused for %s', async (_case, yaml, status, words) => {
    const error = await refusal(client.barclamps.import({ yaml }));
    expect(error.status).toBe(status);
    expect(error.detail).toContain(words);
    expect((await client.barclamps.list()).items.map((barclamp) => barclamp.name)).toEqual(['crowbar', 'shop']);
  });

  it.each<[string, object, string]>([
    ['nothing', {}, 'one of'],
    ['two of the forms', { yaml: 'x', files: [{ file: 'x', yaml: 'x' }] }, 'one of'],
    ['half a form', { barclamp: { name: 'x' } }, 'roles'],
    ['an unknown field', { yml: 'x' }, 'yml'],
  ])('are refused for a body with %s, naming the field', async (_case, body, words) => {
    const { body: problem } = await fixture.as('admin').post(`${API}/barclamps`).send(body).expect(400);
    expect(JSON.stringify(problem)).toContain(words);
  });

  it('are written and read whole by administrators alone, and every write leaves a line of audit', async () => {
    for (const scope of ['viewer', 'operator'] as const) {
      await fixture.as(scope).post(`${API}/barclamps`).send({ yaml: YAML }).expect(403);
      await fixture.as(scope).delete(`${API}/barclamps/shop`).expect(403);
      await fixture.as(scope).get(`${API}/barclamps/shop`).expect(403);
    }
    await fixture.as('viewer').get(`${API}/barclamps`).expect(200);
    const { rows } = await fixture.db.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM audit WHERE action = 'barclamp.import' AND target = 'barclamp/shop'`,
    );
    expect(rows[0]?.n).toBe(3);
  });

  it('stay while something is bound to them', async () => {
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n1.test' }).expect(201);
    await fixture.as('admin').post(`${API}/deployments`).send({ name: 'demo' }).expect(201);
    await fixture.as('admin').post(`${API}/node_roles`).send({ role: 'shop-proxy', node: 'n1.test', deployment: 'demo' }).expect(201);
    expect((await refusal(client.barclamps.remove('shop'))).detail).toContain('shop-proxy');
    const without = YAML.replace('  - { name: shop-proxy, jig: noop }\n', '').replace('    precedes: [{ role: shop-proxy, scope: deployment }]\n', '');
    expect(await client.barclamps.import({ yaml: without })).toMatchObject({ retired: ['shop-proxy'], changed: ['shop-app'] });
    expect(await client.barclamps.get('shop')).toMatchObject({ roles: ['shop-db', 'shop-app'], retired: ['shop-proxy'] });
    expect(await client.roles.get('shop-proxy')).toMatchObject({ retired: true });
    expect((await refusal(client.barclamps.remove('crowbar'))).status).toBe(409);
    expect((await refusal(client.barclamps.remove('nope'))).status).toBe(404);
  });
});
