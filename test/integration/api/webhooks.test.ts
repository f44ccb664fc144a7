import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../src/config/config.js';
import { secretsOf } from '../../../src/power/secrets.js';
import { createLogger } from '../../../src/shared/logger.js';
import { createWebhookDispatcher } from '../../../src/webhooks/dispatch.js';
import { isSigned } from '../../../src/webhooks/signature.js';
import { startHttpReceiver, type HttpReceiver } from '../../support/http-receiver.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

const box = secretsOf(randomBytes(32));
let fixture: ApiFixture;
let receiver: HttpReceiver;
beforeAll(async () => {
  receiver = await startHttpReceiver();
  fixture = await startApi({ secrets: box, config: loadConfig({ PRYBAR_WEBHOOK_ALLOW: '127.0.0.1/32', DATABASE_URL: 'postgresql://unused' }) });
});
afterAll(async () => {
  await fixture.close();
  await receiver.close();
});
const admin = () => fixture.as('admin');
async function deliver(): Promise<void> {
  const dispatcher = createWebhookDispatcher(fixture.db, { box, allow: ['127.0.0.1'], log: createLogger('test', 'silent'), version: 'test' });
  await dispatcher.drain();
  await dispatcher.close();
}

describe('/webhooks', () => {
  it('subscribes, shows the secret once, signs with it, and tells what came back', async () => {
    const made = await admin()
      .post(`${API}/webhooks`)
      .send({ name: 'board', url: receiver.url, kinds: ['deployment-created'] })
      .expect(201);
    expect(made.body).toMatchObject({ name: 'board', active: true, kinds: ['deployment-created'], deliveries: { pending: 0, dead: 0 } });
    const { secret } = made.body as { secret: string };
    expect(secret).toMatch(/^whsec_[A-Za-z0-9_-]{43}$/);
    for (const path of ['', '/board']) expect(JSON.stringify((await admin().get(`${API}/webhooks${path}`).expect(200)).body)).not.toContain('whsec');

    await admin().post(`${API}/deployments`).send({ name: 'web' }).expect(201);
    await deliver();
    const got = receiver.received.at(-1);
    expect(isSigned(secret, String(got?.headers['prybar-signature']), got?.body ?? '', Date.now() / 1000)).toBe(true);

    const list = await admin().get(`${API}/webhooks/board/deliveries?status=delivered`).expect(200);
    expect(list.body).toMatchObject({
      total: 1,
      items: [{ kind: 'deployment-created', status: 'delivered', attempts: 1, log: [{ status: 200, response: 'ok' }] }],
    });
    const { items } = list.body as { items: { id: number; uid: string }[] };
    const one = await admin().get(`${API}/webhooks/board/deliveries/${items[0]?.id}`).expect(200);
    expect(one.body).toMatchObject({ body: { id: items[0]?.uid, event: { data: { name: 'web' } } } });
  });

  it('changes, rotates the secret, tests, replays and removes', async () => {
    await admin()
      .post(`${API}/webhooks`)
      .send({ name: 'changing', url: receiver.url, kinds: ['alarm'], deployment: 'system' })
      .expect(201);
    const changed = await admin()
      .patch(`${API}/webhooks/changing`)
      .send({ deployment: null, states: ['ERROR'], rotate_secret: true })
      .expect(200);
    expect(changed.body).toMatchObject({ deployment: null, states: ['ERROR'], kinds: ['alarm'], secret: expect.stringMatching(/^whsec_/) });
    await admin().post(`${API}/webhooks/changing/test`).expect(202);
    receiver.answer = (res) => res.writeHead(410).end('gone');
    await deliver();
    const dead = (await admin().get(`${API}/webhooks/changing/deliveries`).expect(200)).body as { items: { id: number; status: string }[] };
    expect(dead.items).toMatchObject([{ kind: 'webhook-test', status: 'dead', log: [{ status: 410, error: 'it answered 410', response: 'gone' }] }]);
    expect((await admin().get(`${API}/webhooks/changing`)).body).toMatchObject({ deliveries: { dead: 1 }, failing_since: expect.any(String) });
    receiver.answer = (res) => res.end();
    await admin().post(`${API}/webhooks/changing/replay`).send({}).expect(200, { replayed: 1 });
    await deliver();
    expect((await admin().get(`${API}/webhooks/changing`)).body).toMatchObject({ deliveries: { pending: 0, dead: 0 }, failing_since: null });
    await admin().patch(`${API}/webhooks/changing`).send({ active: false }).expect(200);
    await admin().post(`${API}/webhooks/changing/test`).expect(409);
    await admin().delete(`${API}/webhooks/changing`).expect(204);
    await admin().get(`${API}/webhooks/changing`).expect(404);
    const { rows } = await fixture.db.pool.query<{ detail: unknown }>(`SELECT detail FROM audit WHERE action LIKE 'webhook.%'`);
    expect(JSON.stringify(rows)).not.toContain('whsec');
  });

  it.each([
    ['no URL', 'nonsense', 'must be a URL'],
    ['another scheme', 'file:///etc/passwd', 'https:// or http://'],
    ['a password in the URL', 'https://a:b@example.com/', 'no user and password'],
    ['loopback', 'http://127.0.0.2/', 'loopback'],
    ['localhost over IPv6', 'http://[::1]/', 'loopback'],
    ['the metadata service', 'http://169.254.169.254/', 'link-local'],
  ])('refuses %s, naming the field', async (_what, url, words) => {
    const { body } = await admin().post(`${API}/webhooks`).send({ name: 'bad', url }).expect(400);
    expect(body).toMatchObject({ errors: [{ field: 'url', message: expect.stringContaining(words) }] });
  });

  it.each([
    ['a name that is taken', { name: 'board', url: 'https://example.com/' }, 409],
    ['an unknown node', { name: 'x', url: 'https://example.com/', node: 'nobody' }, 400],
    ['a short secret', { name: 'x', url: 'https://example.com/', secret: 'short' }, 400],
    ['an unknown field', { name: 'x', url: 'https://example.com/', filter: {} }, 400],
    ['an unknown state', { name: 'x', url: 'https://example.com/', states: ['READY'] }, 400],
  ])('refuses %s', async (_what, body, status) => {
    await admin().post(`${API}/webhooks`).send(body).expect(status);
  });

  it('subscribing is for administrators: it makes this server speak to the address given', async () => {
    await fixture.as('operator').post(`${API}/webhooks`).send({ name: 'x', url: 'https://example.com/' }).expect(403);
    await fixture.as('operator').get(`${API}/webhooks`).expect(200);
    // A URL often carries a token of where it leads to.
    await fixture.as('viewer').get(`${API}/webhooks`).expect(403);
    await fixture.as('nobody').get(`${API}/webhooks`).expect(401);
  });
});
