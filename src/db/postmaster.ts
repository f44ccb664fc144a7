/** One PostgreSQL server process: recognising it, starting it, stopping it. Decides nothing about where or when. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './embedded-place.js';
import { isAlive, isPidTaken } from './os-process.js';

/** A PostgreSQL server that runs on our data directory now. */
export interface RunningPostmaster {
  pid: number;
  port: number;
  /** PostgreSQL's own word: starting, ready, stopping or standby. */
  status: string;
}

/** Above any pid the kernel gives out (PID_MAX_LIMIT is 2^22), so certainly not alive. */
const IMPOSSIBLE_PID = 2 ** 22 + 1;

/** By the command line, which every user may read; /proc/<pid>/cwd needs more rights than root has in a container. */
function isPostmasterOf(pid: number, cluster: string): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv[0]?.endsWith('postgres') === true && argv.includes(cluster);
  } catch {
    return false; // gone between the two looks
  }
}

/**
 * The server running on this data directory, or undefined. After a SIGKILL or a power loss postmaster.pid stays behind:
 * PostgreSQL itself forgives that, unless the number now belongs to another process. Then the number is replaced by an
 * impossible one; the file is kept, because PostgreSQL checks its shared memory key for orphaned children.
 */
export function findPostmaster(cluster: string): RunningPostmaster | undefined {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return undefined;
  const lines = readFileSync(pidFile, 'utf8').split('\n');
  const pid = Number(lines[0]);
  if (!(pid > 0) || !isPidTaken(pid)) return undefined;
  if (isAlive(pid) && isPostmasterOf(pid, cluster)) return { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? 'starting' };
  writeFileSync(pidFile, [String(IMPOSSIBLE_PID), ...lines.slice(1)].join('\n'));
  return undefined;
}

/** Whether 127.0.0.1:`port` can be listened on right now; port 0 answers with a free one. Undefined when taken. */
export function probePort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '', // a path longer than 107 bytes would stop the start, and nobody needs the socket
  max_connections: '200',
  // A hundred thousand noderoles and what is written with them; pages are taken as they are touched.
  shared_buffers: '256MB',
  // Fewer checkpoints: after each, every page is written whole once more.
  max_wal_size: '2GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

export interface StartedPostmaster {
  pid: number;
  /** Settles when the process is gone. */
  exited: Promise<void>;
  hasExited: () => boolean;
  /** What the server logged since this start. */
  logTail: () => string;
}

/** Starts the server; returns at once, long before it is ready. */
export function spawnPostmaster(place: Place, port: number): StartedPostmaster {
  const logFile = join(place.home, 'postgres.log');
  const logFrom = existsSync(logFile) ? statSync(logFile).size : 0;
  const logFd = openSync(logFile, 'a', 0o600);
  const settings = Object.entries({ ...SETTINGS, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // detached: a session of its own, so that Ctrl-C in the terminal reaches us and not PostgreSQL; we stop it last.
  const child = spawn(join(place.bin, 'postgres'), ['-D', place.cluster, ...settings], {
    ...(place.account && { uid: place.account.uid, gid: place.account.gid }),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    cwd: '/',
    detached: true,
    stdio: ['ignore', logFd, logFd],
  });
  closeSync(logFd);
  child.unref();
  let gone = false;
  const exited = new Promise<void>((resolve) => {
    const settle = () => {
      gone = true;
      resolve();
    };
    child.once('exit', settle);
    child.once('error', settle); // could not be spawned: the log has nothing, the caller reports the exit
  });
  const logTail = () => readFileSync(logFile).subarray(logFrom).toString('utf8');
  return { pid: child.pid ?? -1, exited, hasExited: () => gone, logTail };
}

async function waitUntilGone(pid: number, timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += 50) {
    if (!isAlive(pid)) return true;
    await sleep(50);
  }
  return !isAlive(pid);
}

/**
 * Stops the server and returns when it is gone: first politely (rollback, checkpoint), after 20 s without the checkpoint,
 * after 10 more by SIGKILL. Data survive each of them; the later ones only cost a recovery at the next start.
 */
export async function stopPostmaster(pid: number): Promise<void> {
  for (const [signal, timeoutMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    if (await waitUntilGone(pid, timeoutMs)) return;
  }
}
