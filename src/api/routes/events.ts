/** `/events`: the stream of domain events. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import type { EventFeed } from '../../events/feed.js';
import { ValidationError } from '../../shared/errors.js';
import { streamEvents } from '../event-stream.js';
import { defineStream, type Route } from '../route.js';
import * as s from '../schemas.js';

const cursorSchema = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9.-]+$/);

export function eventRoutes({ db, feed, closing }: { db: Db; feed: EventFeed; closing: AbortSignal }): Route[] {
  return [
    defineStream({
      method: 'get',
      path: '/events',
      scope: 'viewer',
      tag: 'events',
      summary: 'Follow what happens as server-sent events; `Last-Event-ID` or `after` says where to go on',
      query: s.eventsQuerySchema,
      answer: s.eventSchema,
      contentType: 'text/event-stream',
      async handle({ query, call, actor }) {
        call.res.locals.isStream = true;
        const header = call.req.headers['last-event-id'];
        const cursor = cursorSchema.optional().safeParse(typeof header === 'string' && header !== '' ? header : query.after);
        if (!cursor.success)
          throw new ValidationError('query.after is no cursor', [{ field: 'query.after', message: 'must be the id of an event, or the pos of a matrix' }]);
        const isStillAllowed = async (): Promise<boolean> => {
          const token = await db.prisma.apiToken.findUnique({ where: { id: actor.tokenId }, select: { revokedAt: true } });
          return token !== null && token.revokedAt === null;
        };
        await streamEvents({ feed, res: call.res, cursor: cursor.data, closing, isStillAllowed });
      },
    }),
  ];
}
