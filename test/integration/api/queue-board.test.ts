import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureTables } from '../../../src/bin/tables.js';
import { openQueueBackend, type QueueBackend } from '../../../src/queue/backend.js';
import { queueNames } from '../../../src/queue/jobs.js';
import { Doorbell } from '../../../src/queue/produce.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { bothBackends, redisUrl } from '../../support/redis.js';
import { startApi, type ApiFixture } from './api-fixture.js';

const log = createLogger('test', 'silent');

describe.each(bothBackends)('/queues on $name', ({ name }) => {
  const prefix = `t-${randomBytes(4).toString('hex')}`;
  let database: TestDatabase;
  let backend: QueueBackend;
  let fixture: ApiFixture;
  let doorbell: Doorbell;
  beforeAll(async () => {
    database = await createTestDatabase();
    await ensureTables({ url: database.url, log, queueTables: true });
    backend = openQueueBackend({ redisUrl: name === 'redis' ? redisUrl() : undefined, databaseUrl: database.url, prefix, log });
    doorbell = new Doorbell(backend);
    fixture = await startApi({ queueBackend: backend });
    await doorbell.ring([{ runId: 5, dispatch: 2, fence: 9, jobClass: 'fast' }]);
  });
  afterAll(async () => {
    await fixture.close();
    await doorbell.close();
    await backend.close();
    await database.drop();
  });
  const basic = (token: string) => `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`;

  it('asks a browser to log in, and lets in a token of scope admin as the password', async () => {
    const asked = await fixture.as('nobody').get('/queues').expect(401);
    expect(asked.headers['www-authenticate']).toMatch(/^Basic realm=/);
    await fixture
      .as('nobody')
      .get('/queues')
      .set('Authorization', basic('x'.repeat(43)))
      .expect(401);
    await fixture.as('nobody').get('/queues').set('Authorization', basic(fixture.tokens.operator)).expect(403);
    const page = await fixture.as('nobody').get('/queues/').set('Authorization', basic(fixture.tokens.admin)).expect(200);
    expect(page.text).toContain('<base href="/queues/"');
    expect(page.headers['content-security-policy']).toContain("script-src 'self';");
    await fixture.as('admin').get('/queues/').expect(200);
  });

  it('guards every file and every call of the page, not the page alone', async () => {
    for (const path of ['/queues/api/queues', '/queues/static/js/main.js', `/queues/queue/${prefix}-anneal`]) await fixture.as('nobody').get(path).expect(401);
  });

  it('shows every queue and what waits in it', async () => {
    const { body } = await fixture
      .as('nobody')
      .get(`/queues/api/queues?activeQueue=${prefix}-runs-fast&status=latest&page=1&jobsPerPage=10`)
      .set('Authorization', basic(fixture.tokens.admin))
      .expect(200);
    const queues = (body as { queues: { name: string; readOnlyMode: boolean; jobs: { id: string; data: unknown }[] }[] }).queues;
    expect(queues.map((queue) => queue.name).sort((a, b) => a.localeCompare(b))).toEqual(
      queueNames.map((queue) => `${prefix}-${queue}`).sort((a, b) => a.localeCompare(b)),
    );
    expect(queues.every((queue) => queue.readOnlyMode)).toBe(true);
    expect(queues.find((queue) => queue.name === `${prefix}-runs-fast`)?.jobs).toMatchObject([{ id: 'r-5-2', data: { runId: 5, dispatch: 2, fence: 9 } }]);
  });

  it.each([
    ['put', `/queues/api/queues/${prefix}-runs-fast/pause`],
    ['put', `/queues/api/queues/${prefix}-runs-fast/r-5-2/retry`],
    ['put', `/queues/api/queues/${prefix}-runs-fast/empty`],
    ['post', `/queues/api/queues/${prefix}-runs-fast/add`],
  ] as const)('refuses to change anything: %s %s', async (method, path) => {
    await fixture.as('nobody')[method](path).set('Authorization', basic(fixture.tokens.admin)).send({}).expect(405);
  });
});
