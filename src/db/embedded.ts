/**
 * The PostgreSQL that a newcomer gets without installing one: binaries from npm, data that persist, 127.0.0.1 only, a
 * random password kept 0600 beside the data. Meant for trying, developing and small racks; otherwise set DATABASE_URL.
 *
 * Whatever was left behind (a stale postmaster.pid, a half-made cluster, a server whose parent was killed) is recognised
 * and taken over. It never deletes data.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { UpstreamError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { claimServer, isHeldByAnother, withStartLock } from './embedded-lock.js';
import { preparePlace, type Place } from './embedded-place.js';
import { isAlive } from './os-process.js';
import { findPostmaster, probePort, spawnPostmaster, stopPostmaster, type StartedPostmaster } from './postmaster.js';

const run = promisify(execFile);

/** Both the superuser and the database; the server is ours alone. */
const NAME = 'prybar';

/** Recovery after a power loss may take long; a start that takes longer than this is stuck. */
const READY_TIMEOUT_MS = 120_000;

export interface EmbeddedPostgresOptions {
  /** Where the files should live; its last folder is made. The answer's `dataDir` may be elsewhere (see embedded-place.ts). */
  dataDir: string;
  /** The wanted port. Default: the one used last, else a free one. When taken, a free one is used, remembered and announced. */
  port?: number;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Told what is going on, in words for a person; called again every 2 s while something takes long. */
  onStep: (step: string) => void;
}

export interface EmbeddedPostgres {
  /** Connection string with the password: not for argv, not for a log. */
  url: string;
  /** Where the files really are. */
  dataDir: string;
  /** True when a server that was already running was taken over. */
  reused: boolean;
  /** Whether the server's process lives now. */
  isRunning(): boolean;
  /** Stops the server and waits until it is gone. Leaves it alone when another living Prybar process holds it. May be called twice. */
  stop(): Promise<void>;
}

function writeOwned(place: Place, name: string, content: string): string {
  const file = join(place.home, name);
  writeFileSync(file, content, { mode: 0o600 });
  if (place.account) chownSync(file, place.account.uid, place.account.gid);
  return file;
}

/** What we write as root into somebody's data directory is theirs, or their own next start could not write it. */
function ownFiles({ home, account }: Place): void {
  const files = ['holder', 'postgres.log'].map((name) => join(home, name));
  if (account) for (const file of files.filter((path) => existsSync(path))) chownSync(file, account.uid, account.gid);
}

/** Makes the cluster whole or not at all: initdb works beside it, then it is renamed into place. */
async function ensureCluster(place: Place, onStep: (step: string) => void): Promise<void> {
  if (existsSync(place.cluster)) return;
  onStep('creating the database cluster');
  const passwordFile = writeOwned(place, 'password', randomBytes(24).toString('base64url'));
  const partial = join(place.home, 'cluster.partial');
  rmSync(partial, { recursive: true, force: true }); // only ever half of an initdb that was interrupted
  const options = ['--username', NAME, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-sync', '--no-instructions'];
  // The builtin locale sorts the same on every machine; those of the C library come and go with the system's packages.
  const locale = ['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'];
  const identity = place.account && { uid: place.account.uid, gid: place.account.gid };
  await run(join(place.bin, 'initdb'), ['-D', partial, ...options, ...locale], {
    ...identity,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  });
  renameSync(partial, place.cluster);
}

function urlOf(place: Place, port: number, database: string): string {
  const password = readFileSync(join(place.home, 'password'), 'utf8').trim();
  return `postgresql://${NAME}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** Connects once and makes the database when missing. Throws what PostgreSQL or the socket said. */
async function ensureDatabase(place: Place, port: number): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(place, port, 'postgres'), connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // a lost connection rejects the query below as well
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [NAME]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${NAME}`);
  } finally {
    await client.end();
  }
}

/** Waits until the server answers. False when it went away instead. */
async function waitUntilReady(place: Place, pid: number, isGone: () => boolean, onStep: (step: string) => void): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < READY_TIMEOUT_MS; waitedMs += 50) {
    if (isGone()) return false;
    const running = findPostmaster(place.cluster);
    if (running?.pid === pid && running.status === 'ready') {
      await ensureDatabase(place, running.port);
      return true;
    }
    if (waitedMs > 0 && waitedMs % 2_000 === 0) onStep(`PostgreSQL is getting ready (${waitedMs / 1000} s; ${running?.status ?? 'starting'})`);
    await sleep(50);
  }
  throw new UpstreamError(`the embedded PostgreSQL was not ready after ${READY_TIMEOUT_MS / 1000} s; its log is ${join(place.home, 'postgres.log')}`);
}

async function choosePort(place: Place, wanted: number | undefined, onStep: (step: string) => void): Promise<number> {
  const portFile = join(place.home, 'port');
  const preferred = wanted ?? (existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : 0);
  const port = (await probePort(preferred)) ?? (await probePort(0));
  if (port === undefined) throw new UpstreamError('no port is free on 127.0.0.1 for the embedded PostgreSQL');
  if (preferred !== 0 && port !== preferred) onStep(`port ${preferred} is in use: PostgreSQL listens on ${port}`);
  writeOwned(place, 'port', String(port));
  return port;
}

/** Starts the server, again when a port was snatched away or when children of a killed server have not left yet. */
async function startServer(place: Place, options: EmbeddedPostgresOptions): Promise<{ port: number; server: StartedPostmaster }> {
  const { onStep } = options;
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(place, options.port, onStep);
    const server = spawnPostmaster(place, port);
    if (await waitUntilReady(place, server.pid, server.hasExited, onStep)) return { port, server };
    const said = server.logTail();
    const mayPass = /could not bind|pre-existing shared memory block|lock file .* already exists/.test(said);
    if (!mayPass || attempt === 30) {
      throw new UpstreamError(`the embedded PostgreSQL did not start: ${said.trim().split('\n').slice(-3).join(' / ')}`, {
        details: { log: join(place.home, 'postgres.log') },
      });
    }
    if (attempt % 2 === 0) onStep('waiting for the remains of a killed PostgreSQL to go away');
    await sleep(1_000);
  }
}

/** A server left running by a process that was killed: used when it is well, stopped when it is not. */
async function takeOver(place: Place, options: EmbeddedPostgresOptions): Promise<{ pid: number; port: number } | undefined> {
  const running = findPostmaster(place.cluster);
  if (!running) return undefined;
  options.onStep(`PostgreSQL is still running from an earlier start (pid ${running.pid}): using it`);
  const isGone = () => findPostmaster(place.cluster)?.pid !== running.pid;
  try {
    if (running.status !== 'stopping' && (await waitUntilReady(place, running.pid, isGone, options.onStep))) return running;
  } catch (error) {
    options.log.warn({ err: error, pid: running.pid }, 'left-over postgres does not answer');
    if (isHeldByAnother(place.home)) throw error;
  }
  options.onStep('it does not answer: stopping it');
  await stopPostmaster(running.pid);
  return undefined;
}

/**
 * Starts the embedded PostgreSQL, or joins the one that runs on the same data, and makes its database. One starter at a
 * time per data directory; another process waits for it and then shares the server.
 *
 * Rejects with ConfigError when this user cannot run it here, UpstreamError when the server does not come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const place = preparePlace(options.dataDir, options.onStep);
  return withStartLock(place.home, options.onStep, async () => {
    await ensureCluster(place, options.onStep);
    const left = await takeOver(place, options);
    const started = left ? undefined : await startServer(place, options);
    const pid = left?.pid ?? started?.server.pid ?? -1;
    const port = left?.port ?? started?.port ?? 0;
    const ours = claimServer(place.home);
    ownFiles(place);
    options.log.info({ pid, port, dataDir: place.home, reused: left !== undefined }, 'embedded postgres running');
    const stop = async () => {
      if (!ours) return;
      await stopPostmaster(pid);
    };
    return { url: urlOf(place, port, NAME), dataDir: place.home, reused: left !== undefined, isRunning: () => isAlive(pid), stop };
  });
}
