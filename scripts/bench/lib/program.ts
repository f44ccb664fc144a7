/** Programs of others in a bench: started, waited for, ended; their CPU time. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Tools } from '../bench.js';

export type Program = { pid: number; stop(): Promise<void> };

export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

/** Starts a server and resolves when `isUp` says so. Rejects when it ends before, or after 10 s. */
export async function startProgram(
  command: { path: string; args: string[]; env?: NodeJS.ProcessEnv },
  isUp: () => Promise<boolean>,
  tools: Tools,
): Promise<Program> {
  const child = spawn(command.path, command.args, { env: command.env ?? process.env, stdio: ['ignore', 'ignore', 'inherit'] });
  const stop = () => stopProgram(child);
  tools.onEnd(stop);
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) throw new Error(`${command.path} ended with status ${child.exitCode} before it served`);
    if (await isUp()) return { pid: child.pid ?? 0, stop };
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
  throw new Error(`${command.path} did not serve within 10 s`);
}

/** Runs a client to its end and answers what it wrote to stdout. Rejects unless it ends with status 0 in time. */
export async function runClient(command: { path: string; args: string[]; env?: NodeJS.ProcessEnv }, timeoutMs: number): Promise<string> {
  const child = spawn(command.path, command.args, { env: command.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk) => out.push(String(chunk)));
  child.stderr.on('data', (chunk) => err.push(String(chunk)));
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (status !== 0) throw new Error(`${command.path} ended with ${signal ?? `status ${status}`}: ${err.join('').slice(-500)}`);
  return out.join('');
}
