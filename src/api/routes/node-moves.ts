/** `/nodes/:id/move` and `/nodes/:id/target-role`. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { moveNode } from '../../nodes/move.js';
import { setTargetRole } from '../../nodes/target.js';
import { nodeId, referenced } from '../lookup.js';
import { movePutSchema, moveResultSchema, targetPutSchema, targetSchema, type Target } from '../node-move-schemas.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema, type Ref } from '../schemas.js';

const byKey = z.object({ key: keySchema });
const tag = 'nodes';

export function nodeMoveRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'put',
      path: '/nodes/:key/move',
      scope: 'operator',
      tag,
      summary: 'Move a node to another deployment, with what was only proposed for it; 409 names what forbids it',
      params: byKey,
      body: movePutSchema,
      answer: moveResultSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await nodeId(db, params.key);
        const move = await moveNode(db, id, await referenced(db, 'deployment', 'deployment', body.deployment), actor.name);
        const node = await db.prisma.node.findUniqueOrThrow({ where: { id }, select: { id: true, name: true } });
        return { node, from: await deploymentRef(db, move.from), to: await deploymentRef(db, move.to), noderoles: move.noderoles };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key/target-role',
      scope: 'viewer',
      tag,
      summary: 'The target role of a node; null: everything bound to it is started',
      params: byKey,
      answer: targetSchema,
      handle: async ({ params }) => readTarget(db, await nodeId(db, params.key)),
    }),
    defineRoute({
      method: 'put',
      path: '/nodes/:key/target-role',
      scope: 'operator',
      tag,
      summary: 'For debugging: start only this role and what it needs on the node; null starts everything again',
      params: byKey,
      body: targetPutSchema,
      answer: targetSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await nodeId(db, params.key);
        await setTargetRole(db, id, body.role === null ? null : await referenced(db, 'role', 'role', body.role), actor.name);
        return await readTarget(db, id);
      },
    }),
  ];
}

async function deploymentRef(db: Db, id: number): Promise<Ref> {
  return await db.prisma.deployment.findUniqueOrThrow({ where: { id }, select: { id: true, name: true } });
}

async function readTarget(db: Db, id: number): Promise<Target> {
  const { targetRole, ...node } = await db.prisma.node.findUniqueOrThrow({
    where: { id },
    select: { id: true, name: true, targetRole: { select: { id: true, name: true } } },
  });
  return { node, role: targetRole };
}
