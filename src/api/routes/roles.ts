/** `/roles`: what can be bound. Roles come from barclamp folders; here they are read. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { roleId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import { roleListQuerySchema } from '../milestone-schemas.js';
import * as s from '../schemas.js';
import { listRoles, readRole } from '../views/role.js';

export function roleRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/roles',
      scope: 'viewer',
      tag: 'roles',
      summary: 'List roles, or only those that are milestones',
      query: roleListQuerySchema,
      answer: s.pageOf(s.roleSchema),
      handle: ({ query }) => listRoles(db, query),
    }),
    defineRoute({
      method: 'get',
      path: '/roles/:key',
      scope: 'viewer',
      tag: 'roles',
      summary: 'Read a role',
      params: z.object({ key: s.keySchema }),
      answer: s.roleSchema,
      handle: async ({ params }) => readRole(db, await roleId(db, params.key)),
    }),
  ];
}
