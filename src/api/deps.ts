/** What the API needs from its process: everything comes in here, nothing is reached for. */
import type { Config } from '../config/config.js';
import type { Db } from '../db/client.js';
import type { EventFeed } from '../events/feed.js';
import type { Logger } from '../shared/logger.js';
import type { WorkWake } from './work-wake.js';

/** The job queue as far as the API shows it. */
export type QueueInfo = {
  /** `redis` or `postgres`. */
  backend: string;
  /** Whether the queue answers; must return within 2 s. */
  isReady(): Promise<boolean>;
};

export type PowerAction = { nodeId: number; action: 'on' | 'off' | 'cycle'; nextBoot: 'pxe' | 'disk' | null; signal: AbortSignal };

/** Carries out a power action and returns when the BMC agrees. */
export type Power = (action: PowerAction) => Promise<void>;

/** Encrypts a BMC password for the database. */
export type Secrets = { encrypt(plain: string): string };

export type ApiDeps = {
  db: Db;
  config: Config;
  feed: EventFeed;
  log: Logger;
  version: string;
  /** Whether Prybar brought its own PostgreSQL; without it, whether DATABASE_URL is set decides. */
  databaseKind?: 'embedded' | 'external';
  queueInfo: QueueInfo;
  wakeWork: WorkWake;
  power?: Power;
  secrets?: Secrets;
};
