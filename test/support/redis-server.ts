/** A redis-server process on a free port of 127.0.0.1, without persistence. Debian's, from the system or .prybar/tools. */
import { spawn } from 'node:child_process';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureTools } from '../../scripts/lib/debian-tools.mjs';
import { probePort } from '../../src/db/postmaster.js';

export interface RedisServer {
  url: string;
  pid: number;
  /** SIGKILL: it keeps nothing, so there is nothing to stop cleanly. */
  stop(): Promise<void>;
}

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Starts a server; for a test that flushes or kills it, one of its own. */
export async function startRedisServer(): Promise<RedisServer> {
  const { 'redis-server': redis } = await ensureTools(['redis-server']);
  const port = await probePort(0);
  if (port === undefined) throw new Error('no port is free on 127.0.0.1');
  const options = { port: String(port), bind: '127.0.0.1', save: '', appendonly: 'no', dir: '/tmp' };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(redis.path, args, { env: redis.env, stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve()).once('error', () => resolve());
  });
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`redis-server did not start (${redis.path})`);
    if (await isListening(port)) {
      const { pid } = child;
      child.unref();
      return {
        url: `redis://127.0.0.1:${port}`,
        pid,
        async stop() {
          // Referenced again: nothing else may keep this process alive until the server is gone.
          child.ref();
          child.kill('SIGKILL');
          await exited;
        },
      };
    }
    await sleep(20);
  }
  child.kill('SIGKILL');
  throw new Error('redis-server did not listen within 10 s');
}
