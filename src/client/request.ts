/** One HTTP exchange of the client: address, token, timeout, and every failure as a ClientError. */
import type { z } from 'zod';
import { problemSchema, type Problem } from '../api/schemas.js';

export type ClientOptions = {
  /** `http://host:port`, without /api/v2. In a browser "" means the page's own origin. */
  baseUrl: string;
  token?: string | undefined;
  fetch?: typeof globalThis.fetch;
  /** Milliseconds one request may take; the event stream is not bound by it. */
  timeoutMs?: number;
};

/** What a caller may say about one call. */
export type CallOptions = { signal?: AbortSignal | undefined };

export type Query = { [name: string]: string | number | boolean | undefined };

/**
 * Thrown by every method of the client. `status` is the HTTP status, 0 when no answer came; then `code` is
 * `unreachable`, `timeout` or `cancelled`. An answer that is not of the contract has the code `bad-answer`.
 */
export class ClientError extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: { field: string; message: string }[];

  constructor(problem: { status: number; code: string; detail: string; errors?: { field: string; message: string }[] | undefined }, cause?: unknown) {
    super(problem.detail, cause === undefined ? undefined : { cause });
    this.name = 'ClientError';
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
  }
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Sends one request and returns its body as the schema reads it. Throws ClientError. */
export async function requestJson<Schema extends z.ZodType>(
  options: ClientOptions,
  call: { method: string; path: string; query?: Query | undefined; body?: unknown; answer: Schema; timeoutMs?: number } & CallOptions,
): Promise<z.infer<Schema>> {
  const { response, timeout } = await send(options, call);
  const text = await readText(response, call, timeout);
  const parsed = call.answer.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ClientError({
    status: response.status,
    code: 'bad-answer',
    detail: `${call.method} ${call.path}: the answer is not of the contract (${issue?.path.join('.') || 'body'}: ${issue?.message ?? ''})`,
  });
}

/** Sends one request whose answer has no body. Throws ClientError. */
export async function requestNothing(
  options: ClientOptions,
  call: { method: string; path: string; query?: Query | undefined; body?: unknown; timeoutMs?: number } & CallOptions,
): Promise<void> {
  const { response } = await send(options, call);
  await response.body?.cancel();
}

/** The address of a path with its query; undefined values are left out. */
export function addressOf(baseUrl: string, path: string, query: Query | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return `${baseUrl.replace(/\/+$/, '')}${path}${text === '' ? '' : `?${text}`}`;
}

async function send(
  options: ClientOptions,
  call: { method: string; path: string; query?: Query | undefined; body?: unknown; timeoutMs?: number } & CallOptions,
): Promise<{ response: Response; timeout: AbortSignal }> {
  const timeout = AbortSignal.timeout(call.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
  const headers: Record<string, string> = { accept: 'application/json', ...authorization(options) };
  if (call.body !== undefined) headers['content-type'] = 'application/json';
  const url = addressOf(options.baseUrl, call.path, call.query);
  let response: Response;
  try {
    response = await (options.fetch ?? globalThis.fetch)(url, {
      method: call.method,
      headers,
      signal,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
  } catch (cause) {
    throw noAnswer(url, cause, call.signal, timeout);
  }
  if (!response.ok) throw await refusal(response);
  return { response, timeout };
}

/** The Authorization header, when there is a token. */
export function authorization(options: ClientOptions): Record<string, string> {
  return options.token === undefined || options.token === '' ? {} : { authorization: `Bearer ${options.token}` };
}

/** The error for a request that got no answer. */
export function noAnswer(url: string, cause: unknown, signal: AbortSignal | undefined, timeout?: AbortSignal): ClientError {
  if (signal?.aborted === true) return new ClientError({ status: 0, code: 'cancelled', detail: 'the request was cancelled' }, cause);
  if (timeout?.aborted === true) return new ClientError({ status: 0, code: 'timeout', detail: `no answer in time from ${url}` }, cause);
  return new ClientError({ status: 0, code: 'unreachable', detail: `no Prybar answers at ${url} (${reasonOf(cause)})` }, cause);
}

/** The error for an answer that is not a success: its problem document, or the status alone. */
export async function refusal(response: Response): Promise<ClientError> {
  const text = await response.text().catch(() => '');
  const parsed = problemSchema.safeParse(parseJson(text));
  const problem: Pick<Problem, 'code' | 'detail' | 'errors'> = parsed.success
    ? parsed.data
    : { code: 'bad-answer', detail: `HTTP ${response.status} ${response.statusText}`.trim() };
  return new ClientError({ ...problem, status: response.status });
}

async function readText(response: Response, call: CallOptions, timeout: AbortSignal): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw noAnswer(response.url, cause, call.signal, timeout);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is not of the contract: the schema that reads this says so.
    return undefined;
  }
}

/** Node's fetch hides the reason (ECONNREFUSED ...) in its cause. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.cause instanceof AggregateError)
    return cause.cause.errors.map((error: unknown) => (error instanceof Error ? error.message : String(error))).join(', ');
  return cause.cause instanceof Error ? cause.cause.message : cause.message;
}
