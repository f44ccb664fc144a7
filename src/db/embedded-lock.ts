/** Who may start and stop the embedded server of a data directory, when several Prybar processes meet on it. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTimeOf } from './os-process.js';

/** An abstract unix socket: the kernel gives it to one process and takes it back when that process dies, so it is never stale. */
function tryLock(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(name, () => resolve(server));
  });
}

/** Runs `action` while no other process starts a server in `home`. Waits for its turn, saying so every 2 s. */
export async function withStartLock<T>(home: string, onStep: (step: string) => void, action: () => Promise<T>): Promise<T> {
  const name = `\0prybar-postgres-${createHash('sha256').update(home).digest('hex').slice(0, 32)}`;
  let lock = await tryLock(name);
  for (let waitedMs = 0; !lock; waitedMs += 100) {
    if (waitedMs % 2_000 === 0) onStep('another Prybar process is starting this PostgreSQL: waiting for it');
    await sleep(100);
    lock = await tryLock(name);
  }
  try {
    return await action();
  } finally {
    lock.close();
  }
}

const holderFile = (home: string) => join(home, 'holder');

/** True while the process that holds the server (and will stop it) lives and is not this one. */
export function isHeldByAnother(home: string): boolean {
  if (!existsSync(holderFile(home))) return false;
  const [pid, startTime] = readFileSync(holderFile(home), 'utf8').split(' ');
  return Number(pid) !== process.pid && startTime !== undefined && startTimeOf(Number(pid)) === startTime;
}

/** Makes this process the one that stops the server, unless a living one already is. Call inside the start lock. */
export function claimServer(home: string): boolean {
  if (isHeldByAnother(home)) return false;
  writeFileSync(holderFile(home), `${process.pid} ${startTimeOf(process.pid) ?? ''}`, { mode: 0o600 });
  return true;
}
