/** `/deployments`: a name, a place in the tree, and what is bound in it. */
import { z } from 'zod';
import { withTransaction, type Db } from '../../db/client.js';
import { deleteDeployment } from '../../deployments/remove.js';
import { createDeployment } from '../../deployments/verbs.js';
import type { EventFeed } from '../../events/feed.js';
import { writeEvents } from '../../events/outbox.js';
import { NotFoundError } from '../../shared/errors.js';
import { deploymentId, referenced } from '../lookup.js';
import { deleteQuerySchema } from '../plan-schemas.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { listDeployments, readDeployment } from '../views/deployment.js';
import { readMatrix } from '../views/matrix.js';

const byKey = z.object({ key: s.keySchema });
const tag = 'deployments';

export function deploymentRoutes({ db, feed }: { db: Db; feed: EventFeed }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/deployments',
      scope: 'viewer',
      tag,
      summary: 'List deployments',
      query: s.pageQuerySchema,
      answer: s.pageOf(s.deploymentSchema),
      handle: ({ query }) => listDeployments(db, query),
    }),
    defineRoute({
      method: 'post',
      path: '/deployments',
      scope: 'operator',
      tag,
      summary: 'Create a deployment, below `system` unless a parent is named',
      body: s.deploymentCreateSchema,
      status: 201,
      answer: s.deploymentSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const parentId = body.parent === undefined ? undefined : await referenced(db, 'deployment', 'parent', body.parent);
        const { id } = await createDeployment(db, { name: body.name, parentId, description: body.description, actor: actor.name });
        return await readDeployment(db, id);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/deployments/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a deployment',
      params: byKey,
      answer: s.deploymentSchema,
      handle: async ({ params }) => readDeployment(db, await deploymentId(db, params.key)),
    }),
    defineRoute({
      method: 'patch',
      path: '/deployments/:key',
      scope: 'operator',
      tag,
      summary: 'Change the description, or pause: a paused deployment starts nothing new',
      params: byKey,
      body: s.deploymentPatchSchema,
      answer: s.deploymentSchema,
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        await patchDeployment(db, id, body, actor.name);
        return await readDeployment(db, id);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/deployments/:key',
      scope: 'operator',
      tag,
      summary: 'Delete a deployment whose noderoles are all proposed; its nodes go to its parent. With `recursive` those below it as well',
      params: byKey,
      query: deleteQuerySchema,
      refusals: [409],
      handle: async ({ params, query, actor }) =>
        deleteDeployment(db, await deploymentId(db, params.key), actor.name, { recursive: query.recursive === 'true' }),
    }),
    defineRoute({
      method: 'get',
      path: '/deployments/:key/matrix',
      scope: 'viewer',
      tag,
      summary: 'The deployment as a matrix of roles by nodes, with its position in the event stream',
      params: byKey,
      answer: s.matrixSchema,
      handle: async ({ params }) => readMatrix({ db, feed }, await deploymentId(db, params.key)),
    }),
  ];
}

type Patch = { description?: string | undefined; paused?: boolean | undefined; power_on?: 'auto' | 'never' | undefined };

/** Writes the fields given; a patch that changes nothing makes no event. */
async function patchDeployment(db: Db, id: number, patch: Patch, actor: string): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    const found = await tx.query<{ description: string; paused: boolean; power_on: string; revision: number }>(
      'SELECT description, paused_at IS NOT NULL AS paused, power_on, revision FROM deployments WHERE id = $1 FOR NO KEY UPDATE',
      [id],
    );
    const before = found.rows[0];
    if (before === undefined) throw new NotFoundError('deployment', id);
    const description = patch.description ?? before.description;
    const paused = patch.paused ?? before.paused;
    const powerOn = patch.power_on ?? before.power_on;
    const changed = [
      ...(description === before.description ? [] : ['description']),
      ...(paused === before.paused ? [] : ['paused']),
      ...(powerOn === before.power_on ? [] : ['power_on']),
    ];
    if (changed.length === 0) return;
    await tx.query(
      'UPDATE deployments SET description = $2, paused_at = CASE WHEN NOT $3 THEN NULL ELSE coalesce(paused_at, clock_timestamp()) END, power_on = $4 WHERE id = $1',
      [id, description, paused, powerOn],
    );
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'deployment.change', $2, $3)`, [
      actor,
      `deployment/${id}`,
      JSON.stringify({ changed }),
    ]);
    await writeEvents(tx, [{ kind: 'deployment-changed', subjectType: 'deployment', subjectId: id, version: before.revision, data: { changed } }]);
  });
}
