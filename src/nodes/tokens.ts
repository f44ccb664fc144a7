/**
 * Tokens of machines (netboot-rules 18 to 20): `boot` reads one boot's files, `install` completes one installation, `agent`
 * speaks for one boot id, `disk` for one installed system. Only their SHA-256 is stored, so a read database opens nothing.
 * Whatever a machine sends may come in here: garbage is a token that does not exist, never an exception.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Pool, Queryable, Tx } from '../db/client.js';

export const TOKEN_KINDS = ['boot', 'install', 'agent', 'disk'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** What a token is bound to. Absent means that it is not bound to it. */
export type TokenBinding = {
  kind: TokenKind;
  nodeId?: number | null;
  mac?: string | null;
  /** The only source address that may use it, for `boot`. */
  address?: string | null;
  bootenv?: string | null;
  installId?: number | null;
  bootId?: string | null;
  ttlSeconds: number;
};

export type TokenRow = {
  id: number;
  kind: TokenKind;
  nodeId: number | null;
  mac: string | null;
  address: string | null;
  bootenv: string | null;
  installId: number | null;
  bootId: string | null;
  expiresAt: Date;
  /** When, and from which address, it was first used; only `boot` (answers) and `install` keep this. */
  usedAt: Date | null;
  usedFrom: string | null;
};

/** 32 random bytes, base64url without padding. */
const TOKEN_TEXT = /^[A-Za-z0-9_-]{43}$/;

const COLUMNS = `id, kind, node_id AS "nodeId", mac, address, bootenv, install_id AS "installId", boot_id AS "bootId",
  expires_at AS "expiresAt", used_at AS "usedAt", used_from AS "usedFrom"`;

/** The stored form of a token. */
export function hashToken(plain: string): string {
  return createHash('sha256').update(plain).digest('hex');
}

/** Whether the text could be a token at all; what is not is never looked up. */
export function isTokenText(plain: unknown): plain is string {
  return typeof plain === 'string' && TOKEN_TEXT.test(plain);
}

/** The text of a token that nobody has stored yet. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Makes a new token in the caller's transaction and returns its text, which is never seen again. */
export async function mintToken(tx: Tx, binding: TokenBinding): Promise<string> {
  const plain = newToken();
  await storeToken(tx, plain, binding);
  return plain;
}

/** Stores a token whose text was derived. Storing it again only prolongs it; a revoked one stays revoked. */
export async function storeToken(tx: Tx, plain: string, binding: TokenBinding): Promise<void> {
  await tx.query(
    `INSERT INTO node_tokens (sha256, kind, node_id, mac, address, bootenv, install_id, boot_id, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp(), clock_timestamp() + make_interval(secs => $9))
     ON CONFLICT (sha256) DO UPDATE SET expires_at = GREATEST(node_tokens.expires_at, EXCLUDED.expires_at)`,
    [
      hashToken(plain),
      binding.kind,
      binding.nodeId ?? null,
      binding.mac ?? null,
      binding.address ?? null,
      binding.bootenv ?? null,
      binding.installId ?? null,
      binding.bootId ?? null,
      binding.ttlSeconds,
    ],
  );
}

/**
 * The token, or null when it is none of that kind, has expired or was revoked. A used install token is still found: who
 * repeats a call gets its first answer (netboot-rules 18). Takes anything.
 */
export async function findToken(db: { pool: Pool } | Queryable, plain: unknown, kind: TokenKind): Promise<TokenRow | null> {
  if (!isTokenText(plain)) return null;
  const queryable = 'pool' in db ? db.pool : db;
  const { rows } = await queryable.query<TokenRow>(
    `SELECT ${COLUMNS} FROM node_tokens
      WHERE sha256 = $1 AND kind = $2 AND revoked_at IS NULL AND expires_at > clock_timestamp()`,
    [hashToken(plain), kind],
  );
  return rows[0] ?? null;
}

/** Which tokens to revoke: all that match every given field. One of nodeId, mac and installId has to be there. */
export type TokenSelection = {
  kinds?: readonly TokenKind[];
  nodeId?: number;
  mac?: string;
  installId?: number;
  /** Keep this one. */
  exceptPlain?: string;
};

/** Revokes tokens; returns how many. Safe to repeat. */
export async function revokeTokens(tx: Tx, selection: TokenSelection): Promise<number> {
  const { kinds, nodeId, mac, installId, exceptPlain } = selection;
  if (nodeId === undefined && mac === undefined && installId === undefined) return 0;
  const { rowCount } = await tx.query(
    `UPDATE node_tokens SET revoked_at = clock_timestamp()
      WHERE revoked_at IS NULL
        AND ($1::text[] IS NULL OR kind = ANY($1)) AND ($2::int IS NULL OR node_id = $2)
        AND ($3::text IS NULL OR mac = $3) AND ($4::int IS NULL OR install_id = $4) AND ($5::text IS NULL OR sha256 <> $5)`,
    [kinds ?? null, nodeId ?? null, mac ?? null, installId ?? null, exceptPlain === undefined ? null : hashToken(exceptPlain)],
  );
  return rowCount ?? 0;
}

/**
 * The completion token of one boot of an installer. Derived, so that answers fetched twice carry the same one; from the boot
 * token, so that the key in the database is not enough, and with the key, so that the boot token is not enough either.
 */
export function deriveInstallToken(key: Buffer, bootToken: string, installId: number): string {
  return derive(key, `install:${installId}:${bootToken}`);
}

/** The token of the installed system: derived, so that a repeated completion gets the same answer. */
export function deriveDiskToken(key: Buffer, installToken: string, installId: number): string {
  return derive(key, `disk:${installId}:${installToken}`);
}

function derive(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

const KEY_SETTING = 'node-token-key';
const keys = new WeakMap<Pool, Promise<Buffer>>();

/** The installation's key for derived tokens, made at first use and the same in every process. */
export function tokenKey(pool: Pool): Promise<Buffer> {
  const known = keys.get(pool);
  if (known !== undefined) return known;
  const loading = loadKey(pool);
  keys.set(pool, loading);
  // A failed read is not remembered: the next caller tries again.
  loading.catch(() => keys.delete(pool));
  return loading;
}

async function loadKey(pool: Pool): Promise<Buffer> {
  const fresh = JSON.stringify(randomBytes(32).toString('base64url'));
  await pool.query(`INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, [KEY_SETTING, fresh]);
  const { rows } = await pool.query<{ value: unknown }>('SELECT value FROM settings WHERE key = $1', [KEY_SETTING]);
  return Buffer.from(String(rows[0]?.value), 'base64url');
}
