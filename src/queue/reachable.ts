import { Redis } from 'ioredis';
import { ConfigError } from '../shared/errors.js';

const TIMEOUT_MS = 3_000;

/** Throws ConfigError when the Redis at this URL does not answer within 3 s, or refuses us. Its password is not repeated. */
export async function assertRedisReachable(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => (lastError = error));
  try {
    await redis.connect();
    await redis.ping();
  } catch (cause) {
    const { host, port } = redis.options;
    const why = lastError ?? cause;
    throw new ConfigError(
      `REDIS_URL: no Redis answers at ${host}:${port} (${why instanceof Error ? why.message : String(why)})`,
      'start the server, correct REDIS_URL, or unset it: BullMQ then runs on PostgreSQL',
      { cause },
    );
  } finally {
    redis.disconnect();
  }
}
