/**
 * One installation for a test: a temporary home, ports of its own, the program started as `npm start` starts it. `close`
 * ends every process of it by pid and removes the home; a test that failed keeps its home with KEEP_HOME=1.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { createClient, type Client } from '../../../src/client/client.js';
import { findPackageRoot } from '../../../src/db/package-root.js';
import { waitFor } from '../../support/wait-for.js';
import { busyMs } from './busy.js';
import { freePorts } from './free-ports.js';
import { killHard, pidOf, processesOf } from './our-processes.js';

const ROOT = findPackageRoot();
const START = path.join(ROOT, 'scripts', 'start.mjs');

/** How a program ended. */
export type End = { status: number | null; signal: NodeJS.Signals | null };

/** A started program. */
export type Running = {
  pid: number;
  /** Everything it said so far, stdout and stderr as they came. */
  output(): string;
  /** Rejects when it does not end in time (busy.ts). Then it is left running; `close` of the installation ends it. */
  ended(withinMs: number): Promise<End>;
  /** Waits until it has said this. Rejects when it ends before that, with what it said. */
  said(what: RegExp, withinMs?: number): Promise<void>;
  child: ChildProcess;
};

export type StartOptions = {
  env?: Record<string, string | undefined>;
  /** Runs this instead of Node, with Node's command line behind it. */ prefix?: string[];
};

export class Installation {
  private constructor(
    readonly home: string,
    readonly env: Record<string, string>,
  ) {}

  /** `env`: variables of every start. */
  static async create(env: Record<string, string> = {}): Promise<Installation> {
    const home = mkdtempSync(path.join(tmpdir(), 'prybar-e2e-'));
    chmodSync(home, 0o755); // started as root, PostgreSQL runs as another account and has to pass
    // The loaders of this project: without them each home would fetch Debian's package anew.
    mkdirSync(path.join(home, 'loaders'));
    const loaders = path.join(ROOT, '.prybar', 'loaders');
    for (const name of readdirSync(loaders)) copyFileSync(path.join(loaders, name), path.join(home, 'loaders', name));
    return new Installation(home, { ...(await freePorts()), PRYBAR_HOME: home, ...env });
  }

  /** `npm start -- <args>`, without npm. */
  start(args: string[], options: StartOptions = {}): Running {
    return this.run(START, args, options);
  }

  /** One program of dist, such as the rack, without the supervisor. */
  startProgram(module: string, args: string[], options: StartOptions = {}): Running {
    return this.run(path.join(ROOT, 'dist', `${module}.js`), args, options);
  }

  private run(file: string, args: string[], { env = {}, prefix = [] }: StartOptions): Running {
    return this.startCommand([...prefix, process.execPath, file, ...args], env);
  }

  /** Any command line with this installation's environment, in the project's folder. */
  startCommand([command = '', ...rest]: string[], env: StartOptions['env'] = {}): Running {
    // Jest's own options, and the servers of whoever runs the tests, are not this installation's.
    const neutral = { DATABASE_URL: undefined, REDIS_URL: undefined, NODE_OPTIONS: undefined };
    const child = spawn(command, rest, {
      cwd: ROOT,
      env: { ...process.env, ...neutral, ...this.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    return watch(child);
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.env['PRYBAR_PORT']}`;
  }

  /** The public API with the admin token that the start wrote. */
  client(): Client {
    return createClient({ baseUrl: this.apiUrl, token: readFileSync(path.join(this.home, 'admin-token'), 'utf8').trim() });
  }

  /** The database that the embedded server of this home serves now. */
  databaseUrl(): string {
    if (this.env['DATABASE_URL'] !== undefined) return this.env['DATABASE_URL'];
    const read = (name: string) => readFileSync(path.join(this.home, 'postgres', name), 'utf8').trim();
    return `postgresql://prybar:${encodeURIComponent(read('password'))}@127.0.0.1:${read('port')}/prybar`;
  }

  /** Looks into the database, for what no answer of the API tells. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.databaseUrl() });
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** What a program of this installation logged; empty when it has none yet. */
  log(name: string): string {
    const file = path.join(this.home, 'log', `${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  processes = () => processesOf(this.home);

  /** The pid of the program of this name, once there is one. */
  async pid(name: string, withinMs = 30_000): Promise<number> {
    return waitFor(() => pidOf(this.home, name), { what: `a process ${name}`, timeoutMs: busyMs(withinMs) });
  }

  /** Ends what is left: those that start others first, so that nothing is started behind our back. */
  async close(): Promise<void> {
    await this.killAll();
    if (process.env['KEEP_HOME'] === '1') process.stderr.write(`kept ${this.home}\n`);
    else rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Ends every process of this installation at once, by pid. */
  async killAll(): Promise<void> {
    const isStarter = (name: string) => name === 'start' || name === 'npm' || name === 'script';
    for (let round = 0; round < 5; round += 1) {
      const left = this.processes().sort((a, b) => Number(isStarter(b.name)) - Number(isStarter(a.name)));
      if (left.length === 0) break;
      // A killed server's back ends would go on writing for a moment; SIGQUIT ends them too.
      for (const one of left) await killHard(one.pid, one.name === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
    }
  }
}

function watch(child: ChildProcess): Running {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stdin?.on('error', () => undefined);
  let end: End | undefined;
  child.once('exit', (status, signal) => (end = { status, signal }));
  child.once('error', (error) => {
    output += String(error);
    end = { status: null, signal: null };
  });
  return {
    pid: child.pid ?? -1,
    child,
    output: () => output,
    ended: (withinMs) =>
      waitFor(() => end, { what: `the end of a program that said:\n${output.slice(-3000)}\n`, timeoutMs: busyMs(withinMs) }).catch((error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${output.slice(-3000)}`);
      }),
    async said(what, withinMs = 60_000) {
      const seen = await waitFor(() => (what.test(output) ? 'said' : end ? 'ended' : false), {
        what: `a program to say ${what}`,
        timeoutMs: busyMs(withinMs),
      }).catch((error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${output.slice(-3000)}`);
      });
      if (seen === 'ended' && !what.test(output)) throw new Error(`it ended (${JSON.stringify(end)}) before it said ${what}:\n${output.slice(-3000)}`);
    },
  };
}
