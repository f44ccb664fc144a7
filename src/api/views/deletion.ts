/** The deletion of a node as the API shows it. */
import type { Db } from '../../db/client.js';
import { deletionWaits } from '../../nodes/remove.js';
import type { Deletion } from '../removal-schemas.js';
import { timeOrNull } from './json.js';

export async function readDeletion(db: Db, nodeId: number): Promise<Deletion> {
  const [rows, waits] = await Promise.all([
    db.prisma.nodeFinalizer.findMany({ where: { nodeId }, orderBy: [{ askedAt: 'asc' }, { subsystem: 'asc' }] }),
    deletionWaits(db, nodeId),
  ]);
  return {
    finalizers: rows.map((row) => ({
      subsystem: row.subsystem,
      confirmed_at: timeOrNull(row.confirmedAt),
      forced_by: row.forcedBy,
      revision: row.revision === null ? null : Number(row.revision),
    })),
    waits_for: waits,
  };
}
