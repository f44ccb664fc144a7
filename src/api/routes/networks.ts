/** `/networks`: where machines live, and what DHCP and DNS do there. The addresses on them are allocations.ts. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { readSettings, type SettingsRow } from '../../dhcp/network-settings.js';
import { createNetwork, deleteNetwork, updateNetwork, type NetworkPatch as Patch } from '../../networks/change.js';
import { listNetworks, networkId, readNetwork, type NetworkRow } from '../../networks/read.js';
import type { FieldProblem } from '../../shared/errors.js';
import { parseSubnet } from '../../shared/ipv4.js';
import { writeAudit } from '../audit.js';
import { referenced } from '../lookup.js';
import * as n from '../network-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema, pageOf } from '../schemas.js';
import { viewNetwork } from '../views/network.js';

const byKey = z.object({ key: keySchema });
const tag = 'networks';

export function networkRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/networks',
      scope: 'viewer',
      tag,
      summary: 'List networks, with how full their ranges are',
      query: n.networkListQuerySchema,
      answer: pageOf(n.networkSchema),
      async handle({ query }) {
        const { rows, total } = await listNetworks(db.pool, query, pageWindow(query));
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewNetwork });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/networks/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a network',
      params: byKey,
      answer: n.networkSchema,
      handle: async ({ params }) => viewNetwork(await readNetwork(db.pool, await networkId(db.pool, params.key))),
    }),
    defineRoute({
      method: 'post',
      path: '/networks',
      scope: 'operator',
      tag,
      summary: 'Make a network',
      body: n.networkCreateSchema,
      status: 201,
      answer: n.networkSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const id = await createNetwork(db, { ...(await patchOf(db, body)), name: body.name, subnet: body.subnet }, settingsProblems);
        await writeAudit(db, { actor: actor.name, action: 'network.create', target: `network/${id}`, detail: { name: body.name, subnet: body.subnet } });
        return viewNetwork(await readNetwork(db.pool, id));
      },
    }),
    defineRoute({
      method: 'patch',
      path: '/networks/:key',
      scope: 'operator',
      tag,
      summary: 'Change a network; routers and ranges are replaced as a whole',
      params: byKey,
      body: n.networkPatchSchema,
      answer: n.networkSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await networkId(db.pool, params.key);
        await updateNetwork(db, id, { ...(await patchOf(db, body)), version: body.version }, settingsProblems);
        await writeAudit(db, { actor: actor.name, action: 'network.change', target: `network/${id}`, detail: { changed: Object.keys(body) } });
        return viewNetwork(await readNetwork(db.pool, id));
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/networks/:key',
      scope: 'admin',
      tag,
      summary: 'Delete a network; with force also one that has allocations and leases',
      params: byKey,
      query: n.networkDeleteQuerySchema,
      refusals: [409],
      async handle({ params, query, actor }) {
        const id = await networkId(db.pool, params.key);
        await deleteNetwork(db, id, { force: query.force });
        await writeAudit(db, { actor: actor.name, action: 'network.delete', target: `network/${id}`, detail: { name: params.key, force: query.force } });
      },
    }),
  ];
}

/** The body by column names. */
async function patchOf(db: Db, body: z.output<typeof n.networkPatchSchema> | z.output<typeof n.networkCreateSchema>): Promise<Patch> {
  const { deployment, group, ...rest } = body;
  const deploymentId = deployment === undefined || deployment === null ? deployment : await referenced(db, 'deployment', 'deployment', deployment);
  return { ...rest, deployment_id: deploymentId, group_name: group };
}

/** What DHCP could not read of the settings, by its own words: `<column>: <what and how>`. */
function settingsProblems(row: NetworkRow): FieldProblem[] {
  const subnet = parseSubnet(row.subnet);
  if (subnet === undefined) return [];
  return readSettings(row as SettingsRow, subnet).problems.map((problem) => {
    const colon = problem.indexOf(': ');
    return { field: problem.slice(0, colon), message: problem.slice(colon + 2) };
  });
}
