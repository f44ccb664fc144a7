#!/usr/bin/env node
/**
 * The command line. Reading order: main (process) -> program (the tree of commands) -> commands/ (one noun each) -> session (what a command gets,
 * how its end becomes an exit code) -> output, table, failure (what is seen). board/ and watch/ are the live pictures.
 *
 * It speaks to the server through src/client alone, like any other program could; it never touches the database or the engine.
 */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { ExitCode } from './failure.js';
import { findPackageRoot } from './package-root.js';
import { buildProgram } from './program.js';
import { createCli, showFailure, type Surroundings } from './session.js';

/** Runs one command line (without node and the program's name). Resolves with the exit code; never throws, never exits. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const json = args.includes('--json');
  // With --json the problem document below says it; commander's text would stand before it.
  const quiet = { ...surroundings, stderr: { ...surroundings.stderr, write: () => true } };
  const cli = createCli(surroundings);
  const program = buildProgram(json ? { ...cli, surroundings: quiet } : cli);
  try {
    await program.parseAsync(args, { from: 'user' });
    return cli.exitCode();
  } catch (error) {
    if (!(error instanceof CommanderError)) return showFailure(surroundings, error, json, { baseUrl: '', next: undefined });
    if (error.exitCode === 0) return ExitCode.ok;
    // Without --json commander has written what is wrong itself.
    if (json) showFailure(surroundings, error, json, { baseUrl: '', next: undefined });
    return ExitCode.usage;
  }
}

function askAtTerminal(signal: AbortSignal): (question: string) => Promise<string> {
  return async (question) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await lines.question(question, { signal });
    } catch (error) {
      // Ctrl-C is an answer too.
      if (signal.aborted) return '';
      throw error;
    } finally {
      lines.close();
    }
  };
}

/** Runs this process's command line and sets its exit code. */
export async function main(): Promise<void> {
  const stop = new AbortController();
  // The first Ctrl-C ends the command in good order; when that does not help, the second ends the process.
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  // `prybar nodes list | head` closes the pipe early: that is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.ok);
    throw error;
  });
  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    packageRoot: findPackageRoot(path.dirname(fileURLToPath(import.meta.url))),
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
    ...(process.stdin.isTTY && process.stderr.isTTY ? { ask: askAtTerminal(stop.signal) } : {}),
    now: Date.now,
  });
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
