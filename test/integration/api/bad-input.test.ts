import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import { importBarclamps } from '../../../src/roles/store.js';
import { parseBarclamp } from '../../../src/roles/load.js';
import { API, defineRoles, rowCounts, startApi, type ApiFixture } from './api-fixture.js';

/** Issue 2, "Bad input": each answers with a problem document that names the field and what is allowed; nothing half-written. */
describe('bad input', () => {
  let fixture: ApiFixture;
  let before: Record<string, number>;
  beforeAll(async () => {
    fixture = await startApi();
    await defineRoles(fixture.db, { base: [], app: ['base'], other: [] }, { other: { conflicts: ['base'] } });
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n1.test' }).expect(201);
    await fixture.as('admin').post(`${API}/deployments`).send({ name: 'demo' }).expect(201);
  });
  afterAll(() => fixture.close());
  beforeEach(async () => {
    before = await rowCounts(fixture.db);
  });
  afterEach(async () => {
    expect(await rowCounts(fixture.db)).toEqual(before);
  });
  const post = (path: string) => fixture.as('admin').post(`${API}${path}`);

  it('refuses to bind an unknown role, and lists the roles there are', async () => {
    const { body, type } = await post('/node_roles').send({ role: 'no-such', node: 'n1.test', deployment: 'demo' }).expect(400);
    expect(type).toBe('application/problem+json');
    expect(body).toMatchObject({ code: 'validation-failed', status: 400, title: 'Bad Request' });
    expect(body.errors).toEqual([{ field: 'role', message: "no role 'no-such'; there are: app, base, dhcp-database, other" }]);
  });

  it('refuses a node and a deployment that do not exist by the name of their field', async () => {
    const node = await post('/node_roles').send({ role: 'base', node: 'n9.test' }).expect(400);
    expect(node.body.errors[0].field).toBe('node');
    const deployment = await post('/node_roles').send({ role: 'base', node: 'n1.test', deployment: 9999 }).expect(400);
    expect(deployment.body.errors[0].field).toBe('deployment');
  });

  it('refuses a commit of an empty deployment', async () => {
    const { body } = await fixture.as('admin').put(`${API}/deployments/demo/commit`).expect(409);
    expect(body).toMatchObject({ code: 'deployment-empty', status: 409 });
    expect(body.detail).toContain('demo');
  });

  it.each([
    ['text', 'not json at all'],
    ['a cut-off object', '{"name": "x"'],
    ['two values', '{} {}'],
  ])('refuses JSON that is not JSON: %s', async (_what, text) => {
    const { body, type } = await post('/deployments').set('Content-Type', 'application/json').send(text).expect(400);
    expect(type).toBe('application/problem+json');
    expect(body.code).toBe('validation-failed');
    expect(body.errors[0].field).toBe('body');
  });

  it('refuses bytes that are no UTF-8', async () => {
    const headers = { authorization: `Bearer ${fixture.tokens.admin}`, 'content-type': 'application/json' };
    const answer = await fetch(`${fixture.baseUrl}${API}/deployments`, {
      method: 'POST',
      headers,
      body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ field: 'body', message: 'must be UTF-8 text' }] });
  });

  it('refuses a body of 10 MB with the limit in the answer', async () => {
    const { body } = await post('/deployments')
      .send({ name: 'x'.repeat(10 * 1024 * 1024) })
      .expect(413);
    expect(body).toMatchObject({ code: 'body-too-large', status: 413 });
    expect(body.detail).toContain(String(1024 * 1024));
  });

  it('refuses a body of 10 MB that does not say how long it is', async () => {
    const { status, text } = await sendChunked(`${fixture.baseUrl}${API}/deployments`, fixture.tokens.admin, 160);
    expect(status).toBe(413);
    expect(text).toContain('body-too-large');
  });

  it('refuses an unknown field and lists the allowed ones', async () => {
    const { body } = await post('/deployments').send({ name: 'x', nmae: 'y' }).expect(400);
    expect(body.errors).toEqual([{ field: 'nmae', message: 'unknown field; allowed: name, parent, description' }]);
  });

  it('refuses an unknown filter instead of ignoring it', async () => {
    const { body } = await fixture.as('admin').get(`${API}/nodes?aliv=true`).expect(400);
    expect(body.errors[0].field).toBe('query.aliv');
    expect(body.errors[0].message).toContain('alive');
  });

  it('names every wrong field at once, with what is allowed in it', async () => {
    const { body } = await post('/nodes')
      .send({ name: 'UPPER CASE', macs: ['nonsense'], deployment: true })
      .expect(400);
    expect(body.errors.map((problem: { field: string }) => problem.field).toSorted()).toEqual(['deployment', 'macs.0', 'name']);
    expect(body.errors.find((problem: { field: string }) => problem.field === 'name').message).toContain('small letters');
  });

  it('says that a field is missing', async () => {
    const { body } = await post('/node_roles').send({ node: 'n1.test' }).expect(400);
    expect(body.errors).toHaveLength(1);
    expect(body.errors[0]).toMatchObject({ field: 'role', message: expect.stringMatching(/^is required/) });
  });

  it.each([
    ['null', null],
    ['an array', []],
    ['a number', 7],
    ['a string', '"x"'],
  ])('refuses a body that is %s', async (_what, value) => {
    await post('/deployments')
      .set('Content-Type', 'application/json')
      .send(typeof value === 'string' ? value : JSON.stringify(value))
      .expect(400);
  });

  it('refuses another content type, and compressed bodies', async () => {
    await post('/deployments').set('Content-Type', 'text/plain').send('{"name":"x"}').expect(415);
    await post('/deployments').set('Content-Type', 'application/json').set('Content-Encoding', 'gzip').send('{"name":"x"}').expect(415);
  });

  it('refuses a field that names the prototype of an object', async () => {
    const { body } = await fixture
      .as('admin')
      .patch(`${API}/nodes/n1.test`)
      .set('Content-Type', 'application/json')
      .send('{"hint": {"a": {"__proto__": {"admin": true}}}}')
      .expect(400);
    expect(body.errors[0].field).toBe('hint.a.__proto__');
  });

  it('names each DHCP option that could not be sent', async () => {
    const dhcp_options = { 'ntp-servers': 'pool', 53: '01', 'root-path': '/ok' };
    const { body } = await fixture.as('admin').patch(`${API}/nodes/n1.test`).send({ dhcp_options }).expect(400);
    expect(body.errors.map((error: { message: string }) => error.message)).toEqual([
      'option 53: the server sets this one itself',
      'option ntp-servers: "pool" is not one or more IPv4 addresses: ["10.0.0.1", "10.0.0.2"]',
    ]);
  });

  it('refuses data nested beyond the limit', async () => {
    const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;
    const { body } = await fixture.as('admin').patch(`${API}/nodes/n1.test`).set('Content-Type', 'application/json').send(`{"hint": ${deep}}`).expect(400);
    expect(body.errors[0].message).toContain('nested deeper');
  });

  it('refuses NUL and a lone surrogate, which the database cannot store', async () => {
    await post('/deployments').send({ name: 'nul', description: 'a\0b' }).expect(400);
    await fixture.as('admin').patch(`${API}/nodes/n1.test`).set('Content-Type', 'application/json').send('{"hint": {"a": "\\ud800"}}').expect(400);
  });

  it('refuses the same filter twice', async () => {
    await fixture.as('admin').get(`${API}/nodes?bootenv=a&bootenv=b`).expect(400);
  });

  it.each(['0', '-1', '1001', 'x', '1e9', ''])('refuses a page of limit "%s"', async (limit) => {
    const { body } = await fixture.as('admin').get(`${API}/nodes?limit=${limit}`).expect(400);
    expect(body.errors[0].field).toBe('query.limit');
  });

  it.each(['abc', '-1', '99999999999999999999', '1%20OR%201=1'])('refuses the cursor "%s"', async (after) => {
    const { body } = await fixture.as('admin').get(`${API}/nodes?after=${after}`).expect(400);
    expect(body.errors[0].field).toBe('query.after');
  });

  it('refuses a path with a broken escape', async () => {
    await fixture.as('admin').get(`${API}/nodes/%E0%A4%A`).expect(400);
  });

  it('refuses a cursor for a stream that is none', async () => {
    await fixture.as('admin').get(`${API}/events?after=${'%0d%0a'}x`).expect(400);
  });
});

describe('bindings that cannot be', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await startApi();
    await defineRoles(fixture.db, { base: [], app: ['base'], other: [] }, { other: { conflicts: ['base'] } });
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n1.test' }).expect(201);
    await fixture.as('admin').post(`${API}/deployments`).send({ name: 'demo' }).expect(201);
  });
  afterAll(() => fixture.close());

  it('refuses a binding that conflicts with one on the node, and names it', async () => {
    await fixture.as('admin').post(`${API}/node_roles`).send({ role: 'app', node: 'n1.test', deployment: 'demo' }).expect(201);
    const before = await rowCounts(fixture.db);
    const { body } = await fixture.as('admin').post(`${API}/node_roles`).send({ role: 'other', node: 'n1.test', deployment: 'demo' }).expect(409);
    expect(body).toMatchObject({ code: 'role-conflict' });
    expect(body.detail).toContain("'base'");
    expect(await rowCounts(fixture.db)).toEqual(before);
  });

  it('refuses a role whose requirements go round in a circle, and shows the circle', async () => {
    await fixture.db.pool.query(`INSERT INTO role_requires (role_id, requires) SELECT id, 'app' FROM roles WHERE name = 'base'`);
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n2.test' }).expect(201);
    await fixture.as('admin').post(`${API}/deployments`).send({ name: 'circle' }).expect(201);
    const before = await rowCounts(fixture.db);
    const { body } = await fixture.as('admin').post(`${API}/node_roles`).send({ role: 'app', node: 'n2.test', deployment: 'circle' }).expect(409);
    expect(body).toMatchObject({ code: 'role-cycle' });
    expect(body.detail).toContain('app -> base -> app');
    expect(await rowCounts(fixture.db)).toEqual(before);
  });

  it('refuses an import that would make such a circle', async () => {
    const text = 'barclamp: { name: loop }\nroles: [{ name: a, jig: noop, requires: [b] }, { name: b, jig: noop, requires: [a] }]';
    await expect(importBarclamps(fixture.db.pool, [parseBarclamp(text, 'loop')])).rejects.toMatchObject({ code: 'role-cycle' });
    await fixture.as('admin').get(`${API}/roles/a`).expect(404);
  });
});

/** Sends chunks of 64 KiB without a Content-Length. */
function sendChunked(url: string, token: string, chunks: number): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const request = httpRequest(url, { method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
    });
    request.on('error', reject);
    for (let index = 0; index < chunks; index += 1) request.write('x'.repeat(64 * 1024));
    request.end();
  });
}
