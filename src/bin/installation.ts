/** What an installation needs before anything serves: tables, roles, the system deployment, bootenvs, the admin token. Idempotent. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureAdminToken } from '../api/admin-token.js';
import { checkPayloads, loadBootenvs, saveBootenvs } from '../bootenvs/registry.js';
import { ensureStandIns } from '../bootenvs/stand-ins.js';
import { ensureSystem } from '../deployments/system.js';
import { ensureNetwork, RACK_NETWORK } from '../networks/store.js';
import { importInstalledBarclamps } from './barclamps.js';
import type { Context } from './context.js';
import { ensureSegmentNetworks } from './segment-network.js';

/** Where the admin token is, below the home directory. */
export const ADMIN_TOKEN_FILE = 'admin-token';

/** Everything but the tables. `rack`: also the network of the simulated rack. */
export async function prepareInstallation(context: Context, options: { rack: boolean }): Promise<{ tokenFile: string }> {
  const { db, config } = context;
  await mkdir(config.home, { recursive: true, mode: 0o755 });
  await importInstalledBarclamps(context);
  for (const { role, problem } of await ensureSystem(db)) context.log.error({ role, problem }, 'bootstrap role not bound to the admin node');
  const { registry, refused } = await loadBootenvs({ home: config.home });
  for (const { folder, problem } of refused) context.log.error({ folder, problem }, 'bootenv refused');
  if (options.rack) {
    await ensureStandIns(
      config.home,
      [...registry.values()].map((loaded) => loaded.definition),
    );
    for (const loaded of registry.values()) await checkPayloads(loaded, config.home);
  }
  await saveBootenvs(db.pool, registry);
  if (options.rack) await ensureNetwork(db, RACK_NETWORK);
  await ensureSegmentNetworks(db, config);
  const tokenFile = path.join(config.home, ADMIN_TOKEN_FILE);
  await ensureAdminToken(db, tokenFile);
  return { tokenFile };
}
