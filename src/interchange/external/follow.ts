/**
 * Follows the revision of the DHCP table for the servers of the site, as our own DHCP server does (engine-rules 6): reads
 * what is wanted, brings each server to it, and reports the revision only when the server has proven to answer so. Changes
 * that come while a server is being written are taken together.
 */
import { randomUUID } from 'node:crypto';
import type { Pool } from '../../db/client.js';
import type { Logger } from '../../shared/logger.js';
import { hostRecords } from '../host-records.js';
import type { BackEnd } from './back-end.js';
import { keepDriving, readRevision, readWanted, reportServer, stopDriving } from './store.js';

export type DrivenServer = { name: string; backEnd: BackEnd };

export type FollowDeps = {
  pool: Pool;
  log: Logger;
  servers: readonly DrivenServer[];
  /** Between two looks. */
  pollMs?: number;
  /** A burst is given so long to come together before it is written. */
  gatherMs?: number;
};

const POLL_MS = 250;
const GATHER_MS = 100;
/** A server that failed is tried again after 1 s, then twice as long each time, at most this. */
const MAX_RETRY_MS = 30_000;
/** How often a server that serves the newest revision is looked at: somebody may have restarted it or removed its files. */
const LOOK_AGAIN_MS = 10_000;
const RENEW_MS = 5_000;

export type Follower = { close(): Promise<void> };

/** Follows until closed. Each server goes its own way: one that hangs holds no other up. */
export function followForServers(deps: FollowDeps): Follower {
  const driver = randomUUID();
  const followers = deps.servers.map((server) => followOne(deps, server, driver));
  return {
    async close() {
      await Promise.all(followers.map((follower) => follower.close()));
      await stopDriving(deps.pool, driver).catch((err: unknown) => deps.log.warn({ err }, 'external servers stay ours until the lease ends'));
    },
  };
}

function followOne(deps: FollowDeps, server: DrivenServer, driver: string): Follower {
  const { pool, log } = deps;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let served = -1;
  let failures = 0;
  let notBeforeMs = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  let isDriving = false;

  const round = async (): Promise<void> => {
    const nowMs = performance.now();
    if (!isDriving || nowMs - renewedAtMs >= RENEW_MS) {
      const said = await keepDriving(pool, server.name, driver);
      renewedAtMs = nowMs;
      isDriving = said !== null;
      // A process that was started beside us has registered the server anew: it has to be proven again.
      if (said !== served) served = -1;
    }
    if (!isDriving || nowMs < notBeforeMs) return;
    const isNew = (await readRevision(pool)) !== served;
    if (!isNew && nowMs - lookedAtMs < LOOK_AGAIN_MS) return;
    if (isNew && failures === 0) await new Promise((resolve) => setTimeout(resolve, deps.gatherMs ?? GATHER_MS));
    await take();
  };

  const take = async (): Promise<void> => {
    const wanted = await readWanted(pool, server.name);
    const hosts = hostRecords(wanted.rows);
    lookedAtMs = performance.now();
    // A restart may take longer than the lease.
    const renewal = setInterval(() => void keepDriving(pool, server.name, driver).catch(() => undefined), RENEW_MS);
    try {
      const writes = await server.backEnd.apply(hosts, wanted.withdrawn);
      if (wanted.revision !== served || failures > 0 || writes > 0)
        await reportServer(pool, server.name, driver, { revision: wanted.revision, problem: null, hosts: hosts.length, writes });
      if (failures > 0) log.info({ server: server.name, revision: wanted.revision }, 'external server answers again');
      served = wanted.revision;
      failures = 0;
    } catch (error) {
      failures += 1;
      notBeforeMs = performance.now() + Math.min(MAX_RETRY_MS, 1000 * 2 ** (failures - 1));
      served = -1;
      const problem = describe(error);
      if (failures === 1) log.warn({ err: error, server: server.name }, 'external server cannot be brought to the table');
      await reportServer(pool, server.name, driver, { revision: null, problem, hosts: hosts.length, writes: 0 });
    } finally {
      clearInterval(renewal);
    }
  };

  const tick = (): void => {
    clearTimeout(timer);
    // The database is away: the server goes on answering from its files, and what is new waits.
    running = round()
      .catch((err: unknown) => log.debug({ err, server: server.name }, 'external server waits for the database'))
      .finally(() => {
        running = undefined;
        if (!isClosed) timer = setTimeout(tick, deps.pollMs ?? POLL_MS);
      });
  };
  tick();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await running;
      await server.backEnd.close();
    },
  };
}

/** One line for the operator. File system errors name the file and say what is wrong in Node's words: "ENOSPC: no space left on device, write". */
function describe(error: unknown): string {
  const message: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'message') : error;
  return String(message)
    .replaceAll(/[\u0000-\u001f\u007f]+/g, ' ')
    .slice(0, 500);
}
