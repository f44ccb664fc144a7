/**
 * The errors of Prybar. One place turns them into HTTP (`src/api/error-handler.ts`), one into queue outcomes
 * (`src/queue/consume.ts`). `message` is for the log, `publicMessage` for whoever asked; branch on `code`, never on text.
 */

/** One thing wrong with the input: which field, and what is allowed. */
export type FieldProblem = { field: string; message: string };

export type ErrorDetails = Record<string, unknown>;

type AppErrorOptions = {
  publicMessage?: string;
  details?: ErrorDetails;
  cause?: unknown;
};

/** Base of every error that is part of the contract. `status` is the HTTP status it becomes. */
export class AppError extends Error {
  readonly publicMessage: string;
  readonly details: ErrorDetails;

  constructor(
    readonly code: string,
    readonly status: number,
    readonly retryable: boolean,
    message: string,
    options: AppErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.publicMessage = options.publicMessage ?? message;
    this.details = options.details ?? {};
  }
}

/** Thrown when input is not what a door accepts; names every field that is wrong. */
export class ValidationError extends AppError {
  constructor(
    message: string,
    readonly problems: FieldProblem[] = [],
    options: AppErrorOptions = {},
  ) {
    super('validation-failed', 400, false, message, options);
  }
}

/** Thrown when a request carries no valid token. */
export class UnauthorizedError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super('unauthorized', 401, false, message, options);
  }
}

/** Thrown when the token is valid but may not do this. */
export class ForbiddenError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super('forbidden', 403, false, message, options);
  }
}

/** Thrown when the named thing does not exist; `kind` is our word for it. */
export class NotFoundError extends AppError {
  constructor(
    readonly kind: string,
    readonly key: string | number,
    options: AppErrorOptions = {},
  ) {
    super('not-found', 404, false, `no ${kind} '${key}'`, options);
  }
}

/** Thrown when the request is sound but the present state of things refuses it. */
export class ConflictError extends AppError {
  constructor(message: string, options: AppErrorOptions & { code?: string } = {}) {
    super(options.code ?? 'conflict', 409, false, message, options);
  }
}

/** Thrown when the transition table has no such move; `details` carry the state and the event. */
export class InvalidTransitionError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super('invalid-transition', 409, false, message, options);
  }
}

/** Thrown when something outside (a BMC, the queue, the database) failed; a later try may succeed. */
export class UpstreamError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super('upstream-failed', 502, true, message, options);
  }
}

/** Thrown when something outside did not answer in time; a later try may succeed. */
export class TimeoutError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super('timeout', 504, true, message, options);
  }
}

/** Thrown when the process cannot start as configured. Fatal; `fix` tells the operator what to do. */
export class ConfigError extends AppError {
  constructor(
    message: string,
    readonly fix: string,
    options: AppErrorOptions = {},
  ) {
    super('bad-configuration', 500, false, message, options);
  }
}
