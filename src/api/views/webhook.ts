/** Webhooks and deliveries as the API shows them. Never the secret. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { idOfKey } from '../lookup.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { Page } from '../schemas.js';
import { deliveryStatusSchema, type Webhook, type WebhookDelivery } from '../webhooks-schemas.js';
import { idOf, timeOrNull } from './json.js';

const ref = { select: { id: true, name: true } } as const;
const SHOWN = {
  id: true,
  name: true,
  url: true,
  kinds: true,
  states: true,
  deployment: ref,
  node: ref,
  role: ref,
  active: true,
  pausedReason: true,
  failingSince: true,
  createdAt: true,
} as const satisfies Prisma.WebhookSelect;
type Row = Prisma.WebhookGetPayload<{ select: typeof SHOWN }>;

/** Id of a webhook, addressed by id or name. Throws NotFoundError. */
export async function webhookId(db: Db, key: string): Promise<number> {
  const id = idOfKey(key);
  const row = await db.prisma.webhook.findUnique({ where: id === undefined ? { name: key } : { id }, select: { id: true } });
  if (row === null) throw new NotFoundError('webhook', key);
  return row.id;
}

export async function listWebhooks(db: Db, query: PageQuery): Promise<Page<Webhook>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.webhook.findMany({ where: { id: { gt: afterId } }, orderBy: { id: 'asc' }, take, select: SHOWN }),
    db.prisma.webhook.count(),
  ]);
  const counts = await countDeliveries(
    db,
    rows.map((row) => row.id),
  );
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewWebhook(row, counts) });
}

export async function readWebhook(db: Db, id: number): Promise<Webhook> {
  const row = await db.prisma.webhook.findUnique({ where: { id }, select: SHOWN });
  if (row === null) throw new NotFoundError('webhook', id);
  return viewWebhook(row, await countDeliveries(db, [id]));
}

type Counts = ReadonlyMap<number, { pending: number; dead: number }>;

async function countDeliveries(db: Db, ids: number[]): Promise<Counts> {
  const { rows } = await db.pool.query<{ webhook_id: number; pending: number; dead: number }>(
    `SELECT webhook_id, count(*) FILTER (WHERE status = 'pending')::int AS pending, count(*) FILTER (WHERE status = 'dead')::int AS dead
       FROM webhook_deliveries WHERE webhook_id = ANY($1) AND status <> 'delivered' GROUP BY webhook_id`,
    [ids],
  );
  return new Map(rows.map((row) => [row.webhook_id, { pending: row.pending, dead: row.dead }]));
}

function viewWebhook(row: Row, counts: Counts): Webhook {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    kinds: row.kinds,
    states: row.states,
    deployment: row.deployment,
    node: row.node,
    role: row.role,
    active: row.active,
    paused_reason: row.pausedReason,
    failing_since: timeOrNull(row.failingSince),
    deliveries: counts.get(row.id) ?? { pending: 0, dead: 0 },
    created_at: row.createdAt.toISOString(),
  };
}

const logSchema = z.array(z.object({ at: z.string(), ms: z.number(), status: z.number().nullable(), error: z.string().nullable(), response: z.string() }));

/** The deliveries of a webhook, the newest first: `after` is the id of the last one seen. */
export async function listWebhookDeliveries(
  db: Db,
  id: number,
  query: PageQuery & { status?: 'pending' | 'delivered' | 'dead' | undefined },
): Promise<Page<WebhookDelivery>> {
  const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
  const where: Prisma.WebhookDeliveryWhereInput = { webhookId: id, ...(query.status === undefined ? {} : { status: query.status }) };
  const [rows, total] = await Promise.all([
    db.prisma.webhookDelivery.findMany({
      where: query.after === undefined ? where : { ...where, id: { lt: afterId } },
      orderBy: { id: 'desc' },
      take,
      omit: { body: true },
    }),
    db.prisma.webhookDelivery.count({ where }),
  ]);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewDelivery });
}

/** One delivery with its body. Throws NotFoundError. */
export async function readWebhookDelivery(db: Db, webhook: number, id: number): Promise<WebhookDelivery> {
  const row = await db.prisma.webhookDelivery.findFirst({ where: { id, webhookId: webhook } });
  if (row === null) throw new NotFoundError('delivery', id);
  return { ...viewDelivery(row), body: JSON.parse(row.body) as unknown };
}

function viewDelivery(row: Prisma.WebhookDeliveryGetPayload<{ omit: { body: true } }>): WebhookDelivery {
  const log = logSchema.safeParse(row.log);
  const status = deliveryStatusSchema.parse(row.status);
  return {
    id: idOf(row.id),
    uid: row.uid,
    kind: row.kind,
    subject_type: row.subjectType,
    subject_id: idOf(row.subjectId),
    version: row.version,
    status,
    attempts: row.attempts,
    next_at: status === 'pending' ? row.notBefore.toISOString() : null,
    log: log.success ? log.data : [],
    created_at: row.createdAt.toISOString(),
    ended_at: timeOrNull(row.endedAt),
  };
}
