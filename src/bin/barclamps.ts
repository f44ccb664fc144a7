/** The barclamps of an installation: those that ship with Prybar, and the operator's directory. */
import path from 'node:path';
import { findPackageRoot } from '../db/package-root.js';
import { checkStoredRoles } from '../roles/check-stored.js';
import { loadBarclamps } from '../roles/load.js';
import { importBarclamps } from '../roles/store.js';
import { AppError, ConfigError } from '../shared/errors.js';
import type { Context } from './context.js';
import { roleCode } from './role-code.js';

/** Idempotent. Throws ConfigError for a barclamp of the directory that is not right: nothing of the directory is imported then. */
export async function importInstalledBarclamps(context: Context): Promise<void> {
  const { db, config, log } = context;
  const code = roleCode(context);
  const catalog = await loadBarclamps(path.join(findPackageRoot(), 'src', 'roles', 'catalog'));
  // A role of an earlier version that somebody's barclamp requires may be gone from this one: that must not stop the start.
  await importBarclamps(db.pool, catalog, { source: 'built-in', code, allowDangling: true });
  if (config.barclamps !== undefined) {
    const { warnings, retired } = await importDirectory(context, config.barclamps, code);
    for (const warning of warnings) log.warn({ directory: config.barclamps, warning }, 'barclamp imported with a warning');
    for (const role of retired) log.warn({ role }, 'role is in no barclamp any more, but bound: kept, and nothing new is bound to it');
  }
  for (const problem of await checkStoredRoles(db.pool, code)) log.error({ problem: problem.message, role: problem.field }, 'role cannot run here');
}

async function importDirectory(context: Context, directory: string, code: ReturnType<typeof roleCode>) {
  try {
    return await importBarclamps(context.db.pool, await loadBarclamps(directory), { source: 'directory', code });
  } catch (error) {
    if (error instanceof AppError)
      throw new ConfigError(`PRYBAR_BARCLAMPS: ${error.message}`, `mend the barclamp below ${directory}, or unset PRYBAR_BARCLAMPS`, { cause: error });
    const errno = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR' && errno !== 'EACCES') throw error;
    throw new ConfigError(
      `PRYBAR_BARCLAMPS: the directory '${directory}' cannot be read (${String(errno)})`,
      'name a directory that holds a folder with a barclamp.yml for each barclamp',
      {
        cause: error,
      },
    );
  }
}
