/** `/node_roles`: a role bound to a node, and what an operator may do to it. */
import { z } from 'zod';
import { explainNodeRole } from '../../annealer/explain.js';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { bindRole } from '../../noderoles/bind.js';
import { cancelNodeRole, proposeNodeRole, retryNodeRole, setNodeRoleData } from '../../noderoles/verbs.js';
import { unbindNodeRole } from '../../noderoles/unbind.js';
import { cascadeQuerySchema } from '../removal-schemas.js';
import { deploymentId, nodeId, nodeRoleId, referenced, roleId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { listNodeRoles, readNodeRole } from '../views/node-role.js';
import { listRuns } from '../views/run.js';

const byKey = z.object({ key: s.keySchema });
const tag = 'node_roles';

const VERBS = {
  retry: { act: retryNodeRole, summary: 'Try a noderole in ERROR again' },
  cancel: { act: cancelNodeRole, summary: 'Stop what runs; the noderole goes to ERROR' },
  propose: { act: proposeNodeRole, summary: 'Take it back to PROPOSED; what runs is stopped' },
} as const;

export function nodeRoleRoutes({ db }: { db: Db }): Route[] {
  return [...readRoutes(db), ...writeRoutes(db), ...verbRoutes(db)];
}

function readRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/node_roles',
      scope: 'viewer',
      tag,
      summary: 'List noderoles',
      query: s.nodeRoleListQuerySchema,
      answer: s.pageOf(s.nodeRoleSchema),
      handle: async ({ query }) => listNodeRoles(db, await filterOf(db, query), query),
    }),
    defineRoute({
      method: 'get',
      path: '/node_roles/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a noderole, by id or as `<role>@<node>`',
      params: byKey,
      answer: s.nodeRoleSchema,
      handle: async ({ params }) => readNodeRole(db, await nodeRoleId(db, params.key)),
    }),
    defineRoute({
      method: 'get',
      path: '/node_roles/:key/why',
      scope: 'viewer',
      tag,
      summary: 'Why it is in its state, down to the root, and what would move it',
      params: byKey,
      answer: s.whySchema,
      handle: async ({ params }) => explainNodeRole(db, await nodeRoleId(db, params.key)),
    }),
    defineRoute({
      method: 'get',
      path: '/node_roles/:key/runs',
      scope: 'viewer',
      tag,
      summary: 'List its runs, the newest first',
      params: byKey,
      query: s.pageQuerySchema,
      answer: s.pageOf(s.runSchema),
      handle: async ({ params, query }) => listRuns(db, { nodeRoleId: await nodeRoleId(db, params.key) }, query),
    }),
  ];
}

function writeRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/node_roles',
      scope: 'operator',
      tag,
      summary: "Bind a role to a node, with the parents it lacks; in the node's deployment unless another is named. A service needs no node",
      body: s.bindSchema,
      status: 201,
      answer: s.bindResultSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const role = await referenced(db, 'role', 'role', body.role);
        const node = body.node === undefined ? null : await referenced(db, 'node', 'node', body.node);
        const deployment =
          body.deployment === undefined ? await deploymentOfNode(db, node ?? 0) : await referenced(db, 'deployment', 'deployment', body.deployment);
        const bound = await bindRole(db, { roleId: role, nodeId: node, deploymentId: deployment, data: body.data, actor: actor.name });
        return { noderole: await readNodeRole(db, bound.nodeRoleId), created: bound.created };
      },
    }),
    defineRoute({
      method: 'put',
      path: '/node_roles/:key',
      scope: 'operator',
      tag,
      summary: 'Propose data; it counts from the next commit on',
      params: byKey,
      body: s.dataPutSchema,
      answer: s.nodeRoleSchema,
      async handle({ params, body, actor }) {
        const id = await nodeRoleId(db, params.key);
        await setNodeRoleData(db, id, body.data, actor.name);
        return await readNodeRole(db, id);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/node_roles/:key',
      scope: 'operator',
      tag,
      summary: 'Unbind a noderole; with cascade whatever its state, and everything below it. What still runs is stopped first and goes then',
      params: byKey,
      query: cascadeQuerySchema,
      refusals: [409],
      async handle({ params, query, actor }) {
        await unbindNodeRole(db, await nodeRoleId(db, params.key), { actor: actor.name, cascade: query.cascade });
      },
    }),
  ];
}

function verbRoutes(db: Db): Route[] {
  return Object.entries(VERBS).map(([verb, { act, summary }]) =>
    defineRoute({
      method: 'put',
      path: `/node_roles/:key/${verb}`,
      scope: 'operator',
      tag,
      summary,
      params: byKey,
      answer: s.nodeRoleSchema,
      refusals: [409],
      async handle({ params, actor, call }) {
        const id = await nodeRoleId(db, params.key);
        const moved = await act(db, id, actor.name);
        const view = await readNodeRole(db, id);
        // Accepted, not done: it takes effect when a step that cannot be broken off is over (engine-rules 17).
        if (moved.later !== undefined) call.res.status(202).json(view);
        return view;
      },
    }),
  );
}

async function deploymentOfNode(db: Db, id: number): Promise<number> {
  return (await db.prisma.node.findUniqueOrThrow({ where: { id }, select: { deploymentId: true } })).deploymentId;
}

/** A filter that names nothing is 404: an empty list would hide a misspelling. */
async function filterOf(
  db: Db,
  query: { deployment?: string | undefined; node?: string | undefined; role?: string | undefined; state?: s.NodeRoleState | undefined },
): Promise<Prisma.NodeRoleWhereInput> {
  const where: Prisma.NodeRoleWhereInput = {};
  if (query.deployment !== undefined) where.deploymentId = await deploymentId(db, query.deployment);
  if (query.node !== undefined) where.nodeId = await nodeId(db, query.node);
  if (query.role !== undefined) where.roleId = await roleId(db, query.role);
  if (query.state !== undefined) where.state = query.state;
  return where;
}
