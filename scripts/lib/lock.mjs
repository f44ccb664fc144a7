import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Tries to take a lock of this machine. An abstract unix socket: the kernel gives it to one process and takes it back when
 * that process dies, so it is never stale.
 * @param {string} name
 * @returns {Promise<import('node:net').Server | undefined>}
 */
function tryLock(name) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(`\0prybar-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`, () => resolve(server));
  });
}

/**
 * Runs the action while no other process holds the same name.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} action
 * @param {(text: string) => void} [onWait]
 * @returns {Promise<T>}
 */
export async function withLock(name, action, onWait = () => {}) {
  let lock = await tryLock(name);
  while (!lock) {
    onWait('waiting for another Prybar command to finish the same step');
    await sleep(200);
    lock = await tryLock(name);
  }
  try {
    return await action();
  } finally {
    lock.close();
  }
}
