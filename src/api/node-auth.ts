/**
 * Which machine asks: node tokens. Whatever is wrong with a token (unknown, old, of another machine, from another address)
 * gets the same answer, so that nobody learns which; the event says it (attacks 15 to 18).
 */
import type { Db } from '../db/client.js';
import { recordTokenRefusal, TokenRefusedError } from '../nodes/token-refusal.js';
import { findToken, type TokenKind, type TokenRow } from '../nodes/tokens.js';
import { bearerToken } from './auth.js';
import { pathOf } from './error-handler.js';
import type { Call } from './route.js';

/** The token of this kind that the call carries. Throws TokenRefusedError. */
export async function nodeToken(db: Db, call: Call, kind: TokenKind): Promise<TokenRow> {
  const plain = bearerToken(call.req.headers.authorization);
  const token = plain === undefined ? null : await findToken(db, plain, kind);
  if (token === null) throw await refuseToken(db, call, 0, plain === undefined ? `no ${kind} token` : `unknown, expired or revoked ${kind} token`);
  return token;
}

/** The same, and the path must name the token's node. */
export async function tokenOfNode(db: Db, call: Call, kind: TokenKind, nodeId: number): Promise<TokenRow> {
  const token = await nodeToken(db, call, kind);
  if (token.nodeId !== nodeId) throw await refuseToken(db, call, nodeId, `the ${kind} token is of another node`);
  return token;
}

/** The token of the agent of this boot of the node. Its first word ends the life of the boot token that brought it here. */
export async function agentOfBoot(db: Db, call: Call, nodeId: number, bootId: string): Promise<void> {
  const token = await tokenOfNode(db, call, 'agent', nodeId);
  if (token.bootId !== bootId) throw await refuseToken(db, call, nodeId, 'the agent token is of another boot');
  if (token.usedAt === null) await endBootTokens(db, token.id, call.address);
}

/** The error to throw for a refused token, after the operator was told. */
export async function refuseToken(db: Db, call: Call, nodeId: number, reason: string): Promise<TokenRefusedError> {
  await recordTokenRefusal(db, { nodeId, source: call.address, call: `${call.req.method} ${pathOf(call.req.originalUrl)}`, reason });
  return new TokenRefusedError(reason);
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
