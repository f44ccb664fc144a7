/** Noderoles counted by state, for many deployments in one statement. */
import type { Db } from '../../db/client.js';
import type { StateCounts } from '../schemas.js';

export function emptyCounts(): StateCounts {
  return { PROPOSED: 0, BLOCKED: 0, TODO: 0, TRANSITION: 0, ACTIVE: 0, ERROR: 0 };
}

/** Counts of each deployment; one without noderoles has no entry. */
export async function countByDeployment(db: Db, ids: number[]): Promise<Map<number, StateCounts>> {
  const counts = new Map<number, StateCounts>();
  if (ids.length === 0) return counts;
  const groups = await db.prisma.nodeRole.groupBy({ by: ['deploymentId', 'state'], where: { deploymentId: { in: ids } }, _count: { _all: true } });
  for (const group of groups) {
    const entry = counts.get(group.deploymentId) ?? emptyCounts();
    entry[group.state] = group._count._all;
    counts.set(group.deploymentId, entry);
  }
  return counts;
}

/** Counts over everything. */
export async function countAll(db: Db): Promise<StateCounts> {
  const groups = await db.prisma.nodeRole.groupBy({ by: ['state'], _count: { _all: true } });
  const counts = emptyCounts();
  for (const group of groups) counts[group.state] = group._count._all;
  return counts;
}
