/** The Redis server of this run (global-setup.mjs), and the table of queue back ends that tests run against. */
import { randomBytes } from 'node:crypto';

/** URL of the run's Redis; every test shares the server, so use `redisPrefix()` for keys and never FLUSHALL outside a server of your own. */
export function redisUrl(): string {
  const url = process.env['PRYBAR_TEST_REDIS_URL'];
  if (!url) throw new Error('no test Redis: run this test in the "integration" project (npm test)');
  return url;
}

/** A key prefix no other test uses. The braces keep all keys of one prefix in one slot of a cluster, as in production. */
export const redisPrefix = (): string => `{test-${randomBytes(4).toString('hex')}}`;

export type BackendName = 'postgres' | 'redis';

/** For `describe.each(bothBackends)('... on $name', ({ name }) => ...)`. */
export const bothBackends: readonly { name: BackendName }[] = [{ name: 'postgres' }, { name: 'redis' }];
