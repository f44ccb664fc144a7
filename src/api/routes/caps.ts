/** `/caps`: how many runs may be under way at once. */
import { z } from 'zod';
import { listCaps, setCap } from '../../annealer/caps.js';
import type { Db } from '../../db/client.js';
import { capListSchema, capNameSchema, capPutSchema, type Cap } from '../caps-schemas.js';
import { deploymentId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';

const tag = 'caps';
const DEPLOYMENT = 'deployment:';

export function capRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/caps',
      scope: 'viewer',
      tag,
      summary: 'List the caps that are set, and how much of each is used',
      answer: capListSchema,
      handle: async () => ({ items: await withNames(db) }),
    }),
    defineRoute({
      method: 'put',
      path: '/caps/:name',
      scope: 'operator',
      tag,
      summary: 'Cap the runs under way: of all classes (`total`), of a class of jobs, or of a deployment (`deployment:<name>`)',
      params: z.object({ name: capNameSchema }),
      body: capPutSchema,
      answer: capListSchema,
      async handle({ params, body, actor }) {
        const { name } = params;
        const key = name.startsWith(DEPLOYMENT) ? `${DEPLOYMENT}${await deploymentId(db, name.slice(DEPLOYMENT.length))}` : name;
        await setCap(db, key, body.max, actor.name);
        return { items: await withNames(db) };
      },
    }),
  ];
}

/** Caps as operators name them: a deployment by its name. */
async function withNames(db: Db): Promise<Cap[]> {
  const caps = await listCaps(db);
  const ids = caps.filter((cap) => cap.name.startsWith(DEPLOYMENT)).map((cap) => Number(cap.name.slice(DEPLOYMENT.length)));
  const rows = ids.length === 0 ? [] : await db.prisma.deployment.findMany({ where: { id: { in: ids } }, select: { id: true, name: true } });
  const names = new Map(rows.map((row) => [`${DEPLOYMENT}${row.id}`, `${DEPLOYMENT}${row.name}`]));
  return caps.map((cap) => ({ ...cap, name: names.get(cap.name) ?? cap.name }));
}
