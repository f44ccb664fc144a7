import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClientError, createClient, everyItem, type Client } from '../../../src/client/client.js';
import { defineRoles, startApi, type ApiFixture } from './api-fixture.js';

/** The client against the real server: every answer passes the contract's shapes, or the call throws `bad-answer`. */
describe('the client', () => {
  let fixture: ApiFixture;
  let client: Client;
  beforeAll(async () => {
    fixture = await startApi();
    client = createClient({ baseUrl: `${fixture.baseUrl}/`, token: fixture.tokens.admin });
    await defineRoles(fixture.db, { base: [], app: ['base'] });
  });
  afterAll(() => fixture.close());

  it('takes a deployment from nothing to committed', async () => {
    const { id } = await client.deployments.create({ name: 'demo' });
    for (let index = 1; index <= 3; index += 1) {
      const node = await client.nodes.create({ name: `n${index}.test`, deployment: id });
      const { created } = await client.nodeRoles.bind({ role: 'app', node: node.id });
      // `base` is found in the deployment from the second node on.
      expect(created).toHaveLength(index === 1 ? 2 : 1);
    }
    expect(await client.deployments.commit('demo')).toMatchObject({ revision: 1, committed: 4, deployment: { state: 'committed' } });
    expect(await client.anneal()).toMatchObject({ state: 'working' });
    expect((await client.deployments.matrix(id)).cells).toHaveLength(4);
    const [role] = (await client.deploymentRoles.list({ deployment: 'demo' })).items;
    expect(await client.deploymentRoles.setData(role?.id ?? 0, { level: 1 })).toMatchObject({ proposed_data: { level: 1 } });
    expect(await client.nodeRoles.why('app@n3.test')).toMatchObject({ noderole: { state: 'BLOCKED' } });
    expect(await client.deployments.recall('demo')).toMatchObject({ state: 'proposed' });
  });

  it('reads every page of a list', async () => {
    const names: string[] = [];
    for await (const node of everyItem((after) => client.nodes.list({ limit: 1, after, deployment: 'demo' }))) names.push(node.name);
    expect(names).toEqual(['n1.test', 'n2.test', 'n3.test']);
  });

  it('throws what the server said, field by field', async () => {
    const error = await client.nodeRoles.bind({ role: 'nope', node: 'n1.test' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClientError);
    expect(error).toMatchObject({ status: 400, code: 'validation-failed', errors: [{ field: 'role' }] });
    await expect(client.runs.get(4711)).rejects.toMatchObject({ status: 404, code: 'not-found' });
  });

  it('says that nobody answers, and where', async () => {
    const lost = createClient({ baseUrl: 'http://127.0.0.1:9', token: 'x' });
    await expect(lost.status()).rejects.toMatchObject({ status: 0, code: 'unreachable', detail: expect.stringContaining('http://127.0.0.1:9') });
  });

  it('tells a cancelled call from a late one', async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(client.status({ signal: stop.signal })).rejects.toMatchObject({ code: 'cancelled' });
    const silent: typeof fetch = (_input, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
    await expect(createClient({ baseUrl: fixture.baseUrl, timeoutMs: 20, fetch: silent }).status()).rejects.toMatchObject({ code: 'timeout' });
  });

  it('refuses an answer that is not of the contract', async () => {
    const strange: typeof fetch = async () => new Response('<html>a proxy</html>', { status: 200 });
    await expect(createClient({ baseUrl: fixture.baseUrl, fetch: strange }).status()).rejects.toMatchObject({ code: 'bad-answer' });
    const broken: typeof fetch = async () => new Response('<html>bad gateway</html>', { status: 502 });
    await expect(createClient({ baseUrl: fixture.baseUrl, fetch: broken }).status()).rejects.toMatchObject({ code: 'bad-answer', status: 502 });
  });

  it('asks for health without a token', async () => {
    const nobody = createClient({ baseUrl: fixture.baseUrl });
    expect(await nobody.health()).toEqual({ ok: true });
    expect(await nobody.ready()).toMatchObject({ ok: true });
  });
});
