/**
 * The rack's power switch: what stands where every machine's BMC would. Plain HTTP with basic authentication:
 *   GET  /bmc/<serial>         -> { power, next_boot }
 *   POST /bmc/<serial>/power   { action?: on | off | cycle, next_boot?: pxe | disk | null } -> { power, next_boot }
 *   GET  /rack                 -> the rack's status, for the supervisor
 * A `next_boot` that is null or left out leaves the one-shot setting as it is.
 */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Machine } from './machine.js';

export type BmcOptions = {
  host: string;
  /** 0 takes any free port. */
  port: number;
  username: string;
  password: string;
  machine: (serial: string) => Machine | undefined;
  rackStatus: () => unknown;
};

const powerSchema = z.strictObject({
  action: z.enum(['on', 'off', 'cycle']).optional(),
  next_boot: z.enum(['pxe', 'disk']).nullable().optional(),
});

const MAX_BODY_BYTES = 4_096;
const PATH = /^\/bmc\/([A-Za-z0-9-]{1,32})(\/power)?$/;

type Reply = { status: number; body: unknown };

export class BmcServer {
  readonly #server: Server;
  readonly #options: BmcOptions;
  readonly #credentials: Buffer;

  constructor(options: BmcOptions) {
    this.#options = options;
    this.#credentials = Buffer.from(`Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`);
    this.#server = createServer((req, res) => {
      this.#answer(req).then(
        (reply) => send(res, reply),
        (error: unknown) => send(res, { status: 500, body: { error: String(error) } }),
      );
    });
  }

  /** Listens and returns the port. Rejects when the port is taken. */
  async start(): Promise<number> {
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the power switch has no TCP port');
    return address.port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(req: IncomingMessage): Promise<Reply> {
    if (!this.#isKnown(req.headers.authorization ?? '')) return { status: 401, body: { error: 'unauthorized' } };
    const path = (req.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/rack' && req.method === 'GET') return { status: 200, body: this.#options.rackStatus() };
    const [, serial = '', power] = PATH.exec(path) ?? [];
    const machine = this.#options.machine(serial);
    if (machine === undefined) return { status: 404, body: { error: 'no such machine' } };
    if (power === undefined) return req.method === 'GET' ? powerOf(machine) : { status: 405, body: { error: 'only GET' } };
    if (req.method !== 'POST') return { status: 405, body: { error: 'only POST' } };

    const wish = powerSchema.safeParse(parse(await readBody(req)));
    if (!wish.success) return { status: 400, body: { error: z.prettifyError(wish.error) } };
    if (wish.data.next_boot !== undefined && wish.data.next_boot !== null) await machine.setNextBoot(wish.data.next_boot);
    if (wish.data.action !== undefined) await machine[wish.data.action]();
    return powerOf(machine);
  }

  #isKnown(header: string): boolean {
    const given = Buffer.from(header);
    return given.length === this.#credentials.length && timingSafeEqual(given, this.#credentials);
  }
}

function powerOf(machine: Machine): Reply {
  const { power, next_boot } = machine.status;
  return { status: 200, body: { power, next_boot } };
}

async function readBody(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of req) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) return '';
  }
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses undefined and its words go to the caller.
    return undefined;
  }
}

function send(res: ServerResponse, reply: Reply): void {
  const text = JSON.stringify(reply.body);
  const challenge = reply.status === 401 ? { 'www-authenticate': 'Basic realm="rack"' } : {};
  res.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...challenge });
  res.end(text);
}
