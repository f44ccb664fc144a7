/** Brings the database to this version of the program. Safe when several processes start together. */
import path from 'node:path';
import { migrate } from '../db/migrate.js';
import { findPackageRoot } from '../db/package-root.js';
import type { Logger } from '../shared/logger.js';

/** Tells a child that its supervisor has done so already. */
export const MIGRATED_FLAG = '--migrated';

export async function ensureTables(database: { url: string; log: Logger; queueTables: boolean }): Promise<void> {
  await migrate({
    connectionString: database.url,
    log: database.log,
    queueTables: database.queueTables,
    prismaDirectory: path.join(findPackageRoot(), 'prisma'),
  });
}
