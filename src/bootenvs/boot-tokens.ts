/** Read tokens of boots, written before the script that carries them is sent. A rack that boots at once shares the commits. */
import type { Queryable } from '../db/client.js';
import { hashToken } from '../nodes/tokens.js';
import { batched } from '../shared/batched.js';

export type BootToken = {
  /** The token itself; only its hash is written. */
  plain: string;
  /** Null for a machine that is no node yet. */
  nodeId: number | null;
  mac: string;
  /** The only source address that may use it. */
  address: string;
  bootenv: string;
  /** Of an installer. */
  installId: number | null;
  ttlSeconds: number;
};

const BATCH_MAX = 100;

const writers = new WeakMap<Queryable, (token: BootToken) => Promise<void>>();

/** Resolves when the token is committed, and those that the MAC had for earlier boots are revoked. One statement runs at a time. */
export function storeBootToken(db: Queryable, token: BootToken): Promise<void> {
  let writer = writers.get(db);
  if (writer === undefined) {
    writer = batched((tokens: readonly BootToken[]) => storeBootTokens(db, tokens), { batchMax: BATCH_MAX, atOnce: 1 });
    writers.set(db, writer);
  }
  return writer(token);
}

async function storeBootTokens(db: Queryable, tokens: readonly BootToken[]): Promise<void[]> {
  await db.query({
    name: 'store-boot-tokens',
    text: 'SELECT store_boot_tokens($1, $2, $3, $4, $5, $6, $7)',
    values: [
      tokens.map(({ plain }) => hashToken(plain)),
      tokens.map(({ mac }) => mac),
      tokens.map(({ address }) => address),
      tokens.map(({ nodeId }) => nodeId),
      tokens.map(({ bootenv }) => bootenv),
      tokens.map(({ installId }) => installId),
      tokens.map(({ ttlSeconds }) => ttlSeconds),
    ],
  });
  return tokens.map(() => undefined);
}
