/** What must be true of the machine and of the settings before anything starts, so that a start that cannot work says so at once. */
import { loadBootenvs } from '../bootenvs/registry.js';
import type { Config } from '../config/config.js';
import { assertReachable } from '../db/client.js';
import { assertRedisReachable } from '../queue/reachable.js';
import { ConfigError } from '../shared/errors.js';
import { assertPortsFree } from './ports.js';
import { assertMayServe } from './segment.js';

/** Throws ConfigError for the first that is not. Takes at most about 3 s, the time a server has to answer. */
export async function assertMayStart(config: Config): Promise<void> {
  await assertIsInstaller(config);
  if (config.interfaces.length > 0) await assertMayServe(config);
  await assertPortsFree(config);
  await Promise.all([
    config.databaseUrl === undefined ? undefined : assertReachable(config.databaseUrl),
    config.redisUrl === undefined ? undefined : assertRedisReachable(config.redisUrl),
  ]);
}

async function assertIsInstaller(config: Config): Promise<void> {
  const { registry } = await loadBootenvs({ home: config.home });
  const installers = [...registry.values()].filter((loaded) => loaded.definition.kind === 'installer').map((loaded) => loaded.name);
  if (!installers.includes(config.targetOs))
    throw new ConfigError(
      `PRYBAR_TARGET_OS: '${config.targetOs}' is no installer bootenv`,
      `set it to one of ${installers.sort().join(', ')}, or put the bootenv into ${config.home}/bootenvs`,
    );
}
