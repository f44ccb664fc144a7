/**
 * `/external-servers`: servers of the site that Prybar drives. They are named in a file of the machine they are on, never
 * here: a token must not be a way to write files and run commands. `/dhcp-snippets`: what to add to their configuration.
 */
import { z } from 'zod';
import type { Config } from '../../config/config.js';
import type { Db } from '../../db/client.js';
import { snippetFor } from '../../interchange/snippets.js';
import { NotFoundError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import * as x from '../external-schemas.js';
import { defineRoute, type Route } from '../route.js';
import { timeOrNull } from '../views/json.js';

const tag = 'networks';

export function externalRoutes({ db, config }: { db: Db; config: Config }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/external-servers',
      scope: 'viewer',
      tag,
      summary: 'List the DHCP and TFTP servers of the site that Prybar drives',
      query: x.externalServerQuerySchema,
      answer: x.externalServerListSchema,
      async handle({ query }) {
        const items = (await readServers(db)).filter((server) => query.problem === undefined || (server.problem !== null) === query.problem);
        return { items, total: items.length };
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/external-servers/:name',
      scope: 'operator',
      tag,
      summary: 'Wait for a server no more that is gone for good; one that external.yml still names comes back at the next start',
      params: z.object({ name: x.externalServerNameSchema }),
      async handle({ params, actor }) {
        const { count } = await db.prisma.externalServer.deleteMany({ where: { name: params.name } });
        if (count === 0) throw new NotFoundError('external server', params.name);
        await writeAudit(db, { actor: actor.name, action: 'external-server.delete', target: `external-server/${params.name}` });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/dhcp-snippets/:server',
      scope: 'viewer',
      tag,
      summary: 'What to add to a DHCP server of the site so that its machines boot from this Prybar',
      params: z.object({ server: x.snippetServerSchema }),
      answer: x.snippetSchema,
      async handle({ params }) {
        const place = { host: config.bootHost, httpPort: config.bootHttpPort, tftpPort: config.tftpPort };
        const { server, text, externalYml, notes } = snippetFor(params.server, place);
        return { server, text, external_yml: externalYml, notes };
      },
    }),
  ];
}

async function readServers(db: Db): Promise<x.ExternalServer[]> {
  const [rows, table] = await Promise.all([db.prisma.externalServer.findMany({ orderBy: { name: 'asc' } }), db.prisma.dhcpTable.findFirst()]);
  const now = Date.now();
  return rows.map((row) => ({
    name: row.name,
    kind: row.kind,
    host: row.host,
    networks: row.networkNames,
    driven: row.driver !== null && row.drivenUntil.getTime() > now,
    served_revision: Number(row.servedRevision),
    revision: Number(table?.revision ?? 0),
    problem: row.problem,
    problem_since: timeOrNull(row.problemSince),
    hosts: row.hosts,
    writes: Number(row.writes),
    served_at: timeOrNull(row.servedAt),
  }));
}
