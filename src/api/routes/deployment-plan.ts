/** `/deployments/:key/plan`, `commit`, `recall`, `propose`, `rollback` and the history: what a commit would do, does, and did. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { commitDeployment } from '../../deployments/commit.js';
import { readPlan } from '../../deployments/plan-read.js';
import { proposeDeployment } from '../../deployments/propose.js';
import { recallDeployment } from '../../deployments/recall.js';
import { diffRevisions, listRevisions, readRevision } from '../../deployments/revisions.js';
import { rollBack } from '../../deployments/rollback.js';
import type { Governed } from '../../noderoles/vetoes.js';
import { deploymentId } from '../lookup.js';
import { pageWindow } from '../paging.js';
import * as p from '../plan-schemas.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema, pageOf, pageQuerySchema } from '../schemas.js';
import { readDeployment } from '../views/deployment.js';
import { viewPlan } from '../views/plan.js';

const byKey = z.object({ key: keySchema });
const byRevision = z.object({ key: keySchema, revision: p.revisionNumberSchema });
const tag = 'deployments';

export function deploymentPlanRoutes({ db }: { db: Db & Governed }): Route[] {
  return [...commitRoutes(db), ...historyRoutes(db)];
}

function commitRoutes(db: Db & Governed): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/deployments/:key/plan',
      scope: 'viewer',
      tag,
      summary: 'What a commit would do: what runs, reboots, is erased, changes, stays. Changes nothing',
      params: byKey,
      body: p.planRequestSchema,
      answer: p.planSchema,
      handle: async ({ params, body }) => viewPlan(await readPlan(db.pool, await deploymentId(db, params.key), { withParents: body?.with_parents })),
    }),
    defineRoute({
      method: 'put',
      path: '/deployments/:key/commit',
      scope: 'operator',
      tag,
      summary: 'Commit: what is proposed counts from now on. With `plan_hash` only what that plan said',
      params: byKey,
      body: p.commitRequestSchema,
      answer: p.commitResultSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        const options = { comment: body?.comment, planHash: body?.plan_hash, withParents: body?.with_parents };
        const { revision, committed, changed } = await commitDeployment(db, id, actor.name, options);
        return { revision, committed, changed, deployment: await readDeployment(db, id) };
      },
    }),
    defineRoute({
      method: 'put',
      path: '/deployments/:key/recall',
      scope: 'operator',
      tag,
      summary: 'Take the commit back: nothing new starts; what runs ends normally, with `stop` it is cancelled',
      params: byKey,
      body: p.recallRequestSchema,
      answer: p.deploymentSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        await recallDeployment(db, id, actor.name, { stop: body?.stop });
        return await readDeployment(db, id);
      },
    }),
    defineRoute({
      method: 'put',
      path: '/deployments/:key/propose',
      scope: 'operator',
      tag,
      summary: 'Take all its noderoles back to PROPOSED, to change them or to delete it; what runs is stopped',
      params: byKey,
      body: p.proposeRequestSchema,
      answer: p.proposeResultSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        const proposed = await proposeDeployment(db, id, actor.name, { force: body?.force });
        return { proposed, deployment: await readDeployment(db, id) };
      },
    }),
    defineRoute({
      method: 'post',
      path: '/deployments/:key/rollback',
      scope: 'operator',
      tag,
      summary: "Propose an older revision's data, and say what it cannot bring back. Commits nothing; answers the plan",
      params: byKey,
      body: p.rollbackRequestSchema,
      answer: p.rollbackSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        const done = await rollBack(db, { deploymentId: id, ...body, actor: actor.name });
        return { ...done, plan: viewPlan(await readPlan(db.pool, id)) };
      },
    }),
  ];
}

function historyRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/deployments/:key/revisions',
      scope: 'viewer',
      tag,
      summary: 'List its revisions, the newest first',
      params: byKey,
      query: pageQuerySchema,
      answer: pageOf(p.revisionHeadSchema),
      async handle({ params, query }) {
        const { afterId, take } = pageWindow(query);
        const { items, total } = await listRevisions(db.pool, await deploymentId(db, params.key), { before: afterId === 0 ? undefined : afterId, limit: take });
        const shown = items.slice(0, query.limit);
        const last = shown.at(-1);
        return { items: shown.map(viewHead), next: items.length > query.limit && last !== undefined ? String(last.revision) : null, total };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/deployments/:key/revisions/:revision',
      scope: 'viewer',
      tag,
      summary: 'Read a revision: who, when, why, and what it changed',
      params: byRevision,
      answer: p.revisionSchema,
      handle: async ({ params }) => viewHead(await readRevision(db.pool, await deploymentId(db, params.key), params.revision)),
    }),
    defineRoute({
      method: 'get',
      path: '/deployments/:key/revisions/:revision/diff',
      scope: 'viewer',
      tag,
      summary: 'What differs between two revisions, from `against` (default: the one before) to this one',
      params: byRevision,
      query: p.revisionDiffQuerySchema,
      answer: p.revisionDiffSchema,
      async handle({ params, query }) {
        const id = await deploymentId(db, params.key);
        const to = params.revision;
        const from = query.against ?? to - 1;
        return { from, to, changes: await diffRevisions(db.pool, id, from, to) };
      },
    }),
  ];
}

const viewHead = <Head extends { at: Date }>(head: Head): Omit<Head, 'at'> & { at: string } => ({ ...head, at: head.at.toISOString() });
