/**
 * `npm start`: database, tables, every service, a simulated rack, and the live board, until Ctrl-C. With --until-active
 * it ends when the demo deployment is ACTIVE (status 0) or cannot become so (status 1, with the reasons).
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runBoard } from '../cli/board/live.js';
import { createClient } from '../client/client.js';
import { loadConfig, type Config } from '../config/config.js';
import { ConfigError } from '../shared/errors.js';
import { createLogger } from '../shared/logger.js';
import { closeContext, openContext, printStartError } from './context.js';
import { openEmbeddedDatabase } from './embedded-database.js';
import { prepareInstallation } from './installation.js';
import { BOOT_NODE_ARGUMENTS, RUNS_NODE_ARGUMENTS } from './node-arguments.js';
import { assertMayStart } from './preconditions.js';
import { StartFailure, Supervisor, type Program } from './supervisor.js';
import { ensureTables, MIGRATED_FLAG } from './tables.js';
import { readUpArguments, type UpArguments } from './up-arguments.js';

const DEMO_DEPLOYMENT = 'demo';
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Undone in reverse order, whatever happens. */
const undo: (() => Promise<void>)[] = [];

async function main(): Promise<number> {
  const args = readUpArguments(process.argv.slice(2));
  const config = loadConfig({
    ...process.env,
    ...(args.interfaces === undefined ? {} : { PRYBAR_INTERFACE: args.interfaces }),
    ...(args.barclamps === undefined ? {} : { PRYBAR_BARCLAMPS: args.barclamps }),
  });
  const log = createLogger('up', config.logLevel);
  const stop = stopSignal(args.untilActive ? 1 : 0);

  await assertMayStart(config);
  const trouble = new AbortController();
  const onFatal = (text: string) => trouble.abort(new Error(text));
  const databaseUrl = await openDatabase(config, log, onFatal);
  // Not in the middle of it: a database that is being made or started can only be stopped when it stands.
  stop.throwIfAborted();
  const ready: Config = { ...config, databaseUrl };

  const context = openContext('up', ready, log);
  say('  preparing the database');
  await ensureTables({ url: databaseUrl, log, queueTables: context.backend.kind === 'postgres' });
  const { tokenFile } = await prepareInstallation(context, { rack: args.rack > 0 });
  await closeContext(context);
  stop.throwIfAborted();

  const url = `http://${config.host}:${config.port}`;
  const env = childEnvironment(ready);
  const supervisor = new Supervisor({ env, logDirectory: path.join(config.home, 'log'), log, onTrouble: (text) => log.warn(text), onFatal });
  undo.push(() => supervisor.stop());
  say('  starting the services');
  for (const program of servicePrograms(args)) await unlessStopped(supervisor.start(program), stop);
  await writeFile(path.join(config.home, 'url'), `${url}\n`);
  if (args.rack > 0) await supervisor.start(rackProgram(config, args, url));
  printWhere(config, args, url, tokenFile);

  const client = createClient({ baseUrl: url, token: await readToken(tokenFile) });
  const signal = AbortSignal.any([stop, trouble.signal]);
  const board = await runBoard({
    client,
    home: config.home,
    url,
    tokenFile,
    signal,
    out: process.stdout,
    untilActive: args.untilActive,
    deploymentName: DEMO_DEPLOYMENT,
    expectNodes: args.rack,
    plain: args.plain,
    timeoutSeconds: args.timeoutSeconds,
  });
  if (trouble.signal.aborted) throw trouble.signal.reason;
  for (const line of board.summary) say(line);
  for (const line of board.reasons) say(line);
  if (args.untilActive) return board.outcome === 'active' ? 0 : 1;
  return 0;
}

async function openDatabase(config: Config, log: ReturnType<typeof createLogger>, onFatal: (text: string) => void): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const embedded = await openEmbeddedDatabase({ dataDir: path.join(config.home, 'postgres'), log, onStep: (step) => say(`  ${step}`) }, onFatal);
  undo.push(() => embedded.close());
  return embedded.url;
}

/** Secrets go by the environment, never by argv. */
function childEnvironment(config: Config): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DATABASE_URL: config.databaseUrl,
    PRYBAR_HOME: config.home,
    PRYBAR_INTERFACE: config.interfaces.join(','),
    PRYBAR_BARCLAMPS: config.barclamps ?? '',
    ...(process.env.DATABASE_URL ? {} : { PRYBAR_EMBEDDED: '1' }),
  };
}

function servicePrograms(args: UpArguments): Program[] {
  const service = (name: string, module: string, nodeArgs: readonly string[] = []): Program => ({
    name,
    module,
    nodeArgs,
    args: [MIGRATED_FLAG],
    saysReady: true,
  });
  if (!args.split) return [service('all', './all')];
  return [
    service('hooks', '../../workers/hooks'),
    service('runs', '../../workers/runs', RUNS_NODE_ARGUMENTS),
    service('annealer', '../../workers/annealer'),
    service('boot', './boot', BOOT_NODE_ARGUMENTS),
    service('api', './api'),
  ];
}

function rackProgram(config: Config, args: UpArguments, url: string): Program {
  const options = [
    '--nodes',
    String(args.rack),
    '--home',
    config.home,
    '--api',
    url,
    '--boot-host',
    config.bootHost,
    '--dhcp-port',
    String(config.dhcpPort),
    '--tftp-port',
    String(config.tftpPort),
  ];
  if (args.seed !== undefined) options.push('--seed', args.seed);
  if (!args.demo) options.push('--no-demo');
  return { name: 'rack', module: './rack', args: options, saysReady: false };
}

function printWhere(config: Config, args: UpArguments, url: string, tokenFile: string): void {
  const shown = (file: string) => (path.relative('.', file).startsWith('..') ? file : path.relative('.', file));
  say('');
  say(`  web page and API  ${url}`);
  say(`  admin token       ${shown(tokenFile)}`);
  say(
    `  boot services     DHCP ${config.interfaces.join(', ') || config.bootHost} port ${config.dhcpPort}, TFTP port ${config.tftpPort}, HTTP port ${config.bootHttpPort}, ${config.dnsAddresses.length === 0 ? 'no DNS' : `DNS port ${config.dnsPort}`}`,
  );
  say(`  logs              ${shown(path.join(config.home, 'log'))}`);
  if (args.rack > 0) say(`  simulated rack    ${args.rack} machines`);
  say('');
}

async function readToken(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}

/** Thrown when somebody stops the start before it is complete. */
class Stopped extends Error {
  constructor(readonly status: number) {
    super('stopped');
  }
}

/** Aborts on Ctrl-C, SIGTERM and SIGHUP, and when nobody reads our output any more; a second Ctrl-C ends at once. */
function stopSignal(status: number): AbortSignal {
  const stopping = new AbortController();
  const stop = () => stopping.abort(new Stopped(status));
  process.on('SIGTERM', stop).on('SIGHUP', stop);
  process.on('SIGINT', () => {
    if (stopping.signal.aborted) process.exit(130);
    stop();
  });
  // A closed terminal or `| head`: writing fails from now on, stopping must not.
  process.stdout.on('error', stop);
  process.stderr.on('error', stop);
  return stopping.signal;
}

/** The work, or the reason of the signal when that comes first. What was begun is undone by the supervisor's stop. */
async function unlessStopped(work: Promise<void>, stop: AbortSignal): Promise<void> {
  stop.throwIfAborted();
  let onAbort = () => {};
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => reject(stop.reason);
    stop.addEventListener('abort', onAbort, { once: true });
  });
  await Promise.race([work, stopped]).finally(() => stop.removeEventListener('abort', onAbort));
}

let status = 1;
try {
  status = await main();
} catch (error) {
  status = error instanceof Stopped ? error.status : error instanceof ConfigError || error instanceof StartFailure ? 2 : 1;
  if (error instanceof Stopped) say('');
  else if (error instanceof StartFailure && error.words !== '') process.stderr.write(`${error.words}\n`);
  else printStartError(error);
} finally {
  if (undo.length > 0) say('  stopping');
  for (const step of undo.reverse())
    await step().catch((error: unknown) => process.stderr.write(`prybar: ${error instanceof Error ? error.message : String(error)}\n`));
}
process.exit(status);
