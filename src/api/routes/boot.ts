/** The boot timeline of nodes, and of machines that are no node yet. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import * as b from '../boot-schemas.js';
import { nodeId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { readBootTimeline, readDiagnosis, readUnknown } from '../views/boot.js';

const tag = 'boot';
const byKey = z.object({ key: s.keySchema });
const byMac = z.object({ mac: b.macSchema });

export function bootRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/nodes/:key/boot-timeline',
      scope: 'viewer',
      tag,
      summary: 'Every packet and transfer seen of its boots, oldest first; the newest page, an older one (`after`), or what is new (`since`)',
      params: byKey,
      query: b.bootTimelineQuerySchema,
      answer: b.bootTimelineSchema,
      async handle({ params, query }) {
        const node = await nodeRef(db, params.key);
        return readBootTimeline(db, { nodeId: node.id }, node, query);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/nodes/:key/boot-doctor',
      scope: 'viewer',
      tag,
      summary: 'Where its boot stopped: the causes that fit, the best first, each with the switch to flip',
      params: byKey,
      answer: b.bootDoctorSchema,
      async handle({ params }) {
        const node = await nodeRef(db, params.key);
        return readDiagnosis(db, { nodeId: node.id }, node);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/boot/unknown/:mac/doctor',
      scope: 'viewer',
      tag,
      summary: 'The same for a MAC, node or not',
      params: byMac,
      answer: b.bootDoctorSchema,
      handle: ({ params }) => readDiagnosis(db, { mac: params.mac }, null),
    }),
    defineRoute({
      method: 'get',
      path: '/boot/unknown',
      scope: 'viewer',
      tag,
      summary: 'List machines that were heard and are no node, the last heard first',
      query: b.unknownQuerySchema,
      answer: s.pageOf(b.unknownMachineSchema),
      handle: ({ query }) => readUnknown(db, query),
    }),
    defineRoute({
      method: 'get',
      path: '/boot/unknown/:mac',
      scope: 'viewer',
      tag,
      summary: 'The boot timeline of a MAC, node or not',
      params: byMac,
      query: b.bootTimelineQuerySchema,
      answer: b.bootTimelineSchema,
      handle: ({ params, query }) => readBootTimeline(db, { mac: params.mac }, null, query),
    }),
  ];
}

/** A node as answers name it. Throws NotFoundError. */
export async function nodeRef(db: Db, key: string): Promise<{ id: number; name: string }> {
  return db.prisma.node.findUniqueOrThrow({ where: { id: await nodeId(db, key) }, select: { id: true, name: true } });
}
