/** The one place that turns an error into HTTP: RFC 9457 problem documents, whatever went wrong. */
import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Response } from 'express';
import type { Problem } from './schemas.js';
import { isPassing, sqlStateBehind } from '../db/passing.js';
import { AppError, ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';

/** A PostgreSQL that was killed needs about this long to come back. */
const AWAY_RETRY_SECONDS = 2;

/** Express's last handler. Nothing of the inside reaches the answer: an unknown error is logged under the request's id. */
export function createErrorHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const known = toAppError(error);
    const requestId: unknown = res.locals.requestId;
    if (known.status >= 500) log.error({ err: error, method: req.method, path: pathOf(req.originalUrl), requestId }, 'request failed');
    else log.debug({ code: known.code, status: known.status, method: req.method, path: pathOf(req.originalUrl), requestId }, 'request refused');
    if (res.headersSent) {
      // Half an answer cannot become a problem: Express's own handler closes the connection, which the client sees.
      next(error);
      return;
    }
    sendProblem(res, known);
  };
}

/** Writes the problem document of an error. */
export function sendProblem(res: Response, error: AppError): void {
  if (error.status === 401) res.set('WWW-Authenticate', res.get('WWW-Authenticate') ?? 'Bearer realm="prybar"');
  const retryAfter = error.details['retryAfterSeconds'];
  if (typeof retryAfter === 'number') res.set('Retry-After', String(retryAfter));
  res
    .status(error.status)
    .type('application/problem+json')
    .set('Cache-Control', 'no-store')
    .send(JSON.stringify(problemOf(error)));
}

/** The document itself. */
export function problemOf(error: AppError): Problem {
  return {
    type: `urn:prybar:problem:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.publicMessage,
    code: error.code,
    ...(error instanceof ValidationError && error.problems.length > 0 ? { errors: error.problems } : {}),
  };
}

/** Every error as one of ours. What we do not know becomes 500 and says nothing. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return (
    fromDatabase(error) ??
    fromExpress(error) ??
    new AppError('internal-error', 500, false, 'unexpected error', {
      publicMessage: 'something went wrong inside; the log names it under this request',
      cause: error,
    })
  );
}

/** SQLSTATE and Prisma codes that mean the request cannot be done as things are. Branches on codes, never on text. */
function fromDatabase(error: unknown): AppError | undefined {
  const code = sqlStateBehind(error) ?? codeOf(error);
  if (code === undefined) return away(error);
  // PostgreSQL appendix A: 23505 unique_violation, 23503 foreign_key_violation; Prisma P2002, P2003 are the same.
  if (code === '23505' || code === 'P2002') return new ConflictError('an object with this name or address exists already', { cause: error });
  if (code === '23503' || code === 'P2003') return new ConflictError('other objects still refer to it', { cause: error });
  if (code === 'P2025') return new NotFoundError('object', 'that was just here', { cause: error });
  // 40001 serialization_failure, 40P01 deadlock_detected, 55P03 lock_not_available, 57014 query_canceled: nothing was written.
  if (code === '40001' || code === '40P01' || code === '55P03' || code === '57014')
    return new AppError('busy', 503, true, 'the database gave up on this request', {
      publicMessage: 'busy; nothing was changed, try again',
      details: { retryAfterSeconds: 1 },
      cause: error,
    });
  // Class 22 data exception: text PostgreSQL cannot store, e.g. a lone surrogate in JSON.
  if (/^22[0-9A-Z]{3}$/.test(code)) return new ValidationError('the input holds a value that cannot be stored', [], { cause: error });
  return away(error);
}

/** A database that is being stopped, started or cut off: the connection may have gone after the work was done, so nothing is promised. */
function away(error: unknown): AppError | undefined {
  if (!isPassing(error)) return undefined;
  return new AppError('database-away', 503, true, 'the database does not answer', {
    publicMessage: 'the database is away for the moment; ask again',
    details: { retryAfterSeconds: AWAY_RETRY_SECONDS },
    cause: error,
  });
}

/** Express and its router mark their own refusals (a path with a broken %-escape) with a status. */
function fromExpress(error: unknown): AppError | undefined {
  if (!(error instanceof URIError)) return undefined;
  return new ValidationError('the path has a broken %-escape', [{ field: 'path', message: 'must be percent-encoded UTF-8' }], { cause: error });
}

/** The code of an error of PostgreSQL, Prisma or Node; undefined when it has none. */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** The path without its query, and without the token that two of our paths carry. */
export function pathOf(url: string): string {
  return (url.split('?')[0] ?? '').replace(/(\/bootenv-local\/|\/boot\/answers\/)[^/]+/, '$1[redacted]').slice(0, 300);
}
