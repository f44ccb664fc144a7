/** What every command is given, and the one place where a command is run and its end becomes an exit code. */
import type { Command } from 'commander';
import { createClient, type Client } from '../client/client.js';
import { findConnection, type Connection, type ConnectionOptions } from './connection.js';
import { describeFailure, ExitCode } from './failure.js';
import { createOutput, type Output } from './output.js';
import { describeTerminal } from './terminal/look.js';
import type { LiveOutput } from './terminal/live-region.js';

/** The process around the CLI; tests make their own. */
export type Surroundings = {
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** The folder of the program's package.json. */
  packageRoot: string;
  stdout: LiveOutput;
  stderr: LiveOutput;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Puts a question to whoever sits at the terminal; absent when nobody does. */
  ask?: ((question: string) => Promise<string>) | undefined;
  /** Milliseconds of the epoch. */
  now: () => number;
};

/** Options that every command takes. */
export type GlobalOptions = ConnectionOptions & { json?: boolean | undefined };

export type Session = Surroundings & {
  output: Output;
  options: GlobalOptions;
  /** Found at first use: `up` needs no server. Throws CliError. */
  connection: () => Connection;
  client: () => Client;
};

/** Builds the session of one command line. */
export function openSession(surroundings: Surroundings, options: GlobalOptions): Session {
  const { env, cwd, packageRoot, stdout, stderr } = surroundings;
  const output = createOutput({
    json: options.json === true,
    look: describeTerminal(env, stdout),
    stdout,
    stderr,
  });
  let connection: Connection | undefined;
  let client: Client | undefined;
  const connect = (): Connection => (connection ??= findConnection(options, env, cwd, packageRoot));
  return {
    ...surroundings,
    output,
    options,
    connection: connect,
    client: () => (client ??= createClient({ baseUrl: connect().baseUrl, token: connect().token })),
  };
}

/** A command's work. Returns its exit code, nothing for 0. */
export type Work = (session: Session) => Promise<number | void>;

/** Runs commands and remembers how the last one ended. */
export type Cli = {
  readonly surroundings: Surroundings;
  /** `next`: the command to suggest when the server refuses this one. */
  run: (command: Command, work: Work, next?: string) => Promise<void>;
  exitCode: () => number;
};

/** A Cli in these surroundings. */
export function createCli(surroundings: Surroundings): Cli {
  let exitCode: number = ExitCode.ok;
  return {
    surroundings,
    exitCode: () => exitCode,
    run: async (command, work, next) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const session = openSession(surroundings, options);
      try {
        exitCode = (await work(session)) ?? ExitCode.ok;
      } catch (error) {
        exitCode = showFailure(surroundings, error, options.json === true, {
          baseUrl: addressIn(session),
          next,
        });
      }
    },
  };
}

function addressIn(session: Session): string {
  try {
    return session.connection().baseUrl;
  } catch {
    // The failure being shown is that very one: there is no address to name.
    return '';
  }
}

/** Writes the failure to stderr and returns its exit code. */
export function showFailure(surroundings: Surroundings, error: unknown, json: boolean, context: { baseUrl: string; next: string | undefined }): number {
  const { env, stderr } = surroundings;
  const failure = describeFailure(error, describeTerminal(env, stderr), context);
  if (failure.exitCode !== ExitCode.ok) stderr.write(`${json ? JSON.stringify(failure.problem) : failure.text}\n`);
  return failure.exitCode;
}
