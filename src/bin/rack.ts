/**
 * The process of the simulated rack. Wiring only: reads its arguments, opens the rack, enrols the machines through the API,
 * and makes the demo deployment when all are there. Reports as JSON lines on stdout; says why it cannot start on stderr.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ClientError, createClient, type Client, type Node } from '../client/client.js';
import { ConfigError } from '../shared/errors.js';
import { ensureDemo } from '../simulator/demo.js';
import { enrolNodes } from '../simulator/enrol.js';
import { MAX_MACHINES } from '../simulator/identity.js';
import { pause } from '../simulator/pause.js';
import type { RackEvent } from '../simulator/rack-events.js';
import { Rack } from '../simulator/rack.js';

const port = z.coerce.number().int().min(1).max(65_535);
const rate = z.coerce.number().min(0).max(1);

const argumentsSchema = z.strictObject({
  nodes: z.coerce.number().int().min(1).max(MAX_MACHINES).default(12),
  home: z.string().default('.prybar'),
  api: z.url().default('http://127.0.0.1:8190'),
  'boot-host': z.ipv4().default('127.0.0.1'),
  'dhcp-port': port.default(6767),
  'tftp-port': port.default(6969),
  seed: z.string().default('1'),
  'install-seconds': z.coerce.number().min(0).max(86_400).default(1.5),
  'script-seconds': z.coerce.number().min(0).max(3_600).default(0.3),
  'boots-at-once': z.coerce.number().int().min(1).default(24),
  'loss-rate': rate.default(0),
  'lost-callback-rate': rate.default(0),
  'no-demo': z.boolean().default(false),
});
type Arguments = z.infer<typeof argumentsSchema>;

/** Pauses between two tries of the demo, when the API refuses or is away. */
const DEMO_RETRY_MS = 2_000;

function emit(event: RackEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function readArguments(argv: string[]): Arguments {
  const options = Object.fromEntries(
    Object.keys(argumentsSchema.shape).map((name) => [name, { type: name === 'no-demo' ? ('boolean' as const) : ('string' as const) }]),
  );
  const parsed = argumentsSchema.safeParse(parseValues(argv, options));
  if (!parsed.success) throw new ConfigError(z.prettifyError(parsed.error), `known are --${Object.keys(argumentsSchema.shape).join(', --')}`);
  return parsed.data;
}

function parseValues(argv: string[], options: Record<string, { type: 'boolean' | 'string' }>): unknown {
  try {
    return parseArgs({ args: argv, options, strict: true }).values;
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : String(cause), `known are --${Object.keys(options).join(', --')}`, { cause });
  }
}

/** The demo, tried until it stands: the annealer and the API may restart under it. */
async function keepTryingDemo(client: Client, nodes: readonly Node[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await ensureDemo(client, nodes, (step, text) => emit({ event: 'demo', step, text }), signal);
      return;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (!signal.aborted) emit({ event: 'demo', step: 'failed', text: `${error.status} ${error.code}: ${error.detail}` });
    }
    await pause(DEMO_RETRY_MS, signal).catch(() => undefined);
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new ConfigError(`${file} cannot be read`, 'start Prybar first, or say --home', { cause });
  }
}

async function main(): Promise<void> {
  const args = readArguments(process.argv.slice(2));
  const token = await readToken(path.join(args.home, 'admin-token'));
  const client = createClient({ baseUrl: args.api, token });
  const rack = await Rack.open({
    nodes: args.nodes,
    home: args.home,
    servers: { host: args['boot-host'], dhcpPort: args['dhcp-port'], tftpPort: args['tftp-port'] },
    seed: args.seed,
    faults: { loss: args['loss-rate'], lostCallback: args['lost-callback-rate'] },
    timing: { installSeconds: args['install-seconds'], scriptSeconds: args['script-seconds'] },
    bootsAtOnce: args['boots-at-once'],
    emit,
  });

  const stopping = new AbortController();
  const { signal } = stopping;
  const stop = () => stopping.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // The supervisor is gone, and with it whoever reads: a rack that nobody watches ends.
  process.once('disconnect', stop);
  process.stdout.once('error', stop);

  rack.powerUp();
  try {
    await Promise.all([
      new Promise<Node[]>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve([]), { once: true });
        enrolNodes(client, rack, emit, resolve, signal).catch(reject);
      }).then(async (nodes) => (args['no-demo'] ? undefined : keepTryingDemo(client, nodes, signal))),
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    ]);
  } finally {
    stop();
    await rack.close();
    emit(rack.countersEvent());
    // Listening for it keeps the channel open, and the open channel this process.
    process.off('disconnect', stop);
  }
}

/** Tells the supervisor that starting again will not help. */
const STATUS_MISCONFIGURED = 2;

main().catch((error: unknown) => {
  if (error instanceof ConfigError) process.stderr.write(`prybar rack: ${error.message}\n  fix: ${error.fix}\n`);
  else process.stderr.write(`prybar rack: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? STATUS_MISCONFIGURED : 1;
});
