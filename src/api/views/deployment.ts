/** Deployments as the API shows them. Their state is derived from their noderoles' counts, never stored. */
import type { Db } from '../../db/client.js';
import { deploymentState } from '../../deployments/state.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { Deployment, Page, StateCounts } from '../schemas.js';
import { countByOwner, emptyCounts } from './counts.js';
import { timeOrNull } from './json.js';

const INCLUDED = { parent: { select: { id: true, name: true } }, _count: { select: { nodes: true } } } as const satisfies Prisma.DeploymentInclude;
type Row = Prisma.DeploymentGetPayload<{ include: typeof INCLUDED }>;

/** A page of deployments in id order. */
export async function listDeployments(db: Db, query: PageQuery): Promise<Page<Deployment>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.deployment.findMany({ where: { id: { gt: afterId } }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.deployment.count(),
  ]);
  const counts = await countByOwner(
    db,
    'deploymentId',
    rows.map((row) => row.id),
  );
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewDeployment(row, counts.get(row.id)) });
}

/** One deployment. Throws NotFoundError. */
export async function readDeployment(db: Db, id: number): Promise<Deployment> {
  const [row, counts] = await Promise.all([db.prisma.deployment.findUnique({ where: { id }, include: INCLUDED }), countByOwner(db, 'deploymentId', [id])]);
  if (row === null) throw new NotFoundError('deployment', id);
  return viewDeployment(row, counts.get(id));
}

function viewDeployment(row: Row, found: StateCounts | undefined): Deployment {
  const counts = found ?? emptyCounts();
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    parent: row.parent,
    system: row.system,
    state: deploymentState(row.committedAt !== null, counts),
    committed_at: timeOrNull(row.committedAt),
    paused: row.pausedAt !== null,
    revision: row.revision,
    counts,
    nodes: row._count.nodes,
  };
}
