/** The first token: written to a file that only this account reads, so that a fresh installation can be used. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { withTransaction, type Db } from '../db/client.js';
import { bearerToken, hashToken, newToken } from './auth.js';
import { codeOf } from './error-handler.js';

const ADMIN_TOKEN_NAME = 'admin';

/**
 * Makes the file's token valid, and the file when it is missing or its token was revoked. The file is the truth: an
 * empty database takes over the token that is there. Safe to repeat and to run in two processes at once.
 */
export async function ensureAdminToken(db: Db, file: string): Promise<{ token: string; created: boolean }> {
  return await withTransaction(db.pool, async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock(hashtext('prybar admin token'))");
    const present = await readToken(file);
    const { rows } = await tx.query<{ sha256: string; revoked: boolean }>('SELECT sha256, revoked_at IS NOT NULL AS revoked FROM api_tokens WHERE name = $1', [
      ADMIN_TOKEN_NAME,
    ]);
    const row = rows[0];
    const isRevoked = present !== undefined && row?.revoked === true && row.sha256 === hashToken(present);
    const created = present === undefined || isRevoked;
    const token = created ? newToken() : present;
    if (created) await writeToken(file, token);
    else await chmod(file, 0o600);
    if (created || row?.sha256 !== hashToken(token)) {
      await tx.query(
        `INSERT INTO api_tokens (name, sha256, scope) VALUES ($1, $2, 'admin')
         ON CONFLICT (name) DO UPDATE SET sha256 = EXCLUDED.sha256, scope = 'admin', revoked_at = NULL, last_used_at = NULL`,
        [ADMIN_TOKEN_NAME, hashToken(token)],
      );
    }
    return { token, created };
  });
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    return bearerToken(`Bearer ${(await readFile(file, 'utf8')).trim()}`);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Written beside and renamed, so that a reader never sees half a token. */
async function writeToken(file: string, token: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${token}\n`, { mode: 0o600 });
  await rename(draft, file);
}
