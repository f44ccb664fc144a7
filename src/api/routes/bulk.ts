/** `/node_roles/retry` and `/node_roles/rerun`: many noderoles in one call. Mounted before `/node_roles/:key`. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { bulk, type BulkFilter, type BulkVerb } from '../../noderoles/bulk.js';
import { InvalidTransitionError } from '../../shared/errors.js';
import { bulkResultSchema, bulkSchema } from '../bulk-schemas.js';
import { nodeRoleId, referenced } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema, nodeRoleSchema } from '../schemas.js';
import { readNodeRole } from '../views/node-role.js';

const tag = 'node_roles';
const SUMMARIES: Record<BulkVerb, string> = {
  retry: 'Try everything in ERROR again that a filter names; with dry_run only count',
  rerun: 'Run everything again that a filter names, whatever its inputs; with dry_run only count',
};

export function bulkRoutes({ db }: { db: Db }): Route[] {
  return [
    ...(['retry', 'rerun'] as const).map((verb) =>
      defineRoute({
        method: 'put',
        path: `/node_roles/${verb}`,
        scope: 'operator',
        tag,
        summary: SUMMARIES[verb],
        body: bulkSchema,
        answer: bulkResultSchema,
        async handle({ body, actor }) {
          const { dryRun, ...counts } = await bulk(db, verb, { filter: await filterOf(db, body), dryRun: body.dry_run, actor: actor.name });
          return { dry_run: dryRun, ...counts };
        },
      }),
    ),
    defineRoute({
      method: 'put',
      path: '/node_roles/:key/rerun',
      scope: 'operator',
      tag,
      summary: 'Run a noderole again, whatever its inputs; what it destroys is left to a redeploy',
      params: z.object({ key: keySchema }),
      answer: nodeRoleSchema,
      refusals: [409],
      async handle({ params, actor }) {
        const id = await nodeRoleId(db, params.key);
        const { moved, marked, others } = await bulk(db, 'rerun', { filter: { ids: [id] }, dryRun: false, actor: actor.name });
        const noderole = await readNodeRole(db, id);
        if (moved + marked === 0) throw new InvalidTransitionError(`${noderole.name}: ${others[0]?.reason ?? 'it gathers a cluster and has nothing to run'}`);
        return noderole;
      },
    }),
  ];
}

async function filterOf(db: Db, body: z.output<typeof bulkSchema>): Promise<BulkFilter> {
  const filter: BulkFilter = {};
  if (body.deployment !== undefined) filter.deploymentId = await referenced(db, 'deployment', 'deployment', body.deployment);
  if (body.role !== undefined) filter.roleId = await referenced(db, 'role', 'role', body.role);
  if (body.node !== undefined) filter.nodeId = await referenced(db, 'node', 'node', body.node);
  if (body.state !== undefined) filter.states = body.state;
  if (body.ids !== undefined) filter.ids = body.ids;
  return filter;
}
