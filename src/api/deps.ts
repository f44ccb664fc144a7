/** What the API needs from its process: everything comes in here, nothing is reached for. */
import type { Config } from '../config/config.js';
import type { Db } from '../db/client.js';
import type { EventFeed } from '../events/feed.js';
import type { PowerAsk } from '../power/act.js';
import type { Secrets } from '../power/secrets.js';
import type { RoleCode } from '../roles/code.js';
import type { QueueBackend } from '../queue/backend.js';
import type { Logger } from '../shared/logger.js';
import type { WorkWake } from './work-wake.js';

/** The job queue as far as the API shows it. */
export type QueueInfo = {
  /** `redis` or `postgres`. */
  backend: string;
  /** Whether the queue answers; must return within 2 s. */
  isReady(): Promise<boolean>;
};

/** Carries out a power action and returns when the BMC agrees: `powerAction` with its drivers. */
export type Power = (ask: PowerAsk) => Promise<void>;

export type ApiDeps = {
  db: Db;
  config: Config;
  feed: EventFeed;
  log: Logger;
  version: string;
  /** Whether Prybar brought its own PostgreSQL; without it, whether DATABASE_URL is set decides. */
  databaseKind?: 'embedded' | 'external';
  queueInfo: QueueInfo;
  /** For the board at /queues; without it there is none. */
  queueBackend?: Pick<QueueBackend, 'inspect' | 'kind'>;
  wakeWork: WorkWake;
  power?: Power;
  /** What an imported role may ask of code; unset: not checked. */
  roleCode?: RoleCode;
  /** Encrypts BMC passwords for the database. */
  secrets?: Pick<Secrets, 'encrypt'>;
};

/** What the node-facing router needs; the boot HTTP server mounts it as well. */
export type NodeRouterDeps = {
  db: Db;
  config: Pick<Config, 'heartbeatSeconds' | 'bootHost' | 'bootHttpPort'> & Partial<Pick<Config, 'runLogBytes' | 'interfaces'>>;
  log: Logger;
  wakeWork: WorkWake;
  /** Aborts on shutdown: ends long polls. */
  closing: AbortSignal;
};
