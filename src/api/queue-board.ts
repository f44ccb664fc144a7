/**
 * bull-board at `/queues`, for administrators, to look at: what waits, what runs, what failed. Read only, because a job is
 * only a ring: what lost its ring gets another from the sweep, and a run is retried by its noderole. Browsers log in with
 * HTTP Basic (any name, an admin token as the password): a page's own requests then carry it, and there is no cookie. Every
 * request is asked for it, and everything but reading is refused, so another site's page can do no harm with it.
 */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Router, type Express, type RequestHandler } from 'express';
import type { Db } from '../db/client.js';
import type { InspectedQueue, QueueBackend } from '../queue/backend.js';
import { queueNames } from '../queue/jobs.js';
import { AppError } from '../shared/errors.js';
import { authenticate, requireScope } from './auth.js';
import type { FailedAuth } from './failed-auth.js';

export const QUEUES_PATH = '/queues';

/** The page sets styles on elements and names its own base address; scripts are its own files. Its fonts from elsewhere are not fetched. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `close` lets go of the connections to the queues. */
export type QueueBoard = { router: Router; close(): Promise<void> };

type Backend = Pick<QueueBackend, 'inspect' | 'kind'>;

/** Opens its connections when somebody looks for the first time: most API processes are never asked. */
export function createQueueBoard(deps: { db: Db; failures: FailedAuth; backend: Backend }): QueueBoard {
  let queues: InspectedQueue[] = [];
  let board: Express | undefined;
  const open = (): Express => {
    queues = queueNames.map((name) => deps.backend.inspect(name));
    return openBoard(queues, deps.backend.kind);
  };
  const router = Router();
  router.use(letIn(deps), refuseWrites, headers, (req, res, next) => {
    board ??= open();
    board(req, res, next);
  });
  return {
    router,
    async close() {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

function openBoard(queues: InspectedQueue[], kind: string): Express {
  const server = new ExpressAdapter();
  server.setBasePath(QUEUES_PATH);
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false })),
    serverAdapter: server,
    options: { uiConfig: { boardTitle: `Prybar (${kind})`, hideRedisDetails: true } },
  });
  const board = server.getRouter() as Express;
  board.disable('x-powered-by');
  return board;
}

function letIn({ db, failures }: { db: Db; failures: FailedAuth }): RequestHandler {
  return async (req, res, next) => {
    req.headers.authorization = bearerOf(req.headers.authorization);
    // Set before anything is refused: it makes a browser ask.
    res.set('WWW-Authenticate', 'Basic realm="Prybar queues: any name, an admin token as the password", charset="UTF-8"');
    if (req.headers.authorization === undefined) delete req.headers.authorization;
    requireScope(await authenticate(db, failures, req), 'admin');
    res.removeHeader('WWW-Authenticate');
    next();
  };
}

/** The password of HTTP Basic (RFC 7617) as a bearer token; any other header as it is. */
function bearerOf(header: string | undefined): string | undefined {
  const match = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '');
  if (match?.[1] === undefined) return header;
  const pair = Buffer.from(match[1], 'base64').toString('utf8');
  return `Bearer ${pair.slice(pair.indexOf(':') + 1).trim()}`;
}

const refuseWrites: RequestHandler = (req, res, next) => {
  if (req.method === 'GET' || req.method === 'HEAD') return next();
  res.set('Allow', 'GET, HEAD');
  next(new AppError('method-not-allowed', 405, false, 'the queues can be looked at only: retry the noderole instead (prybar noderoles retry)'));
};

const headers: RequestHandler = (_req, res, next) => {
  res.set({ 'Content-Security-Policy': CONTENT_SECURITY_POLICY, 'Cache-Control': 'no-store' });
  next();
};
