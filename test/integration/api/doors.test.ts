import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { API, startApi, type ApiFixture } from './api-fixture.js';

describe('health, metrics and the web page', () => {
  let fixture: ApiFixture;
  let isQueueReady = true;
  beforeAll(async () => {
    fixture = await startApi({ queueInfo: { backend: 'postgres', isReady: async () => isQueueReady } });
  });
  afterAll(() => fixture.close());

  it('says that it lives and is ready, to anybody', async () => {
    expect((await fixture.as('nobody').get('/healthz').expect(200)).body).toEqual({ ok: true });
    expect((await fixture.as('nobody').get('/readyz').expect(200)).body).toEqual({ ok: true, database: true, queue: true, migrations: true });
  });

  it('is not ready without its queue', async () => {
    isQueueReady = false;
    expect((await fixture.as('nobody').get('/readyz').expect(503)).body).toMatchObject({ ok: false, queue: false, database: true });
    isQueueReady = true;
  });

  it('shows what it counts', async () => {
    await fixture.db.prisma.bootServer.create({
      data: {
        id: '00000000-0000-4000-8000-000000000001',
        kind: 'dhcp',
        host: 'h1',
        networks: [],
        status: 'serving',
        leaseUntil: new Date(Date.now() + 60_000),
        counters: { acks: 7, reasons: { 'no-pool': 2 } },
      },
    });
    await fixture.as('admin').get(`${API}/nodes`).expect(200);
    const { text } = await fixture.as('nobody').get('/metrics').expect(200);
    expect(text).toMatch(/prybar_noderoles\{state="PROPOSED"\} \d+/);
    expect(text).toContain('prybar_runs_live{status="QUEUED"} 0');
    expect(text).toMatch(/prybar_outbox_lag\{consumer="sequencer"\} \d+/);
    expect(text).toContain('prybar_boot_server_count{kind="dhcp",host="h1",counter="acks",reason=""} 7');
    expect(text).toContain('prybar_boot_server_count{kind="dhcp",host="h1",counter="reasons",reason="no-pool"} 2');
    expect(text).toMatch(/prybar_http_request_duration_seconds_count\{method="GET",route="\/nodes",status="200"\} 1/);
  });

  it('counts the moves of noderoles that it sees', async () => {
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n1.test' }).expect(201);
    await fixture.as('admin').post(`${API}/node_roles`).send({ role: 'dhcp-database', node: 'n1.test' }).expect(201);
    await fixture.sequence();
    let text = '';
    const deadline = Date.now() + 5000;
    while (!text.includes('prybar_noderole_transitions_total{to="PROPOSED"}') && Date.now() < deadline)
      text = (await fixture.as('nobody').get('/metrics').expect(200)).text;
    expect(text).toMatch(/prybar_noderole_transitions_total\{to="PROPOSED"\} \d+/);
  });

  it('says in words that the page was not built', async () => {
    const { text, type } = await fixture.as('nobody').get('/').set('Accept', 'text/html').expect(503);
    expect(type).toBe('text/html');
    expect(text).toContain('npm run build');
  });

  it('serves the page: hashed files for ever, index.html anew, any other path as the page', async () => {
    const web = path.join(fixture.home, 'web');
    await mkdir(path.join(web, 'assets'), { recursive: true });
    await writeFile(path.join(web, 'index.html'), '<!doctype html><title>page</title>');
    await writeFile(path.join(web, 'assets', 'app-abc123.js'), 'export {}');
    await writeFile(path.join(web, '.hidden'), 'secret');
    const asset = await fixture.as('nobody').get('/assets/app-abc123.js').expect(200);
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    for (const url of ['/', '/nodes/n1.test', '/deployments/demo']) {
      const page = await fixture.as('nobody').get(url).set('Accept', 'text/html');
      expect(page.status).toBe(200);
      expect(page.headers['cache-control']).toBe('no-cache');
      expect(page.text).toContain('<title>page</title>');
      expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    }
    await fixture.as('nobody').get('/assets/gone-000.js').expect(404);
    await fixture.as('nobody').get('/.hidden').expect(404);
  });

  it.each(['/..%2f..%2fetc%2fpasswd', '/assets/..%2f..%2fadmin-token', '/assets/%2e%2e/%2e%2e/admin-token', '/assets/..%5c..%5cadmin-token', '/%00'])(
    'finds no file outside it at %s',
    async (url) => {
      const answer = await fetch(fixture.baseUrl + url);
      expect([400, 403, 404]).toContain(answer.status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    },
  );

  it('tells nothing of its inside, and may not be framed', async () => {
    const { headers } = await fixture.as('nobody').get('/healthz').expect(200);
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});
