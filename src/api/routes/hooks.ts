/** `/hooks`: calls of role hooks that are pending. What went well leaves no row; what is parked waits for a person. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { notify } from '../../events/outbox.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { dropDelivery, replayParked } from '../../hooks/store.js';
import { ConflictError, NotFoundError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import * as h from '../hooks-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { pageOf, runIdSchema } from '../schemas.js';
import { idOf, objectOf, timeOrNull } from '../views/json.js';

const byId = z.object({ id: runIdSchema });
const tag = 'hooks';

export function hookRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/hooks',
      scope: 'viewer',
      tag,
      summary: 'List the calls of role hooks that are pending, the oldest first',
      query: h.hookListQuerySchema,
      answer: pageOf(h.hookDeliverySchema),
      async handle({ query }) {
        const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
        const where: Prisma.HookDeliveryWhereInput = {
          ...(query.role === undefined ? {} : { role: query.role }),
          ...(query.parked === undefined ? {} : { parkedAt: query.parked ? { not: null } : null }),
        };
        const [rows, total] = await Promise.all([
          db.prisma.hookDelivery.findMany({ where: { ...where, id: { gt: afterId } }, orderBy: { id: 'asc' }, take }),
          db.prisma.hookDelivery.count({ where }),
        ]);
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewDelivery });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/hooks/:id',
      scope: 'viewer',
      tag,
      summary: 'Read one pending call',
      params: byId,
      answer: h.hookDeliverySchema,
      async handle({ params }) {
        const row = await db.prisma.hookDelivery.findUnique({ where: { id: params.id } });
        if (row === null) throw new NotFoundError('hook delivery', params.id);
        return viewDelivery(row);
      },
    }),
    defineRoute({
      method: 'post',
      path: '/hooks/replay',
      scope: 'operator',
      tag,
      summary: 'Give parked calls their tries again: one, those of a role, or all',
      body: h.hookReplaySchema,
      answer: h.hookReplayResultSchema,
      async handle({ body, actor }) {
        const replayed = await replayParked(db.pool, { role: body.role ?? null, id: body.delivery ?? null });
        if (body.delivery !== undefined && replayed === 0) throw new NotFoundError('parked hook delivery', body.delivery);
        notify(db.pool);
        await writeAudit(db, { actor: actor.name, action: 'hook.replay', target: `hook/${body.delivery ?? body.role ?? 'all'}`, detail: { replayed } });
        return { replayed };
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/hooks/:id',
      scope: 'operator',
      tag,
      summary: 'Forget a parked call: its role is never told; a later event about the same subject calls it again',
      params: byId,
      refusals: [409],
      async handle({ params, actor }) {
        const outcome = await dropDelivery(db.pool, params.id);
        if (outcome === 'unknown') throw new NotFoundError('hook delivery', params.id);
        if (outcome === 'not-parked') throw new ConflictError(`hook delivery ${params.id} is not parked: it is still being tried`, { code: 'not-parked' });
        await writeAudit(db, { actor: actor.name, action: 'hook.drop', target: `hook/${params.id}`, detail: outcome });
      },
    }),
  ];
}

function viewDelivery(row: Prisma.HookDeliveryGetPayload<object>): h.HookDelivery {
  return {
    id: idOf(row.id),
    role: row.role,
    hook: row.hook,
    subject_type: row.subjectType,
    subject_id: idOf(row.subjectId),
    version: row.version,
    changed: row.changed,
    status: statusOf(row),
    attempts: row.attempts,
    not_before: row.notBefore.toISOString(),
    parked_at: timeOrNull(row.parkedAt),
    last_error: row.lastError,
    cause_depth: row.causeDepth,
    data: objectOf(row.data),
    created_at: row.createdAt.toISOString(),
  };
}

/** For people: the dispatcher asks the database's clock. */
function statusOf(row: { parkedAt: Date | null; runningUntil: Date | null; notBefore: Date }): h.HookDelivery['status'] {
  if (row.parkedAt !== null) return 'parked';
  if (row.runningUntil !== null && row.runningUntil.getTime() > Date.now()) return 'running';
  return row.notBefore.getTime() > Date.now() ? 'waiting' : 'due';
}
