/** Deployments as the API shows them. Their state is derived from their noderoles' counts, never stored. */
import type { Db } from '../../db/client.js';
import { deploymentState } from '../../deployments/state.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { Deployment, Page, StateCounts } from '../schemas.js';
import { countByDeployment, emptyCounts } from './counts.js';
import { timeOrNull } from './json.js';

const INCLUDED = { parent: { select: { id: true, name: true } } } as const satisfies Prisma.DeploymentInclude;
type Row = Prisma.DeploymentGetPayload<{ include: typeof INCLUDED }>;

/** A page of deployments in id order. */
export async function listDeployments(db: Db, query: PageQuery): Promise<Page<Deployment>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.deployment.findMany({ where: { id: { gt: afterId } }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.deployment.count(),
  ]);
  const ids = rows.map((row) => row.id);
  const [counts, nodes] = await Promise.all([countByDeployment(db, ids), countNodes(db, ids)]);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewDeployment(row, counts.get(row.id), nodes.get(row.id)) });
}

/** One deployment. Throws NotFoundError. */
export async function readDeployment(db: Db, id: number): Promise<Deployment> {
  const [row, counts, nodes] = await Promise.all([
    db.prisma.deployment.findUnique({ where: { id }, include: INCLUDED }),
    countByDeployment(db, [id]),
    countNodes(db, [id]),
  ]);
  if (row === null) throw new NotFoundError('deployment', id);
  return viewDeployment(row, counts.get(id), nodes.get(id));
}

/** How many nodes have noderoles in each deployment, whichever deployment they belong to themselves. */
async function countNodes(db: Db, ids: number[]): Promise<Map<number, number>> {
  const { rows } = await db.pool.query<{ id: number; n: number }>(
    'SELECT deployment_id AS id, count(DISTINCT node_id)::int AS n FROM node_roles WHERE deployment_id = ANY($1) GROUP BY deployment_id',
    [ids],
  );
  return new Map(rows.map((row) => [row.id, row.n]));
}

function viewDeployment(row: Row, found: StateCounts | undefined, nodes = 0): Deployment {
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
    power_on: row.powerOn === 'never' ? 'never' : 'auto',
    revision: row.revision,
    counts,
    nodes,
  };
}
