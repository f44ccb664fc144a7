/** `/bootenvs`: what machines can be made to boot, as loaded at start. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import type { BootenvModel } from '../../generated/prisma/models.js';
import { NotFoundError } from '../../shared/errors.js';
import { toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';

const tag = 'bootenvs';

export function bootenvRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/bootenvs',
      scope: 'viewer',
      tag,
      summary: 'List bootenvs by name',
      query: s.pageQuerySchema,
      answer: s.pageOf(s.bootenvSchema),
      async handle({ query }) {
        const [rows, total] = await Promise.all([
          db.prisma.bootenv.findMany({
            where: query.after === undefined ? {} : { name: { gt: query.after } },
            orderBy: { name: 'asc' },
            take: query.limit + 1,
          }),
          db.prisma.bootenv.count(),
        ]);
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.name, view: viewBootenv });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/bootenvs/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a bootenv',
      params: z.object({ key: s.keySchema }),
      answer: s.bootenvSchema,
      async handle({ params }) {
        const row = await db.prisma.bootenv.findUnique({ where: { name: params.key } });
        if (row === null) throw new NotFoundError('bootenv', params.key);
        return viewBootenv(row);
      },
    }),
  ];
}

function viewBootenv(row: BootenvModel): s.Bootenv {
  return {
    name: row.name,
    os_family: row.osFamily,
    description: row.description,
    kind: row.kind,
    archs: row.archs,
    available: row.available,
    problems: row.problems,
  };
}
