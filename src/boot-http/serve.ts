/**
 * Boot HTTP: scripts, kernels, initrds, answers and loaders for machines that boot. Scripts are decided from the database at
 * each request; when it cannot be read the answer is 503, never an installer (engine-rules 6). Nothing under /boot is
 * compressed or chunked. It writes no state of its own: what it decides is `src/bootenvs`.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import path from 'node:path';
import { findPackageRoot } from '../db/package-root.js';
import { fetchAnswers } from '../bootenvs/answers.js';
import { bootenvName } from '../bootenvs/bootenv.js';
import type { LeaseLookup } from '../bootenvs/leased.js';
import { offerScript, type OfferDeps } from '../bootenvs/offer.js';
import { imageDirectory } from '../bootenvs/stand-ins.js';
import { parseBootPath, type BootPath } from './boot-path.js';
import { sendFile } from './send-file.js';

export type BootHttpEventKind = 'http-script' | 'http-kernel' | 'http-initrd' | 'http-answers';

/** One step of a machine's boot. `phase` is the one it brings the machine into (`nodes/boot-phases.ts`). */
export type BootHttpEvent = { at: Date; mac: string | null; address: string; kind: BootHttpEventKind; phase: 'script' | 'kernel' | null; detail: string };

export type BootHttpDeps = OfferDeps & {
  /** Whose address it is, for kernels and initrds, whose requests name no machine. */
  macOf: LeaseLookup;
  onEvent?: (event: BootHttpEvent) => void;
};

export type BootHttpCounters = {
  requests: number;
  scripts: number;
  kernels: number;
  initrds: number;
  answers: number;
  loaders: number;
  bytes: number;
  notFound: number;
  failed: number;
};

export type BootHandler = ((req: IncomingMessage, res: ServerResponse) => Promise<boolean>) & { counters(): BootHttpCounters };

const RETRY_AFTER_SECONDS = 5;

/** The handler: true when the request was under /boot and has been answered, false when it is somebody else's. Never rejects. */
export function createBootHandler(deps: BootHttpDeps): BootHandler {
  const counters: BootHttpCounters = { requests: 0, scripts: 0, kernels: 0, initrds: 0, answers: 0, loaders: 0, bytes: 0, notFound: 0, failed: 0 };
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    const asked = parseBootPath(req.url ?? '');
    if (asked === undefined) return false;
    counters.requests += 1;
    try {
      if (req.method !== 'GET' && req.method !== 'HEAD') {
        res.setHeader('Allow', 'GET, HEAD');
        sendText(req, res, 405, 'only GET and HEAD\n');
      } else {
        await answer(deps, counters, req, res, asked);
      }
    } catch (error) {
      counters.failed += 1;
      fail(deps, req, res, asked, error);
    }
    return true;
  };
  return Object.assign(handle, { counters: () => ({ ...counters }) });
}

async function answer(deps: BootHttpDeps, counters: BootHttpCounters, req: IncomingMessage, res: ServerResponse, asked: BootPath): Promise<void> {
  const address = sourceAddress(req);
  const look = req.method === 'HEAD';
  const tell = (kind: BootHttpEventKind, mac: string | null, detail: string) => {
    const phase = kind === 'http-script' ? 'script' : kind === 'http-answers' ? null : 'kernel';
    if (!look) deps.onEvent?.({ at: new Date(), mac, address, kind, phase, detail });
  };
  switch (asked.kind) {
    case 'script': {
      const offer = await offerScript(deps, { mac: asked.mac, address, look });
      counters.scripts += 1;
      tell('http-script', asked.mac, offer.detail);
      sendText(req, res, 200, offer.script);
      return;
    }
    case 'answers': {
      const answers = await fetchAnswers(deps, { token: asked.token, file: asked.name, address, look });
      if (answers === null) return notFound(counters, req, res);
      counters.answers += 1;
      tell('http-answers', answers.mac, `${answers.bootenv} ${asked.name}`);
      sendText(req, res, 200, answers.body);
      return;
    }
    case 'file':
      return sendBootenvFile(deps, counters, req, res, asked, tell, address);
    case 'loader':
      return sendStatic(counters, req, res, path.join(deps.home, 'loaders'), asked.name, () => (counters.loaders += 1));
    case 'agent':
      return sendStatic(counters, req, res, path.join(findPackageRoot(), 'src', 'bootenvs', 'agent'), asked.name, () => undefined);
    case 'unknown':
      return notFound(counters, req, res);
  }
}

type Tell = (kind: BootHttpEventKind, mac: string | null, detail: string) => void;

async function sendBootenvFile(
  deps: BootHttpDeps,
  counters: BootHttpCounters,
  req: IncomingMessage,
  res: ServerResponse,
  asked: Extract<BootPath, { kind: 'file' }>,
  tell: Tell,
  address: string,
): Promise<void> {
  const definition = bootenvName.safeParse(asked.bootenv).success ? deps.registry().get(asked.bootenv)?.definition : undefined;
  if (definition === undefined) return notFound(counters, req, res);
  const kind = asked.name === definition.kernel ? 'http-kernel' : definition.initrds.includes(asked.name) ? 'http-initrd' : null;
  const mac = kind === null ? null : await deps.macOf(address);
  await sendStatic(counters, req, res, imageDirectory(deps.home, definition.name), asked.name, () => {
    if (kind === 'http-kernel') counters.kernels += 1;
    if (kind === 'http-initrd') counters.initrds += 1;
    if (kind !== null) tell(kind, mac, `${definition.name}/${asked.name}`);
  });
}

async function sendStatic(
  counters: BootHttpCounters,
  req: IncomingMessage,
  res: ServerResponse,
  root: string,
  name: string,
  onSent: () => void,
): Promise<void> {
  const sent = await sendFile(req, res, root, name);
  if (sent === 'absent') return notFound(counters, req, res);
  counters.bytes += sent.bytes;
  if (sent.complete && sent.status !== 304) onSent();
}

function notFound(counters: BootHttpCounters, req: IncomingMessage, res: ServerResponse): void {
  counters.notFound += 1;
  sendText(req, res, 404, 'not found\n');
}

function fail(deps: BootHttpDeps, req: IncomingMessage, res: ServerResponse, asked: BootPath, error: unknown): void {
  if (res.headersSent) {
    // The machine went away, or the disk failed half way: it sees a short body and asks again.
    deps.log.debug({ err: error, path: asked.kind }, 'boot transfer broken off');
    res.destroy();
    return;
  }
  deps.log.error({ err: error, path: asked.kind, address: sourceAddress(req) }, 'boot request failed');
  res.setHeader('Retry-After', RETRY_AFTER_SECONDS);
  sendText(req, res, 503, 'not available now, ask again\n');
}

function sendText(req: IncomingMessage, res: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(text);
  res.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** The peer's address; an IPv4 one that came over a dual-stack socket in its own form. Headers such as X-Forwarded-For are nobody's word here. */
function sourceAddress(req: IncomingMessage): string {
  return (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the 25 s of a long poll; ends readers that stand still, too. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 5_000;
const MAX_CONNECTIONS = 4_096;
const MAX_HEADERS = 50;

/** Bounds what a slow or idle client can hold of the boot HTTP server (attack 6). Call it before `listen`. */
export function limitServer(server: Server): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.timeout = IDLE_TIMEOUT_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
}
