/** `/barclamps`: folders of role definitions, read, imported and taken away. Their scripts run as root, so an administrator's. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { listBarclamps, readBarclampRow, removeBarclamp, type BarclampRow } from '../../roles/barclamps.js';
import type { RoleCode } from '../../roles/code.js';
import { barclampDocument, barclampYaml } from '../../roles/export.js';
import { parseBarclamp, readBarclamp } from '../../roles/load.js';
import type { BarclampDefinition } from '../../roles/role.js';
import { importBarclamps } from '../../roles/store.js';
import { writeAudit } from '../audit.js';
import * as b from '../barclamp-schemas.js';
import { toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';

const tag = 'barclamps';
const params = z.object({ key: s.keySchema });

/** `roleCode`: what the code here provides for roles; unset: not checked. */
export function barclampRoutes({ db, roleCode }: { db: Db; roleCode?: RoleCode }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/barclamps',
      scope: 'viewer',
      tag,
      summary: 'List barclamps by name',
      query: s.pageQuerySchema,
      answer: s.pageOf(b.barclampSchema),
      async handle({ query }) {
        const { rows, total } = await listBarclamps(db.pool, query);
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.name, view: viewBarclamp });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/barclamps/:key',
      // A definition holds defaults and scripts as they were written, secrets too: it is for whoever may import it.
      scope: 'admin',
      tag,
      summary: 'Read a barclamp with its definition',
      params,
      answer: b.barclampDetailSchema,
      async handle({ params: { key } }) {
        const { row, definition } = await readBarclampRow(db.pool, key);
        return { ...viewBarclamp(row), definition: barclampDocument(definition), yaml: barclampYaml(definition) };
      },
    }),
    defineRoute({
      method: 'post',
      path: '/barclamps',
      scope: 'admin',
      tag,
      summary: 'Import barclamps: an upsert, refused whole when the roles make no sense together',
      refusals: [409],
      body: b.barclampImportSchema,
      answer: b.barclampImportResultSchema,
      async handle({ body, actor }) {
        const barclamps = definitionsIn(body);
        const result = await importBarclamps(db.pool, barclamps, {
          source: 'api',
          ...(roleCode === undefined ? {} : { code: roleCode }),
          allowDangling: body.allow_dangling,
          missing: body.keep_missing ? 'keep' : 'drop',
        });
        const names = barclamps.map((barclamp) => barclamp.barclamp.name);
        const { created, changed, removed, retired } = result;
        await writeAudit(db, {
          actor: actor.name,
          action: 'barclamp.import',
          target: `barclamp/${names.join(',')}`,
          detail: { created, changed, removed, retired },
        });
        return { barclamps: names, ...result };
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/barclamps/:key',
      scope: 'admin',
      tag,
      summary: 'Take a barclamp and its roles away, when nothing is bound to them and no other role requires them',
      refusals: [409],
      params,
      async handle({ params: { key }, actor }) {
        const { removed } = await removeBarclamp(db.pool, key);
        await writeAudit(db, { actor: actor.name, action: 'barclamp.remove', target: `barclamp/${key}`, detail: { removed } });
      },
    }),
  ];
}

function definitionsIn(body: z.output<typeof b.barclampImportSchema>): BarclampDefinition[] {
  if (body.yaml !== undefined) return [parseBarclamp(body.yaml, 'yaml')];
  if (body.files !== undefined) return body.files.map(({ file, yaml }) => parseBarclamp(yaml, file));
  return [readBarclamp({ barclamp: body.barclamp, ...(body.attribs === undefined ? {} : { attribs: body.attribs }), roles: body.roles }, 'body')];
}

function viewBarclamp(row: BarclampRow): b.Barclamp {
  const { name, description, version, source, imported_at, roles, retired } = row;
  return { name, description, version, source, imported_at: imported_at.toISOString(), roles, retired };
}
