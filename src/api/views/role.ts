/** Roles as the API shows them. */
import { maskValue } from '../../attribs/secrets.js';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { Page, Role } from '../schemas.js';
import { attribsOf, dataOf, objectsOf } from './json.js';

const INCLUDED = { requires: { orderBy: { requires: 'asc' } } } as const satisfies Prisma.RoleInclude;
type Row = Prisma.RoleGetPayload<{ include: typeof INCLUDED }>;

/** A page of roles in id order. */
export async function listRoles(db: Db, query: PageQuery): Promise<Page<Role>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.role.findMany({ where: { id: { gt: afterId } }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.role.count(),
  ]);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewRole });
}

/** One role that exists. */
export async function readRole(db: Db, id: number): Promise<Role> {
  return viewRole(await db.prisma.role.findUniqueOrThrow({ where: { id }, include: INCLUDED }));
}

function viewRole(row: Row): Role {
  return {
    id: row.id,
    name: row.name,
    barclamp: row.barclamp,
    description: row.description,
    jig: row.jig,
    flags: row.flags,
    requires: row.requires.map((edge) => edge.requires),
    provides: row.provides,
    conflicts: row.conflicts,
    attribs: attribsOf(row.attribs).map(({ default: value, ...attrib }) => ({
      ...attrib,
      ...(value === undefined ? {} : { default: maskValue(attrib.schema, value) }),
    })),
    wants: objectsOf(row.wants),
    template: dataOf(row.attribs, row.template),
    job_class: row.jobClass,
    timeout_seconds: row.timeoutSeconds,
    max_attempts: row.maxAttempts,
    runs_in: row.runsIn,
    validity: row.validity,
    cohort: row.cohort,
  };
}
