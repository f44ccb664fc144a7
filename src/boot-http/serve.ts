/**
 * Boot HTTP: scripts, kernels, initrds, answers and loaders for machines that boot. Scripts are decided from the database at
 * each request; when it cannot be read the answer is 503, never an installer (engine-rules 6). Nothing under /boot is
 * compressed or chunked. It writes no state of its own: what it decides is `src/bootenvs`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { findPackageRoot } from '../db/package-root.js';
import { fetchAnswers } from '../bootenvs/answers.js';
import { bootenvName } from '../bootenvs/bootenv.js';
import type { LeaseLookup } from '../bootenvs/leased.js';
import { localLoader } from '../bootenvs/local-loader.js';
import { depsAt, factsOfOffer, offerScript, type OfferDeps } from '../bootenvs/offer.js';
import { createRenderedFiles } from '../bootenvs/rendered-files.js';
import { imageDirectory } from '../bootenvs/stand-ins.js';
import { LiveTransfers } from '../nodes/transfers.js';
import { printableText } from '../shared/bytes.js';
import { FileCache } from '../shared/file-cache.js';
import { readAuthority } from './authority.js';
import { toPem } from './certificate.js';
import { parseBootPath, type BootPath } from './boot-path.js';
import { fileOf, phaseOfHttp, type BootHttpEvent, type BootHttpEventKind, type BootHttpFacts } from './events.js';
import { sendFile, type FileDoor } from './send-file.js';

export type BootHttpDeps = OfferDeps & {
  /** Whose address it is, for kernels and initrds, whose requests name no machine. */
  macOf: LeaseLookup;
  onEvent?: (event: BootHttpEvent) => void;
  /** Shared with whoever else serves files; default: one of its own. */
  cache?: FileCache;
  /** Where running transfers are shown; default: nowhere else. */
  transfers?: LiveTransfers;
};

/** With what is made once for the handler. */
type Deps = BootHttpDeps & Pick<FileDoor, 'cache' | 'transfers'>;

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
export function createBootHandler(given: BootHttpDeps): BootHandler {
  const deps: Deps = { ...given, cache: given.cache ?? new FileCache(), transfers: given.transfers ?? new LiveTransfers() };
  const counters: BootHttpCounters = { requests: 0, scripts: 0, kernels: 0, initrds: 0, answers: 0, loaders: 0, bytes: 0, notFound: 0, failed: 0 };
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    const asked = parseBootPath(req.url ?? '');
    if (asked === undefined) return false;
    counters.requests += 1;
    const tell = teller(deps, req);
    try {
      if (req.method !== 'GET' && req.method !== 'HEAD') {
        res.setHeader('Allow', 'GET, HEAD');
        sendText(req, res, 405, 'only GET and HEAD\n');
      } else {
        await answer(reachedAt(deps, req), counters, req, res, asked, tell);
      }
    } catch (error) {
      counters.failed += 1;
      await fail(deps, req, res, asked, error, tell);
    }
    return true;
  };
  return Object.assign(handle, { counters: () => ({ ...counters }) });
}

/** What is rendered for this request names the address that it came to. */
function reachedAt(deps: Deps, req: IncomingMessage): Deps {
  const { localAddress } = req.socket;
  return localAddress === undefined ? deps : depsAt(deps, localAddress);
}

async function answer(deps: Deps, counters: BootHttpCounters, req: IncomingMessage, res: ServerResponse, asked: BootPath, tell: Tell): Promise<void> {
  const address = sourceAddress(req);
  const look = req.method === 'HEAD';
  const missing = async () => {
    notFound(counters, req, res);
    const file = fileOf(asked);
    if (file !== undefined) await tell('http-missing', await deps.macOf(address), `no such file: ${file}`, { file });
  };
  switch (asked.kind) {
    case 'script': {
      const offer = await offerScript(deps, { mac: asked.mac, address, look, form: 'ipxe' });
      counters.scripts += 1;
      await tell('http-script', asked.mac, offer.detail, factsOfOffer(offer));
      sendText(req, res, 200, offer.script);
      return;
    }
    case 'answers': {
      const answers = await fetchAnswers(deps, { token: asked.token, file: asked.name, address, look });
      // The refusal is told with its reason by whoever refused.
      if (answers === null) return notFound(counters, req, res);
      counters.answers += 1;
      await tell('http-answers', answers.mac, `${answers.bootenv} ${asked.name}`, { bootenv: answers.bootenv, file: asked.name });
      sendText(req, res, 200, answers.body);
      return;
    }
    case 'file':
      return sendBootenvFile(deps, counters, req, res, asked, tell, missing);
    case 'loader':
      return sendStatic(deps, counters, req, res, path.join(deps.home, 'loaders'), asked.name, missing, async () => {
        counters.loaders += 1;
        await tell('http-loader', await deps.macOf(address), asked.name, { file: asked.name });
      });
    case 'agent':
      return sendStatic(deps, counters, req, res, path.join(findPackageRoot(), 'src', 'bootenvs', 'agent'), asked.name, missing, async () => undefined);
    case 'rendered': {
      const file = await createRenderedFiles(deps).text(asked.name, { address, look });
      if (file === undefined) return missing();
      counters.scripts += 1;
      if (file.offer !== undefined) await tell('http-script', file.mac, file.offer.detail, factsOfOffer(file.offer));
      sendText(req, res, 200, file.text);
      return;
    }
    case 'local-loader': {
      const image = await localLoader(deps.db.pool, deps.home, { mac: asked.mac, address });
      if (image === null) return missing();
      counters.loaders += 1;
      await tell('http-loader', asked.mac, 'local.efi', { file: 'local.efi' });
      sendBytes(req, res, 200, image, 'application/efi');
      return;
    }
    case 'authority': {
      const authority = await readAuthority(deps.home);
      if (authority === undefined) return missing();
      if (asked.form === 'der') sendBytes(req, res, 200, authority.raw, 'application/pkix-cert');
      else sendBytes(req, res, 200, Buffer.from(toPem(authority.raw)), 'application/pem-certificate-chain');
      return;
    }
    case 'unknown':
      return notFound(counters, req, res);
  }
}

type Tell = (kind: BootHttpEventKind, mac: string | null, detail: string, facts: BootHttpFacts) => Promise<void>;

/** Tells of the steps of one request; a HEAD is none. Looks up the machine only where somebody listens. */
function teller(deps: Deps, req: IncomingMessage): Tell {
  const address = sourceAddress(req);
  return async (kind, mac, detail, facts) => {
    if (deps.onEvent === undefined || req.method === 'HEAD') return;
    deps.onEvent({ at: new Date(), mac: mac ?? (await deps.macOf(address)), address, kind, phase: phaseOfHttp(kind), detail, facts });
  };
}

async function sendBootenvFile(
  deps: Deps,
  counters: BootHttpCounters,
  req: IncomingMessage,
  res: ServerResponse,
  asked: Extract<BootPath, { kind: 'file' }>,
  tell: Tell,
  missing: () => Promise<void>,
): Promise<void> {
  const definition = bootenvName.safeParse(asked.bootenv).success ? deps.registry().get(asked.bootenv)?.definition : undefined;
  if (definition === undefined) return missing();
  const kind = asked.name === definition.kernel ? 'http-kernel' : definition.initrds.includes(asked.name) ? 'http-initrd' : null;
  await sendStatic(deps, counters, req, res, imageDirectory(deps.home, definition.name), asked.name, missing, async () => {
    if (kind === 'http-kernel') counters.kernels += 1;
    if (kind === 'http-initrd') counters.initrds += 1;
    const file = `${definition.name}/${asked.name}`;
    if (kind !== null) await tell(kind, null, file, { bootenv: definition.name, file });
  });
}

async function sendStatic(
  deps: Deps,
  counters: BootHttpCounters,
  req: IncomingMessage,
  res: ServerResponse,
  root: string,
  name: string,
  missing: () => Promise<void>,
  onSent: () => Promise<void>,
): Promise<void> {
  const { cache, transfers, macOf } = deps;
  const door = {
    cache,
    transfers,
    macOf,
    address: sourceAddress(req),
    shownAs: printableText(Buffer.from((req.url ?? '').split('?', 1)[0] ?? '', 'latin1'), 200),
  };
  const sent = await sendFile(req, res, door, root, name);
  if (sent === 'absent') return missing();
  counters.bytes += sent.bytes;
  if (sent.complete && sent.status !== 304) await onSent();
}

function notFound(counters: BootHttpCounters, req: IncomingMessage, res: ServerResponse): void {
  counters.notFound += 1;
  sendText(req, res, 404, 'not found\n');
}

async function fail(deps: Deps, req: IncomingMessage, res: ServerResponse, asked: BootPath, error: unknown, tell: Tell): Promise<void> {
  const file = fileOf(asked) ?? 'its script';
  const mac = asked.kind === 'script' ? asked.mac : null;
  if (res.headersSent) {
    // The machine went away, or the disk failed half way: it sees a short body and asks again.
    deps.log.debug({ err: error, path: asked.kind }, 'boot transfer broken off');
    const sent = req.socket.bytesWritten;
    res.destroy();
    await tell('http-broken', mac, `${file}: broken off after ${sent} bytes`, { file, bytes: sent });
    return;
  }
  deps.log.error({ err: error, path: asked.kind, address: sourceAddress(req) }, 'boot request failed');
  res.setHeader('Retry-After', RETRY_AFTER_SECONDS);
  sendText(req, res, 503, 'not available now, ask again\n');
  await tell('http-failed', mac, `${file}: not available, told to ask again`, { file });
}

function sendText(req: IncomingMessage, res: ServerResponse, status: number, text: string): void {
  sendBytes(req, res, status, text, 'text/plain; charset=utf-8');
}

/** A text goes out in one piece with its header; bytes would be a second one. */
function sendBytes(req: IncomingMessage, res: ServerResponse, status: number, body: Buffer | string, contentType: string): void {
  res.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** The peer's address; an IPv4 one that came over a dual-stack socket in its own form. Headers such as X-Forwarded-For are nobody's word here. */
function sourceAddress(req: IncomingMessage): string {
  return (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}
