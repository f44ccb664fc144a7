/** The running server: found by its pid file, told to read its files again by a signal or by a command of the site. */
import { execFile } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { UpstreamError } from '../../shared/errors.js';
import { readText } from './atomic-file.js';

const COMMAND_TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 64 * 1024;

/** A process: its id and when it began, which together name it also after its id was given again. */
export type Running = { pid: number; startedTicks: string };

/**
 * The process the pid file names. Throws UpstreamError when there is none, or when the process of that id is another program:
 * a stale pid file must not get a stranger signalled.
 */
export async function findRunning(pidFile: string, program: string): Promise<Running> {
  const text = await readText(pidFile);
  const pid = Number(text?.trim());
  if (!Number.isInteger(pid) || pid < 2)
    throw new UpstreamError(`${program} is not running: ${pidFile} ${text === null ? 'does not exist' : 'names no process'}`);
  const line = await readText(`/proc/${pid}/stat`);
  // proc(5): pid (comm) state ...; comm may hold spaces and parentheses, so what follows is counted from the last one. Field 22: starttime.
  const name = line?.slice(line.indexOf('(') + 1, line.lastIndexOf(')'));
  const startedTicks = line?.slice(line.lastIndexOf(')') + 2).split(' ')[19];
  if (name === undefined || startedTicks === undefined) throw new UpstreamError(`${program} is not running: no process ${pid}, which ${pidFile} names`);
  if (name !== program) throw new UpstreamError(`${program} is not running: process ${pid}, which ${pidFile} names, is ${name}`);
  return { pid, startedTicks };
}

/** Asks the process to read its files again. Throws UpstreamError when this user may not. */
export function sendHangup({ pid }: Running, program: string): void {
  try {
    process.kill(pid, 'SIGHUP');
  } catch (cause) {
    throw new UpstreamError(`${program} (process ${pid}) cannot be signalled by this user: give reload.command, or run Prybar as its user`, { cause });
  }
}

/** Runs a command of the operator's file, never through a shell. Throws UpstreamError with its status and last line. */
export function runCommand(argv: readonly string[]): Promise<void> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
      if (error === null) return resolve();
      const said = `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? '';
      const how = error.killed === true ? `did not end in ${COMMAND_TIMEOUT_MS / 1000} s` : `failed (${String(error.code ?? error.signal)})`;
      reject(new UpstreamError(`${argv.join(' ')} ${how}${said === '' ? '' : `: ${said.slice(0, 300)}`}`, { cause: error }));
    });
  });
}

/** Size of a log now, bytes; 0 when there is none. */
export async function logEnd(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** A reload says a few lines; what is more than this is not of interest. Bytes. */
const MAX_LOG = 256 * 1024;

/** What a log has got since it was so long; from its beginning when it was rotated meanwhile; empty when there is none. */
export async function readLogFrom(file: string, offset: number): Promise<string> {
  const size = await logEnd(file);
  const from = size < offset ? 0 : offset;
  if (size === from) return '';
  const handle = await open(file, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(size - from, MAX_LOG)), 0, undefined, from);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await handle.close();
  }
}
