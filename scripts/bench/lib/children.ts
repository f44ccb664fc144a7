/** Processes of a bench: the product's own, from dist/, and baselines. Each says over IPC that it is ready. */
import { fork, type ChildProcess } from 'node:child_process';
import { inProject } from '../../lib/project.mjs';

export type Child = {
  name: string;
  pid: number;
  /** Resolves with the next message of this kind. Rejects when the process ends first. */
  message<T>(kind: string): Promise<T>;
  stop(): Promise<void>;
};

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export type ChildOptions = { file: string; args?: string[]; env: NodeJS.ProcessEnv; execArgv?: string[]; ready?: boolean };

/** Forks a module of this project; resolves when it says `ready`, unless `ready` is false. What it writes to stderr is passed on. */
export async function startChild(name: string, { file, args = [], env, execArgv = [], ready = true }: ChildOptions): Promise<Child> {
  const child = fork(inProject(file), args, { env: { ...process.env, ...env }, execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const messages = new Map<string, unknown>();
  const waiting = new Map<string, (message: unknown) => void>();
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', (code, signal) => reject(new Error(`${name} ended (${signal ?? `status ${code}`})`)));
  });
  ended.catch(() => undefined); // told to whoever waits for a message
  child.on('message', (message: { kind: string }) => {
    messages.set(message.kind, message);
    waiting.get(message.kind)?.(message);
  });
  const message = <T>(kind: string): Promise<T> => {
    const known = messages.get(kind);
    if (known !== undefined) return Promise.resolve(known as T);
    return Promise.race([ended, new Promise<T>((resolve) => waiting.set(kind, (got) => resolve(got as T)))]);
  };
  const started = { name, pid: child.pid ?? 0, message, stop: () => stopChild(child) };
  if (ready) {
    const overdue = setTimeout(() => child.kill('SIGKILL'), READY_TIMEOUT_MS);
    await message('ready').finally(() => clearTimeout(overdue));
  }
  return started;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const overdue = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(overdue);
}
