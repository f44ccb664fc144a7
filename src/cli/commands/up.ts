import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { Option, type Command } from 'commander';
import { ClientError, createClient } from '../../client/client.js';
import { pause } from '../board/until.js';
import { findConnection } from '../connection.js';
import { CliError, ExitCode } from '../failure.js';
import { wholeNumber } from '../listing.js';
import type { Cli, Session } from '../session.js';

type UpOptions = {
  rack: number | false | undefined;
  demo?: boolean;
  untilActive?: boolean;
  timeout?: number;
  seed?: string;
  interface?: string;
  barclamps?: string;
  split?: boolean;
  plain?: boolean;
};

/** How often --json looks whether the server has come up. */
const LOOK_MS = 500;
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The arguments that src/bin/up.ts understands. */
export function upArguments(options: UpOptions): string[] {
  const args: string[] = [];
  if (options.rack === false) args.push('--no-rack');
  else if (typeof options.rack === 'number') args.push('--rack', String(options.rack));
  if (options.demo === false) args.push('--no-demo');
  if (options.untilActive === true) args.push('--until-active');
  if (options.timeout !== undefined) args.push('--timeout', String(options.timeout));
  if (options.seed !== undefined) args.push('--seed', options.seed);
  if (options.interface !== undefined) args.push('--interface', options.interface);
  if (options.barclamps !== undefined) args.push('--barclamps', options.barclamps);
  if (options.split === true) args.push('--split');
  if (options.plain === true) args.push('--plain');
  return args;
}

/** Resolves with the exit code a shell would report. Rejects when the program cannot be started. */
function waitForExit(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? ExitCode.failed : 128 + constants.signals[signal])));
  });
}

/** Signals to this process are the server's too. A terminal sends Ctrl-C to both by itself; a second SIGINT would mean "at once". */
function forwardSignals(child: ChildProcess): () => void {
  const fromTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = FORWARDED.map((name) => {
    const handler = (): void => void (name === 'SIGINT' && fromTerminal ? undefined : child.kill(name));
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => handlers.forEach(([name, handler]) => process.off(name, handler));
}

/** Prints the server's status as soon as it answers: what a program that started it waits for. */
async function announce(session: Session, signal: AbortSignal): Promise<void> {
  const { options, env, cwd, packageRoot, output } = session;
  while (!signal.aborted) {
    try {
      const { baseUrl, token } = findConnection(options, env, cwd, packageRoot);
      const status = await createClient({ baseUrl, token }).status({ signal });
      return output.print(status, () => '');
    } catch (error) {
      // Not up yet: neither its files nor its port are there. Looked at again until the program ends.
      if (!(error instanceof CliError) && !(error instanceof ClientError)) throw error;
    }
    await pause(LOOK_MS, signal);
  }
}

async function runServer(session: Session, options: UpOptions): Promise<number> {
  const { packageRoot, cwd, env, output } = session;
  const program = path.join(packageRoot, 'dist', 'src', 'bin', 'up.js');
  if (!existsSync(program)) {
    throw new CliError({
      exitCode: ExitCode.failed,
      code: 'not-built',
      detail: `${program} does not exist: this copy is not built`,
      next: 'npm run build, or npm start, which builds by itself',
    });
  }
  const home = session.options.home;
  const childEnv = home === undefined ? env : { ...env, PRYBAR_HOME: path.resolve(cwd, home) };
  // With --json stdout is for the JSON alone; what the server prints goes to stderr.
  const child = spawn(process.execPath, [program, ...upArguments(options)], {
    cwd,
    env: childEnv,
    stdio: ['inherit', output.json ? 2 : 'inherit', 'inherit'],
  });
  const ended = new AbortController();
  const stopForwarding = forwardSignals(child);
  const announced = output.json ? announce(session, ended.signal) : Promise.resolve();
  try {
    return await waitForExit(child);
  } finally {
    ended.abort();
    stopForwarding();
    await announced;
  }
}

/** `prybar up`: starts the server in the foreground. */
export function addUp(program: Command, cli: Cli): void {
  program
    .command('up')
    .description('start everything here, in the foreground: database, API, annealer, workers, DHCP, TFTP, boot HTTP, and a simulated rack')
    .addOption(new Option('--rack <n>', 'simulated nodes (default 12)').argParser(wholeNumber(1, 16_000)))
    .option('--no-rack', 'no simulated nodes')
    .option('--no-demo', 'simulated nodes, but no deployment: for trying your own')
    .option('--until-active', 'end when the demo deployment is ACTIVE (exit 0) or cannot become so (exit 1, with the reasons)')
    .addOption(new Option('--timeout <seconds>', 'with --until-active: give up after this long (default 600)').argParser(wholeNumber(1, 86_400)))
    .option('--seed <text>', 'the same seed makes the same rack')
    .option('--interface <names>', 'serve a real segment on these interfaces, DHCP on 67 and TFTP on 69; for example eth1')
    .option('--barclamps <dir>', 'your own barclamps, imported at start (also PRYBAR_BARCLAMPS)')
    .option('--split', 'every service in a process of its own')
    .option('--plain', 'lines instead of the live board')
    .action((options: UpOptions, command: Command) => cli.run(command, (session) => runServer(session, options)));
}
