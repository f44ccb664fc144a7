/** A process of Prybar's own, from the sources, for tests that kill it. */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';

/** Starts `module` (relative to the project, without ending) and resolves when it says that it is ready. */
export async function startProcess(module: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = fork(path.resolve(`${module}.ts`), [], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message: { kind: string }) => {
      if (message.kind === 'ready') resolve();
    });
    child.once('exit', (code, signal) => reject(new Error(`${module} ended before it was ready (${signal ?? code})`)));
  });
  return child;
}

/** SIGKILL, and waits until it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await gone;
}
