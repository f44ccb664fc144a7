/** `/bootenvs`: what machines can be made to boot, as loaded at start. */
import { z } from 'zod';
import { maskText } from '../../attribs/secrets.js';
import { secretsOfRun } from '../../attribs/shown-inputs.js';
import { previewBootenv } from '../../bootenvs/preview.js';
import { loadBootenvs } from '../../bootenvs/registry.js';
import type { Config } from '../../config/config.js';
import type { Db } from '../../db/client.js';
import type { BootenvModel } from '../../generated/prisma/models.js';
import { findNodeId } from '../../nodes/store.js';
import { NotFoundError } from '../../shared/errors.js';
import { toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';

const tag = 'bootenvs';

export function bootenvRoutes({ db, config }: { db: Db; config: Pick<Config, 'home' | 'bootHost' | 'bootHttpPort'> }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/bootenvs',
      scope: 'viewer',
      tag,
      summary: 'List bootenvs by name',
      query: s.pageQuerySchema,
      answer: s.pageOf(s.bootenvSchema),
      async handle({ query }) {
        const [rows, total] = await Promise.all([
          db.prisma.bootenv.findMany({
            where: query.after === undefined ? {} : { name: { gt: query.after } },
            orderBy: { name: 'asc' },
            take: query.limit + 1,
          }),
          db.prisma.bootenv.count(),
        ]);
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.name, view: viewBootenv });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/bootenvs/:key',
      scope: 'viewer',
      tag,
      summary: 'Read a bootenv',
      params: z.object({ key: s.keySchema }),
      answer: s.bootenvSchema,
      async handle({ params }) {
        const row = await db.prisma.bootenv.findUnique({ where: { name: params.key } });
        if (row === null) throw new NotFoundError('bootenv', params.key);
        return viewBootenv(row);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/bootenvs/:key/preview',
      scope: 'operator',
      tag,
      summary: 'What a node would be given: every file rendered for it, without tokens and secrets',
      params: z.object({ key: s.keySchema }),
      query: s.bootenvPreviewQuerySchema,
      answer: s.bootenvPreviewSchema,
      async handle({ params, query }) {
        const loaded = (await loadBootenvs({ home: config.home })).registry.get(params.key);
        if (loaded === undefined) throw new NotFoundError('bootenv', params.key);
        const nodeId = await findNodeId(db.pool, query.node);
        const node = await db.prisma.node.findUniqueOrThrow({ where: { id: nodeId }, select: { id: true, name: true } });
        const { files, problems, nodeRoleId } = await previewBootenv(db.pool, loaded, { nodeId, baseUrl: `http://${config.bootHost}:${config.bootHttpPort}` });
        const secrets = nodeRoleId === null ? [] : await secretsOfNodeRole(db, nodeRoleId);
        return { bootenv: loaded.name, node, files: files.map(({ name, text }) => ({ name, text: maskText(text, secrets) })), problems };
      },
    }),
  ];
}

/** The secrets that the noderole's runs were given: an install's params may hold them. */
async function secretsOfNodeRole(db: Db, nodeRoleId: number): Promise<string[]> {
  const run = await db.prisma.run.findFirst({ where: { nodeRoleId }, orderBy: { id: 'desc' }, select: { id: true } });
  return run === null ? [] : secretsOfRun(db.pool, Number(run.id));
}

function viewBootenv(row: BootenvModel): s.Bootenv {
  return {
    name: row.name,
    os_family: row.osFamily,
    description: row.description,
    kind: row.kind,
    archs: row.archs,
    available: row.available,
    problems: row.problems,
  };
}
