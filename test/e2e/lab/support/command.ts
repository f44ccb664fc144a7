/** Programs in a machine's namespace. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '../../../support/wait-for.js';

export type Outcome = { status: number; stdout: string; stderr: string };

export type CommandOptions = { env?: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number; input?: string };

/** Runs a program to its end. Never rejects because of its status; rejects when it outlives `timeoutMs` (default 30 s). */
export async function runIn(ns: string, command: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const { env = process.env, cwd, timeoutMs = 30_000, input } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      'ip',
      ['netns', 'exec', ns, ...command],
      { env: { ...env, NODE_OPTIONS: '' }, cwd, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error !== null && error.killed === true) reject(new Error(`${command.join(' ')} did not end in ${timeoutMs} ms: ${stdout}${stderr}`));
        else resolve({ status: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr });
      },
    );
    child.stdin?.end(input);
  });
}

/** Runs a program that must succeed; gives what it printed. */
export async function mustRunIn(ns: string, command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await runIn(ns, command, options);
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

export type Background = {
  readonly child: ChildProcess;
  /** Everything it said so far. */
  readonly output: () => string;
  /** Waits until it has said this. Rejects when it ends before, with what it said. */
  readonly said: (what: RegExp, timeoutMs?: number) => Promise<void>;
  /** Signals it and waits until it is gone; SIGKILL after 10 s. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
};

/** Starts a program that goes on. With `ipc` it ends with this process, if it listens to that. */
export function startIn(ns: string, command: readonly string[], { env = process.env, cwd, ipc = false }: CommandOptions & { ipc?: boolean } = {}): Background {
  const child = spawn('ip', ['netns', 'exec', ns, ...command], {
    env: { ...env, NODE_OPTIONS: '' },
    cwd,
    stdio: ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    child,
    output: () => text,
    async said(what, timeoutMs = 30_000) {
      await waitFor(() => what.test(text) || isGone(), { what: `${command[0]} to say ${what}; it said: ${text.slice(-2000)}`, timeoutMs }).catch(
        (error: unknown) => {
          throw new Error(`${error instanceof Error ? error.message : String(error)}: ${text.slice(-3000)}`);
        },
      );
      if (!what.test(text)) throw new Error(`${command.join(' ')} ended before it said ${what}: ${text.slice(-3000)}`);
    },
    async stop(signal = 'SIGTERM') {
      if (isGone()) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      const guard = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(guard);
    },
  };
}
