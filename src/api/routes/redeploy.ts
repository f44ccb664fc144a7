/** `PUT .../redeploy`: install anew, on purpose. It erases disks. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { redeploy, type RedeployTarget } from '../../deployments/redeploy.js';
import { deploymentId, nodeId, nodeRoleId } from '../lookup.js';
import { redeployRequestSchema, redeploySchema } from '../plan-schemas.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema } from '../schemas.js';

const byKey = z.object({ key: keySchema });

export function redeployRoutes({ db }: { db: Db }): Route[] {
  const route = (tag: string, summary: string, target: (key: string) => Promise<RedeployTarget>): Route =>
    defineRoute({
      method: 'put',
      path: `/${tag}/:key/redeploy`,
      scope: 'operator',
      tag,
      summary,
      params: byKey,
      body: redeployRequestSchema,
      answer: redeploySchema,
      refusals: [409],
      handle: async ({ params, body, actor }) => redeploy(db, await target(params.key), actor.name, body.force),
    });
  return [
    route('deployments', 'Install every machine of the deployment anew: erases their disks', async (key) => ({ deploymentId: await deploymentId(db, key) })),
    route('nodes', 'Install the machine anew: erases its disk', async (key) => ({ nodeId: await nodeId(db, key) })),
    route('node_roles', 'Install anew what this noderole installs: erases the disk', async (key) => ({ nodeRoleId: await nodeRoleId(db, key) })),
  ];
}
