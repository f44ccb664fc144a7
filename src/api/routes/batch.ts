/** `/batch`: many things in one request, all or nothing. */
import type { Db } from '../../db/client.js';
import { applyBatch } from '../../deployments/batch.js';
import { batchResultSchema, batchSchema } from '../batch-schemas.js';
import { defineRoute, type Route } from '../route.js';

export function batchRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/batch',
      scope: 'operator',
      tag: 'deployments',
      summary: 'Create deployments and nodes, bind roles, commit: all or nothing. What exists stays as it is',
      body: batchSchema,
      answer: batchResultSchema,
      refusals: [409],
      handle: ({ body, actor }) => applyBatch(db, body, actor.name),
    }),
  ];
}
