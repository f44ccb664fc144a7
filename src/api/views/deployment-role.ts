/** Data of roles within deployments as the API shows it. */
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { DeploymentRole, Page } from '../schemas.js';
import { dataOf, dataOrNull } from './json.js';

const REF = { select: { id: true, name: true } } as const;
const INCLUDED = { deployment: REF, role: { select: { id: true, name: true, attribs: true } } } as const satisfies Prisma.DeploymentRoleInclude;
type Row = Prisma.DeploymentRoleGetPayload<{ include: typeof INCLUDED }>;

/** A page in id order. */
export async function listDeploymentRoles(db: Db, where: Prisma.DeploymentRoleWhereInput, query: PageQuery): Promise<Page<DeploymentRole>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.deploymentRole.findMany({ where: { AND: [where, { id: { gt: afterId } }] }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.deploymentRole.count({ where }),
  ]);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewDeploymentRole });
}

/** One of them. Throws NotFoundError. */
export async function readDeploymentRole(db: Db, id: number): Promise<DeploymentRole> {
  const row = await db.prisma.deploymentRole.findUnique({ where: { id }, include: INCLUDED });
  if (row === null) throw new NotFoundError('deployment_role', id);
  return viewDeploymentRole(row);
}

function viewDeploymentRole(row: Row): DeploymentRole {
  return {
    id: row.id,
    deployment: row.deployment,
    role: { id: row.role.id, name: row.role.name },
    proposed_data: dataOrNull(row.role.attribs, row.proposedData),
    committed_data: dataOf(row.role.attribs, row.committedData),
    wall: dataOf(row.role.attribs, row.wall),
  };
}
