/** Roles as the API shows them. */
import { maskValue } from '../../attribs/secrets.js';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { Page, Role } from '../schemas.js';
import { attribsOf, dataOf, objectOf, objectsOf } from './json.js';

const INCLUDED = { requires: { orderBy: { requires: 'asc' } } } as const satisfies Prisma.RoleInclude;
type Row = Prisma.RoleGetPayload<{ include: typeof INCLUDED }>;
type Names = ReadonlyMap<number, string>;

/** A page of roles in id order. */
export async function listRoles(db: Db, query: PageQuery & { milestone?: boolean | undefined }): Promise<Page<Role>> {
  const { afterId, take } = pageWindow(query);
  const where = query.milestone === undefined ? {} : query.milestone ? { flags: { has: 'milestone' } } : { NOT: { flags: { has: 'milestone' } } };
  const [rows, total] = await Promise.all([
    db.prisma.role.findMany({ where: { AND: [where, { id: { gt: afterId } }] }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.role.count({ where }),
  ]);
  const names = await namesOf(db, rows);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewRole(row, names) });
}

/** One role that exists. */
export async function readRole(db: Db, id: number): Promise<Role> {
  const row = await db.prisma.role.findUniqueOrThrow({ where: { id }, include: INCLUDED });
  return viewRole(row, await namesOf(db, [row]));
}

/** Names of those whom the roles follow softly: they are stored as ids, for the claim. */
async function namesOf(db: Db, rows: readonly Row[]): Promise<Names> {
  const ids = [...new Set(rows.flatMap((row) => [...row.softAfter, ...row.softAfterDeployment]))];
  if (ids.length === 0) return new Map();
  const found = await db.prisma.role.findMany({ where: { id: { in: ids } }, select: { id: true, name: true } });
  return new Map(found.map((role) => [role.id, role.name]));
}

function viewRole(row: Row, names: Names): Role {
  const jigConfig = objectOf(row.jigConfig);
  const { barrier_of: barrierOf, quorum } = jigConfig;
  const named = (ids: number[]): string[] => ids.map((id) => names.get(id) ?? String(id)).sort();
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
    jig_config: jigConfig,
    job_class: row.jobClass,
    timeout_seconds: row.timeoutSeconds,
    max_attempts: row.maxAttempts,
    backoff_seconds: row.backoffSeconds,
    backoff_max_seconds: row.backoffMaxSeconds,
    no_retry_on: row.noRetryOn,
    runs_in: row.runsIn,
    validity: row.validity,
    on_parent_error: row.onParentError,
    hooks: row.hooks,
    soft_after: named(row.softAfter),
    soft_after_deployment: named(row.softAfterDeployment),
    barrier_of: typeof barrierOf === 'string' ? barrierOf : null,
    quorum: typeof quorum === 'number' ? quorum : null,
    retired: row.retiredAt !== null,
    cohort: row.cohort,
    updated_at: row.updatedAt.toISOString(),
  };
}
