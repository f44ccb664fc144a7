/** Prybar's own processes: started, killed, frozen, and started again by us, as a supervisor would. Only our own children. */
import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { MIGRATED_FLAG } from '../../src/bin/tables.js';

const AGAIN_AFTER_MS = 500;

export class Supervised {
  private child: ChildProcess | undefined;
  private isWanted = false;
  private holdUntil = 0;
  private isReady: () => void = () => undefined;
  private readonly ready = new Promise<void>((resolve) => (this.isReady = resolve));
  /** How often it was started. */
  starts = 0;

  constructor(
    readonly name: string,
    private readonly module: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly logFolder: string,
  ) {}

  /** Starts it, and again whenever it ends, until `stop`. Resolves when it is ready the first time. */
  start(): Promise<void> {
    this.isWanted = true;
    this.launch();
    return this.ready;
  }

  /** SIGKILL; it is started again after `downMs`. */
  kill(downMs: number): void {
    this.holdUntil = Date.now() + downMs;
    this.child?.kill('SIGKILL');
  }

  async freeze(forMs: number): Promise<void> {
    const child = this.child;
    if (child === undefined || !isRunning(child)) return;
    child.kill('SIGSTOP');
    await sleep(forMs);
    if (isRunning(child)) child.kill('SIGCONT');
  }

  isUp(): boolean {
    return this.child !== undefined && isRunning(this.child);
  }

  /** Ends it for good: SIGTERM, after 12 s SIGKILL. Resolves to how it ended. */
  async stop(): Promise<string> {
    this.isWanted = false;
    const child = this.child;
    if (child === undefined || !isRunning(child)) return 'was not running';
    const ended = new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(String(signal ?? code))));
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const overdue = setTimeout(() => child.kill('SIGKILL'), 12_000);
    return ended.finally(() => clearTimeout(overdue));
  }

  private launch(): void {
    this.starts++;
    const log = openSync(path.join(this.logFolder, `${this.name}.log`), 'a');
    // The tables are there after the first start; a supervisor says so too, and a start is the quicker for it.
    const child = fork(this.module, this.starts > 1 ? [MIGRATED_FLAG] : [], {
      env: { ...process.env, ...this.env, NODE_OPTIONS: '' },
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.child = child;
    child.on('exit', () => {
      if (!this.isWanted) return;
      setTimeout(() => this.isWanted && this.launch(), Math.max(AGAIN_AFTER_MS, this.holdUntil - Date.now()));
    });
    child.on('message', (message: { kind: string }) => {
      if (message.kind === 'ready') this.isReady();
    });
  }
}

const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;
