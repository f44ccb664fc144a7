/** PostgreSQL and Redis of one chaos, on fixed ports of 127.0.0.1, each behind a proxy; stopped and started as faults ask. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ensureTools } from '../../scripts/lib/debian-tools.mjs';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { findPostmaster, probePort } from '../../src/db/postmaster.js';
import { createLogger } from '../../src/shared/logger.js';
import { openProxy, type Proxy } from './proxy.js';

const log = createLogger('chaos', 'error');

export async function freePort(): Promise<number> {
  const port = await probePort(0);
  if (port === undefined) throw new Error('no port is free on 127.0.0.1');
  return port;
}

export class Postgres {
  private constructor(
    private server: EmbeddedPostgres,
    private readonly folder: string,
    private readonly port: number,
    readonly proxy: Proxy,
  ) {}

  static async start(folder: string): Promise<Postgres> {
    const port = await freePort();
    const server = await startEmbeddedPostgres({ dataDir: folder, port, log, onStep: () => undefined });
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    // Processes are killed here, never the machine: what was written to the kernel stays.
    await client.query('ALTER SYSTEM SET fsync = off');
    await client.query('SELECT pg_reload_conf()');
    await client.end();
    return new Postgres(server, folder, port, await openProxy(port));
  }

  /** Past the proxy: for the harness alone. */
  get directUrl(): string {
    return this.server.url;
  }

  get proxiedUrl(): string {
    const url = new URL(this.server.url);
    url.port = String(this.proxy.port);
    return url.href;
  }

  get dataDir(): string {
    return this.server.dataDir;
  }

  /** fast: sessions are ended and a checkpoint is made; immediate: neither; kill: SIGKILL of the postmaster. */
  async restart(how: 'fast' | 'immediate' | 'kill'): Promise<void> {
    const running = findPostmaster(path.join(this.server.dataDir, 'cluster'));
    if (running !== undefined) {
      process.kill(running.pid, { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' }[how]);
      while (this.server.isRunning()) await sleep(20);
    }
    this.server = await startEmbeddedPostgres({ dataDir: this.folder, port: this.port, log, onStep: () => undefined });
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.server.stop();
  }
}

export class Redis {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly program: { path: string; env?: NodeJS.ProcessEnv },
    private readonly port: number,
    readonly proxy: Proxy,
  ) {}

  static async start(): Promise<Redis> {
    const { 'redis-server': program } = await ensureTools(['redis-server']);
    const port = await freePort();
    const redis = new Redis(program, port, await openProxy(port));
    await redis.launch();
    return redis;
  }

  get proxiedUrl(): string {
    return `redis://127.0.0.1:${this.proxy.port}`;
  }

  /** FLUSHALL, as one would by hand. */
  async flush(): Promise<void> {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('FLUSHALL\r\n');
    await Promise.race([once(socket, 'data').catch(() => undefined), sleep(1000)]);
    socket.destroy();
  }

  async restart(downMs: number): Promise<void> {
    await this.kill();
    await sleep(downMs);
    await this.launch();
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.kill();
  }

  private async kill(): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  private async launch(): Promise<void> {
    const settings = { port: String(this.port), bind: '127.0.0.1', save: '', appendonly: 'no', dir: '/tmp' };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    for (let tries = 0; tries < 50; tries++) {
      this.child = spawn(this.program.path, args, { env: this.program.env, stdio: 'ignore' });
      for (let waited = 0; waited < 100 && this.child.exitCode === null; waited++) {
        if (await isListening(this.port)) return;
        await sleep(20);
      }
    }
    throw new Error('redis-server did not start');
  }
}

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true))).once('error', () => resolve(false));
  });
