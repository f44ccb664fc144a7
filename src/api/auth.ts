/**
 * Who asks: API tokens and their scopes. A token is 32 random bytes in base64url; the database keeps its SHA-256 alone.
 * Nothing but the Authorization header is looked at: no cookie (so no CSRF), no query, no X-Forwarded-* (attack 40).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Db } from '../db/client.js';
import { AppError, ForbiddenError, UnauthorizedError } from '../shared/errors.js';
import type { FailedAuth } from './failed-auth.js';
import { scopeSchema, type Scope } from './schemas.js';

/** Whoever was let in; `name` is what the audit writes as the actor. */
export type Actor = { tokenId: number; name: string; scope: Scope };

const SCOPE_RANK: Record<Scope, number> = { viewer: 0, operator: 1, admin: 2 };
const TOKEN_TEXT = /^[A-Za-z0-9_-]{32,128}$/;

/** How stale `last_used_at` may be before a request writes it: one write a minute, not one a request. */
const LAST_USED_SECONDS = 60;

/** A new token in plain text: shown once, never stored. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** What the database stores of a token: SHA-256 in hex. A fast hash is enough for 256 random bits. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The bearer token of a request (RFC 6750 section 2.1), undefined when there is none of that form. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^Bearer ([^\s]+)$/i.exec(header ?? '');
  const token = match?.[1];
  return token !== undefined && TOKEN_TEXT.test(token) ? token : undefined;
}

type TokenRow = { id: number; name: string; sha256: string; scope: string; revoked: boolean; last_used_at: Date | null };

const FIND_ACTOR = 'SELECT id, name, sha256, scope, revoked_at IS NOT NULL AS revoked, last_used_at FROM api_tokens WHERE sha256 = $1';

/** The actor behind a token, undefined when it is unknown or revoked. */
export async function findActor(db: Db, token: string): Promise<Actor | undefined> {
  const sha256 = hashToken(token);
  // Asked before every request, so without the ORM: a prepared statement costs a third of the time.
  const { rows } = await db.pool.query<TokenRow>({ name: 'find-actor', text: FIND_ACTOR, values: [sha256] });
  const row = rows[0];
  if (row === undefined || row.revoked || !isSame(row.sha256, sha256)) return undefined;
  const scope = scopeSchema.safeParse(row.scope);
  if (!scope.success) return undefined;
  if (row.last_used_at === null || Date.now() - row.last_used_at.getTime() > LAST_USED_SECONDS * 1000)
    await db.pool.query('UPDATE api_tokens SET last_used_at = clock_timestamp() WHERE id = $1', [row.id]);
  return { tokenId: row.id, name: row.name, scope: scope.data };
}

/** Compares two hex hashes in constant time. */
export function isSame(a: string, b: string): boolean {
  const left = Buffer.from(a, 'hex');
  const right = Buffer.from(b, 'hex');
  return left.length > 0 && left.length === right.length && timingSafeEqual(left, right);
}

/** Lets the request in or throws UnauthorizedError, or 429 when its address failed too often. */
export async function authenticate(db: Db, failures: FailedAuth, req: Request): Promise<Actor> {
  const token = bearerToken(req.headers.authorization);
  const actor = token === undefined ? undefined : await findActor(db, token);
  if (actor !== undefined) return actor;
  const retryAfterSeconds = failures.fail(req.socket.remoteAddress ?? '');
  if (retryAfterSeconds > 0) throw new AppError('too-many-failures', 429, true, 'too many requests without a valid token', { details: { retryAfterSeconds } });
  throw new UnauthorizedError(req.headers.authorization === undefined ? 'a token is needed: send `Authorization: Bearer <token>`' : 'the token is not valid');
}

/** Throws ForbiddenError when the actor's scope is below the one needed. */
export function requireScope(actor: Actor, needed: Scope): void {
  if (SCOPE_RANK[actor.scope] < SCOPE_RANK[needed]) throw new ForbiddenError(`this needs a token of scope ${needed}; '${actor.name}' has ${actor.scope}`);
}
