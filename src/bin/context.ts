/** What every process is built from: configuration, log, database, queue. Wiring only. */
import { pathToFileURL } from 'node:url';
import { loadConfig, type Config } from '../config/config.js';
import { openDb, type Db } from '../db/client.js';
import { assertNotPooled } from '../db/pooler.js';
import { createVetoes } from '../hooks/veto.js';
import type { VetoPort } from '../noderoles/vetoes.js';
import { openQueueBackend, type QueueBackend } from '../queue/backend.js';
import { Doorbell } from '../queue/produce.js';
import { ConfigError } from '../shared/errors.js';
import { createLogger, type Logger } from '../shared/logger.js';
import { roleHooks } from './role-hooks.js';
import { ensureTables, MIGRATED_FLAG } from './tables.js';

/** `db.vetoes`: bind and commit ask the roles wherever they are called with this database. */
export type Context = { config: Config; log: Logger; db: Db & { vetoes: VetoPort }; backend: QueueBackend; doorbell: Doorbell };

/** A part of a process: what it started, it closes. */
export type Part = { close(): Promise<void> };

/** Opens a context for one process. `databaseUrl` must be known by now: given, or of the embedded server. */
export function openContext(name: string, config: Config, log: Logger = createLogger(name, config.logLevel)): Context {
  if (config.databaseUrl === undefined) throw new ConfigError('DATABASE_URL is not set', 'run `npm start` (it brings its own PostgreSQL), or set DATABASE_URL');
  const db = openDb({ url: config.databaseUrl, applicationName: `prybar-${name}` });
  const backend = openQueueBackend({ redisUrl: config.redisUrl, databaseUrl: config.databaseUrl, prefix: config.queuePrefix, log });
  const context: Context = {
    config,
    log,
    db: Object.assign(db, { vetoes: createVetoes(() => hooks) }),
    backend,
    doorbell: new Doorbell(backend),
  };
  const hooks = roleHooks(context);
  return context;
}

export async function closeContext(context: Context): Promise<void> {
  await context.doorbell.close();
  await context.backend.close();
  await context.db.close();
}

/** How long parts may take to finish what they are at after a SIGTERM. Milliseconds. */
const CLOSE_GRACE_MS = 10_000;

/**
 * The life of a process: configuration, its parts in order, until SIGTERM or SIGINT; then the parts in reverse order.
 * A ConfigError is printed with its fix and ends with status 2.
 */
export async function runProcess(name: string, parts: ((context: Context) => Promise<Part>)[]): Promise<void> {
  // For benches: from here on it is our time, not that of loading the code.
  process.send?.({ kind: 'loaded', process: name });
  let context: Context | undefined;
  const started: Part[] = [];
  let closing = false;
  const close = async (status: number) => {
    if (closing) return;
    closing = true;
    setTimeout(() => process.exit(status || 1), CLOSE_GRACE_MS).unref();
    for (const part of started.reverse()) await part.close().catch((err: unknown) => context?.log.error({ err }, 'part did not close'));
    if (context) await closeContext(context);
    process.exit(status);
  };
  process.on('SIGTERM', () => void close(0));
  process.on('SIGINT', () => void close(0));
  // Before anything is opened: a supervisor that is killed while we start would otherwise leave us behind for good.
  process.on('disconnect', () => void close(0));
  try {
    context = openContext(name, loadConfig(process.env));
    // A supervisor has looked and migrated already.
    if (!process.argv.includes(MIGRATED_FLAG)) {
      await assertNotPooled(context.db.url);
      await ensureTables({ url: context.db.url, log: context.log, queueTables: context.backend.kind === 'postgres' });
    }
    for (const part of parts) started.push(await part(context));
    context.log.info({ process: name }, 'started');
    // A supervisor that started us with an IPC channel waits for this.
    process.send?.({ kind: 'ready', process: name });
  } catch (error) {
    printStartError(error);
    // Only what starting again cannot mend is final to a supervisor: a database that is just being started again is not.
    await close(error instanceof ConfigError ? 2 : 1);
  }
}

/** What went wrong and how to mend it, for a person. */
export function printStartError(error: unknown): void {
  if (error instanceof ConfigError) process.stderr.write(`prybar: ${error.message}\n  fix: ${error.fix}\n`);
  else process.stderr.write(`prybar: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}

/** Whether this module is what Node was started with. */
export function isMain(moduleUrl: string): boolean {
  return process.argv[1] !== undefined && moduleUrl === pathToFileURL(process.argv[1]).href;
}
