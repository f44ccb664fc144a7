/** `/deployment_roles`: the data of a role within a deployment, inherited by each of its noderoles there. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { setDeploymentRoleData } from '../../deployments/verbs.js';
import { deploymentId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { listDeploymentRoles, readDeploymentRole } from '../views/deployment-role.js';

const byId = z.object({ id: s.idSchema });
const tag = 'deployment_roles';

export function deploymentRoleRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/deployment_roles',
      scope: 'viewer',
      tag,
      summary: 'List the roles of deployments with their data',
      query: s.deploymentRoleListQuerySchema,
      answer: s.pageOf(s.deploymentRoleSchema),
      handle: async ({ query }) =>
        listDeploymentRoles(db, query.deployment === undefined ? {} : { deploymentId: await deploymentId(db, query.deployment) }, query),
    }),
    defineRoute({
      method: 'get',
      path: '/deployment_roles/:id',
      scope: 'viewer',
      tag,
      summary: 'Read the data of a role in a deployment',
      params: byId,
      answer: s.deploymentRoleSchema,
      handle: ({ params }) => readDeploymentRole(db, params.id),
    }),
    defineRoute({
      method: 'put',
      path: '/deployment_roles/:id',
      scope: 'operator',
      tag,
      summary: 'Propose data; it counts from the next commit on',
      params: byId,
      body: s.dataPutSchema,
      answer: s.deploymentRoleSchema,
      async handle({ params, body, actor }) {
        const { deployment, role } = await readDeploymentRole(db, params.id);
        await setDeploymentRoleData(db, { deploymentId: deployment.id, roleId: role.id, data: body.data, actor: actor.name });
        return await readDeploymentRole(db, params.id);
      },
    }),
  ];
}
