/** Declared routes on an Express router: who asks, may they, is the input right, then the handler. In that order. */
import { Router, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import type { Db } from '../db/client.js';
import { notify } from '../events/outbox.js';
import { AppError, NotFoundError } from '../shared/errors.js';
import { authenticate, requireScope, type Actor } from './auth.js';
import type { FailedAuth } from './failed-auth.js';
import { isForm, readFormBody, readJsonBody } from './json-body.js';
import type { Call, Route } from './route.js';

export type Guard = { db: Db; failures: FailedAuth };

type Handler = (req: Request, res: Response, next: NextFunction) => Promise<void>;

/**
 * A router of the routes. A path that exists under another method is 405 with Allow. With `guard`, every request is
 * authenticated first, so that an unknown caller learns neither which paths exist nor what a body may hold.
 */
export function mountRoutes(routes: readonly Route[], guard?: Guard): Router {
  const router = Router({ caseSensitive: true });
  if (guard !== undefined) router.use(authenticator(guard.db, guard.failures));
  const methodsOf = new Map<string, string[]>();
  for (const route of routes) {
    router[route.method](route.path, handlerOf(route, guard));
    methodsOf.set(route.path, [...(methodsOf.get(route.path) ?? []), route.method.toUpperCase()]);
  }
  for (const [path, methods] of methodsOf) router.all(path, refuseMethod(methods));
  return router;
}

/** The end of a guarded router: nothing matched. */
export const refuseUnknownPath: RequestHandler = (req, _res, next) => next(new NotFoundError('path', req.originalUrl.split('?')[0]?.slice(0, 200) ?? ''));

function authenticator(db: Db, failures: FailedAuth): Handler {
  return async (req, res, next) => {
    res.locals.actor = await authenticate(db, failures, req);
    res.set('Cache-Control', 'no-store');
    next();
  };
}

function handlerOf(route: Route, guard: Guard | undefined): Handler {
  return async (req, res) => {
    res.locals.route = route.path;
    const actor = (res.locals.actor ?? null) as Actor | null;
    if (route.access !== 'node' && actor !== null) requireScope(actor, route.access);
    const body = await readBody(route, req);
    const gone = new AbortController();
    res.on('close', () => gone.abort());
    const call: Call = { actor, address: addressOf(req), signal: gone.signal, req, res };
    const answer = await route.run({ params: req.params, query: req.query, body }, call);
    // A domain that told nobody of its events is told for; a hint too many costs nothing.
    if (guard !== undefined && route.method !== 'get') notify(guard.db.pool);
    if (res.headersSent || res.writableEnded || res.destroyed) return;
    if (answer === undefined) res.status(route.status === 200 || route.status === 201 ? 204 : route.status).end();
    else res.status(route.status).json(answer);
  };
}

async function readBody(route: Route, req: Request): Promise<unknown> {
  if (route.method === 'get') return undefined;
  if (route.acceptsForm === true && isForm(req)) return await readFormBody(req, route.limits);
  return await readJsonBody(req, route.limits);
}

/** The socket's address; an IPv4 caller of a dual-stack socket in its IPv4 form, because leases are in that form. */
function addressOf(req: Request): string {
  return (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

function refuseMethod(methods: string[]): RequestHandler {
  const allow = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
  return (req, res, next) => {
    res.set('Allow', allow.join(', '));
    next(new AppError('method-not-allowed', 405, false, `${req.method} is not for this path; allowed: ${allow.join(', ')}`));
  };
}
