/**
 * The rows of `webhook_deliveries`: recorded in the transaction that moves the cursor, one for each (webhook, event); claimed
 * with a lease; ended once. An attempt that outlived its lease changes nothing: `attempts` is its fence.
 */
import { randomUUID } from 'node:crypto';
import { withTransaction, type Pool, type Tx } from '../db/client.js';
import { holdCursor, isBehind } from '../events/consumer.js';
import { formatCursor } from '../events/cursor.js';
import { alarm, type PublishedEvent } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import { currentPosition, readEvents } from '../events/read.js';
import { bodyOf, concernsOf, isSent, mentioned, needsConcerns, type Concerns, type Subscription } from './filter.js';
import type { Attempt, Verdict } from './verdict.js';

const CONSUMER = 'webhooks';
const BATCHES_PER_PASS = 500;
/** Longer than every attempt that is claimed with it takes together. Seconds. */
const LEASE_SECONDS = 120;
/** Of one webhook at once. */
const CLAIMED_PER_WEBHOOK = 20;
/** A webhook with more pending than this is paused: its endpoint does not keep up, and our table is not its queue. */
export const PENDING_MAX = 50_000;

/** Turns the next events into deliveries and moves the cursor, in one transaction; true when there may be more. */
export async function recordDeliveries(pool: Pool, epoch: string): Promise<boolean> {
  if (!(await isBehind(pool, CONSUMER))) return false;
  return withTransaction(pool, async (tx) => {
    const after = await holdCursor(tx, CONSUMER);
    // Before the subscriptions: whoever subscribes while we work is not meant by what came until here, and gets the rest.
    const newest = Math.max(after, await currentPosition(tx));
    const webhooks = await readSubscriptions(tx);
    // Without a subscription nobody has to read what happened; nor before the first of them began.
    const from = webhooks.length === 0 ? newest : Math.max(after, Math.min(newest, ...webhooks.map((webhook) => webhook.fromPos)));
    const page = await readEvents(tx, from, BATCHES_PER_PASS);
    await insertDeliveries(
      tx,
      epoch,
      webhooks,
      page.events.filter((event) => event.pos <= newest),
    );
    const reached = Math.min(newest, page.lastPos);
    await tx.query('UPDATE outbox_consumers SET pos = $2, updated_at = clock_timestamp() WHERE name = $1', [CONSUMER, reached]);
    return reached - from >= BATCHES_PER_PASS;
  });
}

async function readSubscriptions(tx: Tx): Promise<Subscription[]> {
  const { rows } = await tx.query<Subscription>(
    `SELECT id, name, kinds, states, deployment_id AS "deploymentId", node_id AS "nodeId", role_id AS "roleId", from_pos AS "fromPos" FROM webhooks WHERE active ORDER BY id`,
  );
  return rows;
}

async function insertDeliveries(tx: Tx, epoch: string, webhooks: readonly Subscription[], events: readonly PublishedEvent[]): Promise<void> {
  if (webhooks.length === 0 || events.length === 0) return;
  const concerns = needsConcerns(webhooks) ? await readConcerns(tx, events) : () => NOTHING_KNOWN;
  const sent = events.flatMap((event) => {
    const about = concerns(event);
    return webhooks.filter((webhook) => isSent(webhook, event, about)).map((webhook) => ({ webhook, event, uid: randomUUID() }));
  });
  if (sent.length === 0) return;
  await tx.query(
    `INSERT INTO webhook_deliveries (uid, webhook_id, pos, n, kind, subject_type, subject_id, version, body)
     SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::text[])
     ON CONFLICT (webhook_id, pos, n) DO NOTHING`,
    [
      sent.map(({ uid }) => uid),
      sent.map(({ webhook }) => webhook.id),
      sent.map(({ event }) => event.pos),
      sent.map(({ event }) => event.n),
      sent.map(({ event }) => event.kind),
      sent.map(({ event }) => event.subjectType),
      sent.map(({ event }) => event.subjectId),
      sent.map(({ event }) => event.version),
      sent.map(({ uid, webhook, event }) => bodyOf({ uid, webhook: webhook.name, eventId: formatCursor({ epoch, pos: event.pos, n: event.n }), event })),
    ],
  );
  await pauseOverflowing(tx, [...new Set(sent.map(({ webhook }) => webhook.id))]);
}

const NOTHING_KNOWN: Concerns = { deploymentId: null, nodeId: null, roleId: null };

/** What the events are about; noderoles and nodes that are gone by now are known by the events alone. */
async function readConcerns(tx: Tx, events: readonly PublishedEvent[]): Promise<(event: PublishedEvent) => Concerns> {
  const told = events.map(mentioned);
  const ids = (values: (number | null)[]) => [...new Set(values.filter((value) => value !== null))];
  const nodeRoles = await tx.query<{ id: number; node_id: number; role_id: number; deployment_id: number }>(
    'SELECT id, node_id, role_id, deployment_id FROM node_roles WHERE id = ANY($1)',
    [ids(told.map((one) => one.nodeRoleId))],
  );
  const nodes = await tx.query<{ id: number; deployment_id: number }>('SELECT id, deployment_id FROM nodes WHERE id = ANY($1)', [
    ids(told.map((one) => one.nodeId)),
  ]);
  const knownNodeRoles = new Map(nodeRoles.rows.map((row) => [row.id, { nodeId: row.node_id, roleId: row.role_id, deploymentId: row.deployment_id }]));
  const knownNodes = new Map(nodes.rows.map((row) => [row.id, row.deployment_id]));
  return (event) => concernsOf(event, knownNodeRoles, knownNodes);
}

async function pauseOverflowing(tx: Tx, ids: number[]): Promise<void> {
  const { rows } = await tx.query<{ id: number; name: string }>(
    `UPDATE webhooks w SET active = false, paused_reason = $3 WHERE w.id = ANY($1) AND w.active
        AND (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'pending' LIMIT $2) pending) >= $2
     RETURNING id, name`,
    [ids, PENDING_MAX, `${PENDING_MAX} deliveries are pending: the endpoint does not keep up`],
  );
  await writeEvents(
    tx,
    rows.map((row) =>
      alarm(
        'webhook',
        row.id,
        'webhook-paused',
        `webhook '${row.name}' has ${PENDING_MAX} deliveries pending and was paused; see why they wait: prybar webhooks deliveries ${row.name}`,
        {
          webhook: row.name,
        },
      ),
    ),
  );
}

/** A delivery taken for one attempt, with what its webhook says now. */
export type Claimed = {
  id: number;
  uid: string;
  webhookId: number;
  webhook: string;
  url: string;
  secret: string;
  kind: string;
  body: string;
  attempts: number;
};

/** Takes what is due of every webhook but the busy ones; counts the attempt. */
export async function claimDeliveries(pool: Pool, busy: readonly number[]): Promise<Claimed[]> {
  const { rows } = await pool.query<Claimed>(
    `UPDATE webhook_deliveries d SET running_until = clock_timestamp() + make_interval(secs => $2), attempts = d.attempts + 1
       FROM webhooks w CROSS JOIN LATERAL (
         SELECT c.id FROM webhook_deliveries c
          WHERE c.webhook_id = w.id AND c.status = 'pending' AND c.not_before <= clock_timestamp() AND (c.running_until IS NULL OR c.running_until < clock_timestamp())
          ORDER BY c.not_before, c.id LIMIT $3 FOR UPDATE SKIP LOCKED) due
      WHERE w.active AND w.id <> ALL($1) AND d.id = due.id
     RETURNING d.id, d.uid, w.id AS "webhookId", w.name AS webhook, w.url, w.secret, d.kind, d.body, d.attempts`,
    [busy, LEASE_SECONDS, CLAIMED_PER_WEBHOOK],
  );
  return rows.sort((a, b) => a.id - b.id);
}

/** Ends an attempt. The first delivery of a webhook to die is an alarm; the next that is taken ends the trouble. */
export async function finishAttempt(pool: Pool, delivery: Claimed, attempt: Attempt, verdict: Verdict): Promise<void> {
  const entry = {
    ms: attempt.ms,
    status: attempt.kind === 'answered' ? attempt.status : null,
    error: verdict.kind === 'delivered' ? null : verdict.error,
    response: attempt.kind === 'answered' ? attempt.response : '',
  };
  await withTransaction(pool, async (tx) => {
    const { rowCount } = await tx.query(
      `UPDATE webhook_deliveries SET status = $3, running_until = NULL,
              log = log || jsonb_build_array(jsonb_build_object('at', clock_timestamp()) || $4::jsonb),
              not_before = clock_timestamp() + make_interval(secs => $5::float8 / 1000),
              ended_at = CASE WHEN $3 <> 'pending' THEN clock_timestamp() END
        WHERE id = $1 AND attempts = $2 AND status = 'pending'`,
      [
        delivery.id,
        delivery.attempts,
        verdict.kind === 'again' ? 'pending' : verdict.kind,
        JSON.stringify(entry),
        verdict.kind === 'again' ? verdict.afterMs : 0,
      ],
    );
    if (rowCount === 0 || verdict.kind === 'again') return;
    if (verdict.kind === 'delivered') {
      await tx.query('UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL', [delivery.webhookId]);
      return;
    }
    const { rows } = await tx.query('UPDATE webhooks SET failing_since = clock_timestamp() WHERE id = $1 AND failing_since IS NULL RETURNING id', [
      delivery.webhookId,
    ]);
    if (rows.length === 0) return;
    await writeEvents(tx, [
      alarm('webhook', delivery.webhookId, 'webhook-dead', `webhook '${delivery.webhook}': a delivery of ${delivery.kind} is given up: ${verdict.error}`, {
        webhook: delivery.webhook,
        delivery: delivery.uid,
      }),
    ]);
  });
}

/** Puts a test into the queue of a webhook: sent like any other, to it alone. Returns its id. */
export async function addTestDelivery(pool: Pool, webhook: { id: number; name: string }): Promise<number> {
  const uid = randomUUID();
  const data = { message: 'a test, sent by request' };
  const event = { kind: 'webhook-test', at: new Date(), subjectType: 'webhook', subjectId: webhook.id, version: 0, data };
  const { rows } = await pool.query<{ id: number }>(
    `INSERT INTO webhook_deliveries (uid, webhook_id, kind, subject_type, subject_id, body) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
    [uid, webhook.id, event.kind, event.subjectType, webhook.id, bodyOf({ uid, webhook: webhook.name, eventId: null, event })],
  );
  return rows[0]?.id ?? 0;
}

/** Sends again what is dead: one delivery, or all of a webhook. The id on the wire stays. Returns how many. */
export async function replayDeliveries(pool: Pool, webhookId: number, deliveryId: number | null): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE webhook_deliveries SET status = 'pending', attempts = 0, not_before = clock_timestamp(), running_until = NULL, ended_at = NULL
      WHERE webhook_id = $1 AND status <> 'pending' AND CASE WHEN $2::bigint IS NULL THEN status = 'dead' ELSE id = $2 END`,
    [webhookId, deliveryId],
  );
  return rowCount ?? 0;
}
