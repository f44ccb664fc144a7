/** Which processes belong to an installation, told by its home: the only ones a test may kill. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { waitFor } from '../../support/wait-for.js';

export type OurProcess = { pid: number; /** The module's name, or `postgres` for the embedded server itself. */ name: string; residentBytes: number };

const PAGE_BYTES = 4096;

function look(pid: number, home: string): OurProcess | undefined {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'latin1');
  try {
    const argv = read('cmdline').split('\0');
    const isServer = argv.includes(path.join(home, 'postgres', 'cluster'));
    if (!isServer && !read('environ').split('\0').includes(`PRYBAR_HOME=${home}`)) return undefined;
    // A process that is a zombie, or has just begun, has no command line.
    if (argv[0] === '') return undefined;
    const module = argv.find((word) => /\.(m?js|ts)$/.test(word));
    return {
      pid,
      name: isServer ? 'postgres' : module === undefined ? path.basename(argv[0] ?? '') : path.basename(module).replace(/\.\w+$/, ''),
      residentBytes: Number(read('statm').split(' ')[1]) * PAGE_BYTES,
    };
  } catch {
    return undefined; // gone between the two looks, or not readable to us and so not ours
  }
}

/** Every living process whose environment names this home, and the embedded server on its data (its back ends are not counted). */
export function processesOf(home: string): OurProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => look(Number(name), home) ?? []);
}

/** The pid of the one process of this name; undefined when there is none. */
export function pidOf(home: string, name: string): number | undefined {
  return processesOf(home).find((one) => one.name === name)?.pid;
}

/** SIGKILL, or another signal that ends it, by pid; waits until it is gone. Nothing to do when it went by itself. */
export async function killHard(pid: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  send(pid, signal);
  await waitFor(() => !isThere(pid), { what: `process ${pid} to be gone` });
}

/** A signal to a process that may just have ended. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Not instanceof: Node's own errors are of another realm than a test's Error.
    if (typeof error !== 'object' || error === null || !('code' in error) || error.code !== 'ESRCH') throw error;
  }
}

function isThere(pid: number): boolean {
  try {
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return state !== undefined && state !== 'Z';
  } catch {
    return false;
  }
}
