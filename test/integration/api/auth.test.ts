import { stat, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureAdminToken } from '../../../src/api/admin-token.js';
import { hashToken } from '../../../src/api/auth.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

describe('who may call', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await startApi();
  });
  afterAll(() => fixture.close());

  it('asks for a token, on paths that exist and on others alike', async () => {
    for (const url of [`${API}/status`, `${API}/no-such-path`, `${API}/openapi.json`]) {
      const { body, headers, type } = await fixture.as('nobody').get(url).expect(401);
      expect(type).toBe('application/problem+json');
      expect(body.code).toBe('unauthorized');
      expect(headers['www-authenticate']).toContain('Bearer');
    }
  });

  // Attack 38: Cobbler CVE-2024-47533 let an odd value in where a token was expected.
  it.each([
    'Bearer',
    'Bearer ',
    'Bearer null',
    'Bearer -1',
    'Bearer undefined',
    'Bearer []',
    'Bearer true',
    'Basic YWRtaW46YWRtaW4=',
    `Bearer ${'x'.repeat(5000)}`,
    'Bearer %00',
  ])('refuses the header "%s"', async (header) => {
    await fixture.as('nobody').get(`${API}/status`).set('Authorization', header).expect(401);
  });

  it('takes a token from nowhere but the Authorization header', async () => {
    const token = fixture.tokens.admin;
    await fixture.as('nobody').get(`${API}/status?token=${token}`).expect(401);
    await fixture.as('nobody').get(`${API}/status`).set('Cookie', `token=${token}`).expect(401);
    await fixture.as('nobody').get(`${API}/status`).set('X-Auth-Token', token).expect(401);
  });

  it('does not read the body of somebody without a token', async () => {
    const { body } = await fixture.as('nobody').post(`${API}/deployments`).set('Content-Type', 'application/json').send('not json').expect(401);
    expect(body.code).toBe('unauthorized');
  });

  it('lets each scope do what is its own', async () => {
    await fixture.as('viewer').get(`${API}/deployments`).expect(200);
    const refused = await fixture.as('viewer').post(`${API}/deployments`).send({ name: 'viewer' }).expect(403);
    expect(refused.body.detail).toContain('operator');
    await fixture.as('operator').post(`${API}/deployments`).send({ name: 'operator' }).expect(201);
    await fixture.as('operator').post(`${API}/nodes`).send({ name: 'scoped.test' }).expect(201);
    await fixture.as('operator').delete(`${API}/nodes/scoped.test`).expect(403);
    await fixture.as('operator').put(`${API}/nodes/scoped.test/bmc`).send({ driver: 'ipmi', address: '127.0.0.1', port: 623 }).expect(403);
    await fixture.as('admin').delete(`${API}/nodes/scoped.test`).expect(202);
  });

  it('refuses a revoked token at once', async () => {
    await fixture.db.prisma.apiToken.update({ where: { name: 'viewer' }, data: { revokedAt: new Date() } });
    await fixture.as('viewer').get(`${API}/status`).expect(401);
    await fixture.db.prisma.apiToken.update({ where: { name: 'viewer' }, data: { revokedAt: null } });
    await fixture.as('viewer').get(`${API}/status`).expect(200);
  });

  it('slows down an address that keeps failing, and never one with a valid token', async () => {
    const statuses = new Set<number>();
    for (let index = 0; index < 70; index += 1)
      statuses.add((await fixture.as('nobody').get(`${API}/status`).set('X-Forwarded-For', `10.0.0.${index}`)).status);
    expect(statuses).toEqual(new Set([401, 429]));
    const { headers } = await fixture.as('nobody').get(`${API}/status`).expect(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    await fixture.as('admin').get(`${API}/status`).expect(200);
  });
});

describe('the admin token', () => {
  let fixture: ApiFixture;
  let file: string;
  beforeAll(async () => {
    fixture = await startApi();
    file = path.join(fixture.home, 'admin-token');
  });
  afterAll(() => fixture.close());

  it('lies in a file that only its owner reads, and is not in the database', async () => {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const token = (await readFile(file, 'utf8')).trim();
    expect(token).toBe(fixture.tokens.admin);
    const { rows } = await fixture.db.pool.query<{ row: string }>('SELECT t::text AS row FROM api_tokens t');
    expect(rows.some(({ row }) => row.includes(token))).toBe(false);
  });

  it('stays the same when it is ensured again', async () => {
    expect(await ensureAdminToken(fixture.db, file)).toEqual({ token: fixture.tokens.admin, created: false });
  });

  it('is taken over from the file when the database is new', async () => {
    await fixture.db.pool.query('DELETE FROM api_tokens');
    expect(await ensureAdminToken(fixture.db, file)).toEqual({ token: fixture.tokens.admin, created: false });
    await fixture.as('admin').get(`${API}/status`).expect(200);
  });

  it('is made anew when the file is gone or holds no token, and the old one ends', async () => {
    await rm(file);
    const made = await ensureAdminToken(fixture.db, file);
    expect(made.created).toBe(true);
    await fixture.as('admin').get(`${API}/status`).expect(401);
    await writeFile(file, 'not a token\n');
    expect((await ensureAdminToken(fixture.db, file)).token).not.toBe(made.token);
  });

  it('is made anew when it was revoked', async () => {
    const before = await ensureAdminToken(fixture.db, file);
    await fixture.db.prisma.apiToken.update({ where: { sha256: hashToken(before.token) }, data: { revokedAt: new Date() } });
    const after = await ensureAdminToken(fixture.db, file);
    expect(after.created).toBe(true);
    expect(after.token).not.toBe(before.token);
  });

  it('is one token when two processes start at once', async () => {
    await rm(file);
    const made = await Promise.all([ensureAdminToken(fixture.db, file), ensureAdminToken(fixture.db, file)]);
    expect(new Set(made.map(({ token }) => token)).size).toBe(1);
  });
});
