/**
 * Keeps the child processes of `up` alive: starts them in order, each ready before the next, restarts one that dies (with
 * backoff), and stops them in reverse order. A child has a process group of its own, so that Ctrl-C in a terminal
 * reaches it through us alone; it ends by itself when we are gone (its IPC channel closes).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../shared/logger.js';

export type Program = {
  name: string;
  /** Module, relative to this file, without its ending. */ module: string;
  args?: string[];
  /** Arguments of Node itself, beside our own. */ nodeArgs?: readonly string[];
  /** Whether it says `ready`; otherwise it counts as ready at once. */ saysReady: boolean;
  onLine?: (line: string) => void;
};

const READY_TIMEOUT_MS = 30_000;
/** Starts of a child that something kills before it is ready. */
const START_ATTEMPTS = 4;
const STOP_TIMEOUT_MS = 12_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** A child that lived this long begins its backoff anew. */
const STEADY_MS = 30_000;
/** Configuration that cannot work: restarting does not help. */
const STATUS_MISCONFIGURED = 2;

// In development the children are TypeScript, run by the same loader as we.
const ENDING = path.extname(fileURLToPath(import.meta.url));

export class Supervisor {
  private readonly children = new Map<string, ChildProcess>();
  private readonly order: string[] = [];
  private stopping = false;

  constructor(
    private readonly options: { env: NodeJS.ProcessEnv; logDirectory: string; log: Logger; onTrouble: (text: string) => void; onFatal: (text: string) => void },
  ) {
    mkdirSync(options.logDirectory, { recursive: true });
  }

  /** Starts the program; resolves when it is ready. Rejects when it ends before that. */
  async start(program: Program): Promise<void> {
    this.order.push(program.name);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.spawn(program, 0);
        return;
      } catch (error) {
        // Killed from outside, not failed: the next one may live.
        const wasKilled = error instanceof StartFailure && error.signal !== null;
        if (!wasKilled || this.stopping || attempt === START_ATTEMPTS) throw error;
        this.options.log.warn({ program: program.name, signal: error.signal }, 'child was killed before it was ready, starting it again');
      }
    }
  }

  /** Stops all, last started first. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const name of this.order.reverse()) {
      const child = this.children.get(name);
      if (!child || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const overdue = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(overdue);
    }
  }

  private spawn(program: Program, failures: number): Promise<void> {
    const { env, logDirectory, log, onTrouble, onFatal } = this.options;
    const file = fileURLToPath(new URL(`${program.module}${ENDING}`, import.meta.url));
    const execArgv = [...process.execArgv, ...(program.nodeArgs ?? [])];
    const child = fork(file, program.args ?? [], { env, execArgv, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.children.set(program.name, child);
    const logFile = createWriteStream(path.join(logDirectory, `${program.name}.log`), { flags: 'a' });
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      logFile.write(chunk);
      lastWords = (lastWords + chunk.toString()).slice(-2000);
    });
    readLines(child, (line) => (program.onLine ? program.onLine(line) : logFile.write(`${line}\n`)));
    const startedAt = performance.now();

    const ready = new Promise<void>((resolve, reject) => {
      if (!program.saysReady) return resolve();
      const overdue = setTimeout(() => {
        reject(new Error(`${program.name} was not ready within ${READY_TIMEOUT_MS / 1000} s; see ${logDirectory}/${program.name}.log`));
        // One that was started again and hangs gives way to the next.
        child.kill('SIGKILL');
      }, READY_TIMEOUT_MS);
      child.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready') {
          clearTimeout(overdue);
          resolve();
        }
      });
      child.once('exit', (_code, signal) => {
        clearTimeout(overdue);
        reject(new StartFailure(program.name, lastWords.trim(), signal));
      });
    });

    let wasReady = false;
    ready.then(
      () => (wasReady = true),
      () => undefined,
    );
    // Its last lines may come after its exit.
    child.once('close', () => logFile.end());
    child.once('exit', (code, signal) => {
      if (this.stopping || (!wasReady && failures === 0)) return;
      const text = `${program.name} ended (${signal ?? `status ${code}`})`;
      if (code === STATUS_MISCONFIGURED) return onFatal(`${text}: ${lastWords.trim()}`);
      const again = performance.now() - startedAt > STEADY_MS ? 1 : failures + 1;
      const delay = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (again - 1));
      log.warn({ program: program.name, code, signal, delay }, 'child ended, starting it again');
      onTrouble(`${text}; starting it again in ${Math.round(delay / 100) / 10} s`);
      setTimeout(() => void (this.stopping ? undefined : this.spawn(program, again).catch(() => undefined)), delay);
    });
    return ready;
  }
}

/** Thrown when a child ended before it was ready; `words` is what it said last. */
export class StartFailure extends Error {
  constructor(
    name: string,
    readonly words: string,
    /** What it was killed by; null when it ended by itself. */
    readonly signal: NodeJS.Signals | null,
  ) {
    super(`${name} did not start: ${words || 'it said nothing'}`);
    this.name = 'StartFailure';
  }
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
}
