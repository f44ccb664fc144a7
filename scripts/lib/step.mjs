/** Telling a person what is going on: a line per step, and every 2 s how long it has been going on. On stderr. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const REPORT_EVERY_MS = 2_000;

const toTerminal = Boolean(process.stderr.isTTY);

/** @param {string} line @param {boolean} [isFinal] on a terminal, a line that is not final is written over by the next */
function show(line, isFinal = true) {
  if (toTerminal) process.stderr.write(`\r\x1b[2K${line}${isFinal ? '\n' : ''}`);
  else process.stderr.write(`${line}\n`);
}

/**
 * Runs one step. `note` may be called by the action with what it is doing; the newest note is shown with the time.
 * @template T
 * @param {string} title what is being done, for example "installing npm packages"
 * @param {(note: (text: string) => void) => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function step(title, action) {
  const startedAt = Date.now();
  let newestNote = '';
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const timer = setInterval(() => show(`  ${title}: ${seconds()} s${newestNote && `, ${newestNote.slice(0, 90)}`}`, false), REPORT_EVERY_MS);
  show(`- ${title}`, false);
  try {
    const result = await action((text) => void (newestNote = text.trim()));
    if (toTerminal || Date.now() - startedAt >= REPORT_EVERY_MS)
      show(`${toTerminal ? '-' : ' '} ${title}: done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
    return result;
  } catch (error) {
    show(`- ${title}: failed after ${seconds()} s`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Thrown when a program a step needs does not end with 0; the message holds the end of what it said. */
export class CommandError extends Error {
  /** @param {string} command @param {number | string | null} status @param {string} output */
  constructor(command, status, output) {
    super(`${command} ended with ${status}${output && `:\n${output}`}`);
    this.output = output;
  }
}

/**
 * Runs a program to its end and returns its stdout. Rejects with CommandError. Signals that end us end it too.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, onLine?: (line: string) => void }} [options]
 * @returns {Promise<string>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let tail = '';
    /** @param {Buffer} chunk */
    const collect = (chunk) => {
      tail = (tail + chunk).slice(-8_000);
      const line = tail.trimEnd().split('\n').at(-1);
      if (line) options.onLine?.(line);
    };
    child.stdout.on('data', (/** @type {Buffer} */ chunk) => {
      stdout += chunk;
      collect(chunk);
    });
    child.stderr.on('data', collect);
    /** @param {NodeJS.Signals} signal */
    const passOn = (signal) => {
      child.kill(signal);
      process.exit(128 + constants.signals[signal]);
    };
    process.once('SIGINT', passOn).once('SIGTERM', passOn);
    const finish = () => process.off('SIGINT', passOn).off('SIGTERM', passOn);
    child.once('error', (error) => {
      finish();
      reject(new CommandError(command, error.message, ''));
    });
    child.once('close', (status, signal) => {
      finish();
      if (status === 0) resolve(stdout);
      else
        reject(new CommandError([command.split('/').pop(), ...args.slice(0, 3)].join(' '), status ?? signal, tail.trimEnd().split('\n').slice(-30).join('\n')));
    });
  });
}

/**
 * The frame of every script: an error is told without a stack, because the reader is whoever started the script.
 * Sets the exit code to what the action returns (nothing: 0), or 1 on an error, and answers whether it is 0.
 * @param {() => Promise<number | void>} action
 */
export async function main(action) {
  try {
    process.exitCode = (await action()) ?? 0;
  } catch (error) {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  return process.exitCode === 0;
}
