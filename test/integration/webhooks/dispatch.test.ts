import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { nodeChanged, type DomainEvent } from '../../../src/events/events.js';
import { writeEvents } from '../../../src/events/outbox.js';
import { sequence } from '../../../src/events/sequencer.js';
import { secretsOf } from '../../../src/power/secrets.js';
import { createLogger } from '../../../src/shared/logger.js';
import { addTestDelivery, PENDING_MAX, replayDeliveries } from '../../../src/webhooks/deliveries.js';
import { createWebhookDispatcher, type WebhookDispatcher } from '../../../src/webhooks/dispatch.js';
import { isSigned } from '../../../src/webhooks/signature.js';
import { createWebhook, updateWebhook, type WebhookSpec } from '../../../src/webhooks/store.js';
import { startHttpReceiver, type HttpReceiver } from '../../support/http-receiver.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { eventsOf } from '../nodes/builders.js';

const SECRET = 'whsec_of-the-tests-only';
const box = secretsOf(randomBytes(32));
let database: TestDatabase;
let db: Db;
let receiver: HttpReceiver;
const open: WebhookDispatcher[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
});
beforeEach(async () => {
  await db.pool.query('TRUNCATE outbox_batches, outbox_events, outbox_consumers, webhooks, deployments, roles RESTART IDENTITY CASCADE');
  receiver = await startHttpReceiver();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((dispatcher) => dispatcher.close()));
  await receiver.close();
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

function dispatcher(more: { allow?: string[]; timeoutMs?: number } = {}): WebhookDispatcher {
  const made = createWebhookDispatcher(db, { box, allow: ['127.0.0.0/8'], log: createLogger('test', 'silent'), version: 'test', ...more });
  open.push(made);
  return made;
}
const subscribe = (more: Partial<WebhookSpec> = {}) =>
  createWebhook(db, box, {
    name: `w${randomBytes(3).toString('hex')}`,
    url: receiver.url,
    kinds: [],
    states: [],
    deploymentId: null,
    nodeId: null,
    roleId: null,
    active: true,
    secret: SECRET,
    ...more,
  });
const emit = (...events: DomainEvent[]) => withTransaction(db.pool, (tx) => writeEvents(tx, events));
type Row = {
  id: number;
  webhook_id: number;
  status: string;
  attempts: number;
  kind: string;
  log: { status: number | null; error: string | null; ms: number; response: string }[];
};
const deliveries = async () => (await db.pool.query<Row>('SELECT id, webhook_id, status, attempts, kind, log FROM webhook_deliveries ORDER BY id')).rows;
/** What backs off becomes due. */
const skipBackoff = () => db.pool.query(`UPDATE webhook_deliveries SET not_before = clock_timestamp() - interval '1 s' WHERE status = 'pending'`);

describe('rule 19: webhooks', () => {
  it('sends each event once, signed, in the words of the stream, with an id of its own', async () => {
    await subscribe({ name: 'board' });
    await emit(nodeChanged(7, 3, ['alive']), nodeChanged(8, 1, ['nics']));
    await dispatcher().drain();
    expect(receiver.received).toHaveLength(2);
    const bodies = receiver.received.map((got) => JSON.parse(got.body) as { id: string; webhook: string; event: Record<string, unknown> });
    expect(bodies.map((body) => body.event.subject_id)).toEqual(expect.arrayContaining([7, 8]));
    const first = receiver.received.find((got) => got.body.includes('"subject_id":7'));
    const { event, id, webhook } = JSON.parse(first?.body ?? '') as { id: string; webhook: string; event: Record<string, unknown> };
    expect(webhook).toBe('board');
    expect(event).toMatchObject({ kind: 'node-changed', subject_type: 'node', subject_id: 7, version: 3, data: { changed: ['alive'] } });
    expect(event.id).toMatch(/^[0-9a-f]+\.\d+\.0$/);
    expect(first?.headers).toMatchObject({
      'prybar-delivery': id,
      'prybar-event': 'node-changed',
      'prybar-attempt': '1',
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Prybar/test',
    });
    expect(isSigned(SECRET, String(first?.headers['prybar-signature']), first?.body ?? '', Date.now() / 1000)).toBe(true);
    expect(await deliveries()).toMatchObject([{ status: 'delivered', log: [{ status: 200, error: null, response: 'ok' }] }, { status: 'delivered' }]);
  });

  it('keeps the secret encrypted', async () => {
    await subscribe();
    const { rows } = await db.pool.query<{ secret: string }>('SELECT secret FROM webhooks');
    expect(rows[0]?.secret).not.toContain('whsec');
    expect(box.decrypt(rows[0]?.secret ?? '').reveal()).toBe(SECRET);
  });

  it('sends what its filters say, and nothing of before it was made', async () => {
    await emit(nodeChanged(7, 1, ['alive']));
    await sequence(db.pool);
    const one = await subscribe({ kinds: ['node-changed'] });
    const two = await subscribe({ kinds: ['deployment-created'] });
    await emit(nodeChanged(7, 2, ['alive']));
    await dispatcher().drain();
    expect(await deliveries()).toMatchObject([{ webhook_id: one, kind: 'node-changed' }]);
    expect((await deliveries()).some((row) => row.webhook_id === two)).toBe(false);
  });

  it('filters on deployment and role, which an event about a run does not carry', async () => {
    const { rows } = await db.pool.query<{ id: number; role_id: number; deployment_id: number }>(
      `WITH d AS (INSERT INTO deployments (name, system) VALUES ('d', true) RETURNING id), n AS (INSERT INTO nodes (name, deployment_id) SELECT 'n', id FROM d RETURNING id),
            r AS (INSERT INTO roles (name, barclamp, jig) VALUES ('r', 'b', 'noop') RETURNING id)
       INSERT INTO node_roles (deployment_id, role_id, node_id) SELECT d.id, r.id, n.id FROM d, n, r RETURNING id, role_id, deployment_id`,
    );
    const row = rows[0];
    const mine = await subscribe({ roleId: row?.role_id ?? 0, deploymentId: row?.deployment_id ?? 0 });
    await emit(
      { kind: 'run-ended', subjectType: 'run', subjectId: 1, version: 1, data: { noderole_id: row?.id ?? 0, node_id: 999 } },
      { kind: 'run-ended', subjectType: 'run', subjectId: 2, version: 1, data: { noderole_id: 12_345, node_id: 999 } },
    );
    await dispatcher().drain();
    expect(await deliveries()).toMatchObject([{ webhook_id: mine, kind: 'run-ended' }]);
    expect(receiver.received).toHaveLength(1);
  });

  it('tries again what fails for the moment, with the same id and a fresh signature, until it is taken', async () => {
    await subscribe();
    await emit(nodeChanged(7, 1, ['alive']));
    receiver.answer = (res) => res.writeHead(receiver.received.length === 1 ? 503 : 204).end('busy');
    const main = dispatcher();
    await main.drain();
    expect(await deliveries()).toMatchObject([{ status: 'pending', attempts: 1, log: [{ status: 503, error: 'it answered 503', response: 'busy' }] }]);
    await skipBackoff();
    await main.drain();
    expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 2, log: [{ status: 503 }, { status: 204 }] }]);
    expect(new Set(receiver.received.map((got) => got.headers['prybar-delivery'])).size).toBe(1);
    expect(receiver.received.map((got) => got.headers['prybar-attempt'])).toEqual(['1', '2']);
  });

  it('gives up at once on what would fail again, with one alarm however much dies, and replays it when told', async () => {
    const id = await subscribe({ kinds: ['node-changed'] });
    await emit(nodeChanged(7, 1, ['alive']), nodeChanged(8, 1, ['alive']));
    receiver.answer = (res) => res.writeHead(404).end();
    const main = dispatcher();
    await main.drain();
    expect((await deliveries()).map((row) => row.status)).toEqual(['dead', 'dead']);
    expect((await eventsOf(db, 'alarm')).map((event) => [event.subjectType, event.subjectId, event.data.code])).toEqual([['webhook', id, 'webhook-dead']]);
    receiver.answer = (res) => res.end();
    expect(await replayDeliveries(db.pool, id, null)).toBe(2);
    await main.drain();
    expect((await deliveries()).map((row) => row.status)).toEqual(['delivered', 'delivered']);
    expect((await db.pool.query('SELECT 1 FROM webhooks WHERE failing_since IS NOT NULL')).rowCount).toBe(0);
  });

  it('gives up after the last try, and sends itself no alarm about it', async () => {
    const id = await subscribe();
    await emit(nodeChanged(7, 1, ['alive']));
    receiver.answer = (res) => res.writeHead(500).end();
    const main = dispatcher();
    await main.drain();
    await db.pool.query('UPDATE webhook_deliveries SET attempts = 11');
    await skipBackoff();
    await main.drain();
    expect(await deliveries()).toMatchObject([{ webhook_id: id, status: 'dead', attempts: 12 }]);
    expect(await eventsOf(db, 'alarm')).toHaveLength(1);
    await main.drain();
    expect(await deliveries()).toHaveLength(1);
  });

  it('never sends to loopback unless it is allowed, and says so in the log', async () => {
    await subscribe();
    await emit(nodeChanged(7, 1, ['alive']));
    await dispatcher({ allow: [] }).drain();
    expect(receiver.received).toEqual([]);
    expect(await deliveries()).toMatchObject([{ status: 'dead', log: [{ status: null, error: '127.0.0.1 is loopback; PRYBAR_WEBHOOK_ALLOW may allow it' }] }]);
  });

  it('does not let one endpoint that hangs delay another', async () => {
    const stuck = await startHttpReceiver();
    stuck.answer = () => undefined;
    await subscribe({ url: stuck.url });
    await subscribe();
    await emit(nodeChanged(7, 1, ['alive']));
    const main = dispatcher({ timeoutMs: 5_000 });
    main.start();
    await waitFor(() => receiver.received.length === 1, { what: 'the other webhook to be sent' });
    await emit(nodeChanged(7, 2, ['alive']));
    await waitFor(() => receiver.received.length === 2, { what: 'the next event while the first endpoint hangs' });
    await main.close();
    await stuck.close();
    // Our stop is not counted against the endpoint: nothing is in its log, the delivery is still pending.
    expect((await deliveries())[0]).toMatchObject({ status: 'pending', log: [] });
  });

  it('sends each event to each webhook once when several processes dispatch', async () => {
    await subscribe();
    await subscribe();
    for (let i = 1; i <= 20; i += 1) await emit(nodeChanged(i, 1, ['alive']));
    await Promise.all([dispatcher().drain(), dispatcher().drain(), dispatcher().drain()]);
    expect(receiver.received).toHaveLength(40);
    expect(new Set(receiver.received.map((got) => got.headers['prybar-delivery'])).size).toBe(40);
  });

  it('pauses a webhook whose endpoint does not keep up, with an alarm', async () => {
    const id = await subscribe({ name: 'slow', kinds: ['node-changed'] });
    await db.pool.query(
      `INSERT INTO webhook_deliveries (uid, webhook_id, kind, subject_type, subject_id, body, not_before)
       SELECT gen_random_uuid(), $1, 'node-changed', 'node', i, '{}', clock_timestamp() + interval '1 day' FROM generate_series(1, $2::int) i`,
      [id, PENDING_MAX],
    );
    await emit(nodeChanged(7, 1, ['alive']));
    await dispatcher().drain();
    const { rows } = await db.pool.query('SELECT active, paused_reason FROM webhooks');
    expect(rows).toEqual([{ active: false, paused_reason: expect.stringContaining('does not keep up') }]);
    expect((await eventsOf(db, 'alarm')).map((event) => event.data.code)).toEqual(['webhook-paused']);
    expect(receiver.received).toEqual([]);
  });

  it('misses nothing that comes after it was made, although nobody looked for webhooks before', async () => {
    const main = dispatcher();
    main.start();
    await emit(nodeChanged(7, 1, ['alive']));
    await main.drain();
    await subscribe();
    await emit(nodeChanged(7, 2, ['alive']));
    await waitFor(() => receiver.received.length === 1, { what: 'the event after the subscription' });
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ event: { version: 2 } });
  });

  it('an attempt that outlived its lease changes nothing', async () => {
    await subscribe();
    await emit(nodeChanged(7, 1, ['alive']));
    receiver.answer = async (res) => {
      // While we think, another process has taken it over and it was delivered there.
      await db.pool.query(`UPDATE webhook_deliveries SET attempts = 2, status = 'delivered', ended_at = clock_timestamp()`);
      res.writeHead(500).end();
    };
    await dispatcher().drain();
    expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 2, log: [] }]);
  });

  it('a test goes to one webhook alone; a paused webhook is sent nothing, and goes on with what comes after', async () => {
    const one = await subscribe({ name: 'one', kinds: ['alarm'] });
    await subscribe({ name: 'two' });
    await addTestDelivery(db.pool, { id: one, name: 'one' });
    const main = dispatcher();
    await main.drain();
    expect(receiver.received.map((got) => (JSON.parse(got.body) as { webhook: string; event: unknown }).webhook)).toEqual(['one']);
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({ event: { id: null, kind: 'webhook-test', subject_type: 'webhook', subject_id: one } });

    await updateWebhook(db, box, one, { active: false, kinds: [] });
    await emit(nodeChanged(1, 1, ['alive']));
    await main.drain();
    await updateWebhook(db, box, one, { active: true });
    await emit(nodeChanged(1, 2, ['alive']));
    await main.drain();
    const toOne = (await deliveries()).filter((row) => row.webhook_id === one && row.kind === 'node-changed');
    expect(toOne).toHaveLength(1);
  });
});
