/**
 * Reads the JSON body of a request within limits. Express's own parser is not used because it inflates, forgives broken
 * UTF-8 and looks at the structure only after everything is built; a door to machines nobody trusts yet must not.
 */
import type { IncomingMessage } from 'node:http';
import { AppError, ValidationError } from '../shared/errors.js';

export type BodyLimits = {
  bytes: number;
  /** Nested objects and arrays; the body itself is the first. */
  depth: number;
};

/** For operators: the largest sensible body is the data of a role. */
export const API_BODY: BodyLimits = { bytes: 1024 * 1024, depth: 32 };
/** For machines: facts of a large machine are some 30 KiB. */
export const NODE_BODY: BodyLimits = { bytes: 256 * 1024, depth: 8 };

/** A refused body is read on up to here, so that the sender sees the answer instead of a broken connection. */
const DRAIN_BYTES = 32 * 1024 * 1024;

/**
 * The parsed body, undefined when there is none. Throws AppError 413 over the limit, 415 for another content type or
 * encoding, ValidationError for what is not JSON or not of a shape we store.
 */
export async function readJsonBody(req: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  if (!hasBody(req)) return undefined;
  const refusal = refuseHeaders(req, limits);
  const bytes = await readBytes(req, refusal === undefined ? limits.bytes : 0);
  if (refusal !== undefined) throw refusal;
  if (bytes === undefined) throw tooLarge(limits.bytes);
  if (bytes.length === 0) return undefined;
  const body = parse(bytes);
  checkStructure(body, limits.depth);
  return body;
}

/** The text of a small urlencoded form; the same limits and refusals. */
export async function readFormBody(req: IncomingMessage, limits: BodyLimits): Promise<Record<string, string>> {
  const bytes = await readBytes(req, limits.bytes);
  if (bytes === undefined) throw tooLarge(limits.bytes);
  return Object.fromEntries(new URLSearchParams(decodeUtf8(bytes)));
}

/** Whether the body is an HTML form, as curl -d and busybox wget send it. */
export function isForm(req: IncomingMessage): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? '');
}

function hasBody(req: IncomingMessage): boolean {
  if (req.headers['transfer-encoding'] !== undefined) return true;
  return Number(req.headers['content-length'] ?? 0) > 0;
}

function refuseHeaders(req: IncomingMessage, limits: BodyLimits): AppError | undefined {
  if (Number(req.headers['content-length'] ?? 0) > limits.bytes) return tooLarge(limits.bytes);
  const encoding = req.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return unsupported(`content-encoding '${encoding}' is not read; send the body as it is`);
  const type = req.headers['content-type'] ?? '';
  if (!/^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i.test(type)) return unsupported(`content-type '${type}' is not read; send application/json`);
  return undefined;
}

function unsupported(detail: string): AppError {
  return new AppError('unsupported-media-type', 415, false, detail);
}

function tooLarge(limit: number): AppError {
  return new AppError('body-too-large', 413, false, `the body is larger than ${limit} bytes, the most this address reads`);
}

/** The bytes, or undefined when there are more than `limit`; then the rest is read and dropped. */
async function readBytes(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > DRAIN_BYTES) break;
    if (size <= limit) chunks.push(chunk);
  }
  return size > limit ? undefined : Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    // V8's message quotes the text around the fault, which may hold a secret: only its position is given.
    const position = /at position \d+/.exec(cause instanceof Error ? cause.message : '')?.[0] ?? '';
    throw new ValidationError('the body is not JSON', [{ field: 'body', message: `must be JSON; it breaks off or goes wrong ${position}`.trim() }], { cause });
  }
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ValidationError('the body is not UTF-8', [{ field: 'body', message: 'must be UTF-8 text' }], { cause });
  }
}

/**
 * Refuses what no schema describes: nesting past the limit, keys that name an object's prototype, and NUL, which
 * PostgreSQL text cannot hold. Walks without recursion: the depth is what is being checked.
 */
function checkStructure(body: unknown, maxDepth: number): void {
  const open: { value: unknown; path: string; depth: number }[] = [{ value: body, path: '', depth: 1 }];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const { value, path, depth } = entry;
    if (typeof value === 'string' && value.includes('\0')) refuse(path, 'may not contain the character NUL');
    if (typeof value !== 'object' || value === null) continue;
    if (depth > maxDepth) refuse(path, `is nested deeper than ${maxDepth}`);
    for (const [key, child] of Object.entries(value)) {
      const field = path === '' ? key : `${path}.${key}`;
      if (key === '__proto__' || key.includes('\0')) refuse(field, 'is no name a field may have');
      open.push({ value: child, path: field, depth: depth + 1 });
    }
  }
}

function refuse(path: string, message: string): never {
  const field = path === '' ? 'body' : path.slice(0, 200);
  throw new ValidationError(`${field} ${message}`, [{ field, message }]);
}
