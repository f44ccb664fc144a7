/** test/support/dhcp-server-main.ts in a network namespace, by the launcher or without it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { inProject } from '../../../scripts/lib/project.mjs';
import type { DhcpCounters } from '../../../src/dhcp/counters.js';
import { waitFor } from '../../support/wait-for.js';

export type ServerProcess = { child: ChildProcess; output: () => string };

/** Starts the server in the namespace; the launcher's command is what comes before node. Resolves when it listens or has ended. */
export async function startServerIn(namespace: string, launcher: readonly string[], env: Record<string, string>): Promise<ServerProcess> {
  const node = [process.execPath, '--import', 'tsx', inProject('test/support/dhcp-server-main.ts')];
  const child = spawn('ip', ['netns', 'exec', namespace, ...launcher, ...node], {
    cwd: inProject(),
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  const collect = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  try {
    await waitFor(() => text.includes('listening\n') || child.exitCode !== null, { what: 'the server to listen', timeoutMs: 30_000 });
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`the server did not start: ${text}`, { cause: error });
  }
  return { child, output: () => text };
}

/** Stops it cleanly and gives its counters. */
export async function stopServer(server: ServerProcess): Promise<DhcpCounters> {
  if (server.child.exitCode !== null) throw new Error(`the server has ended: ${server.output()}`);
  const exited = once(server.child, 'exit');
  const guard = setTimeout(() => server.child.kill('SIGKILL'), 10_000);
  server.child.stdin?.end();
  await exited;
  clearTimeout(guard);
  const counters: DhcpCounters = JSON.parse(server.output().trim().split('\n').at(-1) ?? '');
  return counters;
}
