/** `/nodes`: machines, what they boot, and how an operator changes them. Their power and BMC are node-power.ts. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { encodeOptions } from '../../dhcp/named-options.js';
import { deleteNode } from '../../nodes/remove.js';
import { createNode, updateNode } from '../../nodes/store.js';
import { ValidationError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import { deletionSchema, nodeDeleteQuerySchema } from '../removal-schemas.js';
import { deploymentId, idOfKey, nodeId, referenced } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { readDeletion } from '../views/deletion.js';
import { listNodes, nodeFilter, readNode } from '../views/node.js';
import { listBootEvents, readTimeline } from '../views/timeline.js';

const byKey = z.object({ key: s.keySchema });
const tag = 'nodes';

export function nodeRoutes({ db }: { db: Db }): Route[] {
  return [...readRoutes(db), ...writeRoutes(db)];
}

function readRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/nodes',
      scope: 'viewer',
      tag,
      summary: 'List nodes',
      query: s.nodeListQuerySchema,
      answer: s.pageOf(s.nodeSchema),
      handle: async ({ query }) =>
        listNodes(db, nodeFilter(query, query.deployment === undefined ? undefined : await deploymentId(db, query.deployment)), query),
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a node',
      params: byKey,
      answer: s.nodeSchema,
      handle: async ({ params }) => readNode(db, await nodeId(db, params.key)),
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key/deletion',
      scope: 'viewer',
      tag,
      summary: 'How far the deletion of a node is, and what it waits for; empty when it is not being deleted',
      params: byKey,
      answer: deletionSchema,
      handle: async ({ params }) => readDeletion(db, await nodeId(db, params.key)),
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key/boot-events',
      scope: 'viewer',
      tag,
      summary: 'List the steps seen of its boots, the newest first',
      params: byKey,
      query: s.pageQuerySchema,
      answer: s.pageOf(s.bootEventSchema),
      handle: async ({ params, query }) => listBootEvents(db, await nodeId(db, params.key), query),
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key/timeline',
      scope: 'viewer',
      tag,
      summary: 'Its boots, runs and installations in one line of time',
      params: byKey,
      query: s.timelineQuerySchema,
      answer: s.timelineSchema,
      async handle({ params, query }) {
        const node = await db.prisma.node.findUniqueOrThrow({ where: { id: await nodeId(db, params.key) }, select: { id: true, name: true } });
        return await readTimeline(db, node, query.limit);
      },
    }),
  ];
}

function writeRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/nodes',
      scope: 'operator',
      tag,
      summary: 'Register a machine before it is seen: when one of its MACs boots, it is this node',
      body: s.nodeCreateSchema,
      status: 201,
      answer: s.nodeSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const deployment = body.deployment === undefined ? null : await referenced(db, 'deployment', 'deployment', body.deployment);
        const { nodeId: id } = await createNode(db, { name: body.name, macs: body.macs ?? [], deploymentId: deployment });
        await writeAudit(db, { actor: actor.name, action: 'node.create', target: `node/${id}` });
        return await readNode(db, id);
      },
    }),
    defineRoute({
      method: 'patch',
      path: '/nodes/:key',
      scope: 'operator',
      tag,
      summary: 'Take a node out of work or back, describe it, give a hint or DHCP options, move it to another deployment',
      params: byKey,
      body: s.nodePatchSchema,
      answer: s.nodeSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = idOfKey(params.key) ?? (await nodeId(db, params.key));
        const deployment = body.deployment === undefined ? undefined : await referenced(db, 'deployment', 'deployment', body.deployment);
        const patch = {
          ...(body.available === undefined ? {} : { available: body.available }),
          ...(body.description === undefined ? {} : { description: body.description }),
          ...(body.hint === undefined ? {} : { hint: body.hint }),
          ...(body.dhcp_options === undefined ? {} : { dhcpOptions: checkedOptions(body.dhcp_options) }),
          ...(deployment === undefined ? {} : { deploymentId: deployment }),
        };
        await updateNode(db, id, patch, actor.name);
        return await readNode(db, id);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/nodes/:key',
      scope: 'admin',
      tag,
      summary: 'Delete a node: its rows go when every boot server has confirmed that it answers nothing for it',
      params: byKey,
      query: nodeDeleteQuerySchema,
      status: 202,
      refusals: [409],
      async handle({ params, query, actor }) {
        await deleteNode(db, await nodeId(db, params.key), { actor: actor.name, cascade: query.cascade, force: query.force ?? [] });
      },
    }),
  ];
}

/** Throws ValidationError with a sentence for each option that DHCP could not send. */
function checkedOptions(options: Record<string, unknown>): Record<string, unknown> {
  const { problems } = encodeOptions(options);
  if (problems.length === 0) return options;
  throw new ValidationError(
    'these DHCP options cannot be sent',
    problems.map((message) => ({ field: 'dhcp_options', message })),
  );
}
