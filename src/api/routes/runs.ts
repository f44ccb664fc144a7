/** `/runs`: attempts at noderoles, and what they wrote. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { forceEnd } from '../../runs/force-end.js';
import { NotFoundError } from '../../shared/errors.js';
import { nodeId, roleId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { forceEndSchema, runDetailSchema } from '../run-schemas.js';
import { listRuns, storedOutcome } from '../views/run.js';
import { readRunDetail } from '../views/run-detail.js';

const byId = z.object({ id: s.runIdSchema });
const tag = 'runs';

export function runRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/runs',
      scope: 'viewer',
      tag,
      summary: 'List runs, the newest first',
      query: s.runListQuerySchema,
      answer: s.pageOf(s.runSchema),
      handle: async ({ query }) => listRuns(db, await filterOf(db, query), query),
    }),
    defineRoute({
      method: 'get',
      path: '/runs/:id',
      scope: 'viewer',
      tag,
      summary: 'Read a run: what it was given, what it said, what it left',
      params: byId,
      answer: runDetailSchema,
      handle: ({ params }) => readRunDetail(db, params.id),
    }),
    defineRoute({
      method: 'post',
      path: '/runs/:id/force-end',
      scope: 'operator',
      tag,
      summary: 'End a run that is being stopped, on your word that nothing of it is on the machine any more (audited)',
      params: byId,
      body: forceEndSchema,
      answer: runDetailSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        await forceEnd(db, { runId: params.id, actor: actor.name, reason: body.reason });
        return await readRunDetail(db, params.id);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/runs/:id/logs',
      scope: 'viewer',
      tag,
      summary: 'Read the log after a sequence number',
      params: byId,
      query: s.logQuerySchema,
      answer: s.runLogSchema,
      handle: ({ params, query }) => readLog(db, params.id, query),
    }),
  ];
}

/** The end is read before the chunks: a chunk written in between is then not missed by a reader that stops at `ended`. */
async function readLog(db: Db, runId: number, query: { after: number; limit: number }): Promise<s.RunLog> {
  const run = await db.prisma.run.findUnique({ where: { id: runId }, select: { status: true } });
  if (run === null) throw new NotFoundError('run', runId);
  const rows = await db.prisma.runLog.findMany({
    where: { runId, seq: { gt: query.after } },
    orderBy: { seq: 'asc' },
    take: query.limit + 1,
    select: { seq: true, at: true, text: true },
  });
  const items = rows.slice(0, query.limit).map((row) => ({ seq: row.seq, at: row.at.toISOString(), text: row.text }));
  return { items, ended: run.status === 'ENDED' && rows.length <= query.limit };
}

type Filter = {
  noderole?: number | undefined;
  node?: string | undefined;
  role?: string | undefined;
  status?: s.RunStatus | undefined;
  outcome?: s.RunOutcome | undefined;
};

async function filterOf(db: Db, query: Filter): Promise<Prisma.RunWhereInput> {
  const where: Prisma.RunWhereInput = {};
  if (query.noderole !== undefined) where.nodeRoleId = query.noderole;
  if (query.node !== undefined) where.nodeId = await nodeId(db, query.node);
  if (query.role !== undefined) where.roleId = await roleId(db, query.role);
  if (query.status !== undefined) where.status = query.status;
  if (query.outcome !== undefined) where.outcome = storedOutcome(query.outcome);
  return where;
}
