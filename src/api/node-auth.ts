/**
 * Which machine asks: node tokens. Whatever is wrong with a token (unknown, old, of another machine, from another address)
 * gets the same answer, so that nobody learns which; the event says it (attacks 15 to 18).
 */
import { withTransaction, type Db } from '../db/client.js';
import { notify, writeEvents } from '../events/outbox.js';
import { findToken, type TokenKind, type TokenRow } from '../nodes/tokens.js';
import { AppError, UnauthorizedError } from '../shared/errors.js';
import { bearerToken } from './auth.js';
import { pathOf } from './error-handler.js';
import type { FailedAuth } from './failed-auth.js';
import type { Call } from './route.js';

export type NodeAuthDeps = { db: Db; failures: FailedAuth };

/** Answer and code of every refused node token. */
export class TokenRefusedError extends UnauthorizedError {
  override readonly code = 'token-refused';
  constructor() {
    super('the token is not valid for this request');
  }
}

/** Why a token was refused: for the event, never for the answer. */
export type RefusalReason = 'missing' | 'unknown' | 'other-node' | 'other-address' | 'other-boot' | 'other-install' | 'repeated-elsewhere';

/** The token of this kind that the call carries. Throws TokenRefusedError. */
export async function nodeToken(deps: NodeAuthDeps, call: Call, kind: TokenKind, plain: string | undefined = bearerToken(call.req.headers.authorization)): Promise<TokenRow> {
  if (plain === undefined) throw await refuseToken(deps, call, kind, 'missing', null);
  const token = await findToken(deps.db, plain, kind);
  if (token === null) throw await refuseToken(deps, call, kind, 'unknown', null);
  return token;
}

/** The same, and the path must name the token's node. Returns its id. */
export async function tokenOfNode(deps: NodeAuthDeps, call: Call, kind: TokenKind, nodeId: number, plain?: string): Promise<TokenRow & { nodeId: number }> {
  const token = await nodeToken(deps, call, kind, plain);
  if (token.nodeId !== nodeId) throw await refuseToken(deps, call, kind, 'other-node', token.nodeId);
  return { ...token, nodeId };
}

/** The token of the agent of this boot of the node. Its first word ends the life of the boot token that brought it here. */
export async function agentOfBoot(deps: NodeAuthDeps, call: Call, nodeId: number, bootId: string): Promise<void> {
  const token = await tokenOfNode(deps, call, 'agent', nodeId);
  if (token.bootId !== bootId) throw await refuseToken(deps, call, 'agent', 'other-boot', nodeId);
  if (token.usedAt === null) await endBootTokens(deps.db, token.id, call.address);
}

/**
 * Read tokens live until the next stage reports (netboot-rules 18): not until the facts are taken, because the machine may
 * have to send them again, but until the agent shows that it got its answer. Those of a later boot stay.
 */
async function endBootTokens(db: Db, agentTokenId: number, address: string): Promise<void> {
  await db.pool.query(
    `WITH agent AS (UPDATE node_tokens SET used_at = clock_timestamp(), used_from = $2 WHERE id = $1 AND used_at IS NULL RETURNING node_id, created_at)
     UPDATE node_tokens b SET revoked_at = clock_timestamp() FROM agent
      WHERE b.kind = 'boot' AND b.revoked_at IS NULL AND b.created_at < agent.created_at AND b.mac IN (SELECT c.mac FROM nics c WHERE c.node_id = agent.node_id)`,
    [agentTokenId, address],
  );
}

/**
 * The error to throw, after the event is written. An address that fails too often is told to wait, and writes no more
 * events: a wrong token must not be a way to fill the outbox.
 */
export async function refuseToken({ db, failures }: NodeAuthDeps, call: Call, kind: TokenKind, reason: RefusalReason, nodeId: number | null): Promise<AppError> {
  const retryAfterSeconds = failures.fail(call.address);
  if (retryAfterSeconds > 0) return new AppError('too-many-failures', 429, true, 'too many requests without a valid token', { details: { retryAfterSeconds } });
  await withTransaction(db.pool, (tx) =>
    writeEvents(tx, [{ kind: 'token-refused', subjectType: 'node', subjectId: nodeId ?? 0, version: 0, data: { token_kind: kind, reason, address: call.address, path: pathOf(call.req.originalUrl) } }]),
  );
  notify(db.pool);
  return new TokenRefusedError();
}
