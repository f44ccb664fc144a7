/** `/tokens`: who may ask. A token is shown once; the database keeps its hash. */
import type { Db } from '../../db/client.js';
import { ConflictError, NotFoundError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import { hashToken, newToken } from '../auth.js';
import { byIdSchema } from '../network-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { pageOf } from '../schemas.js';
import * as t from '../token-schemas.js';

const tag = 'tokens';
type Row = { id: number; name: string; scope: string; created_at: Date; last_used_at: Date | null; revoked_at: Date | null };
const COLUMNS = 'id, name, scope, created_at, last_used_at, revoked_at';

export function tokenRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/tokens',
      scope: 'admin',
      tag,
      summary: 'List tokens, revoked ones too',
      query: t.tokenListQuerySchema,
      answer: pageOf(t.tokenSchema),
      async handle({ query }) {
        const { afterId, take } = pageWindow(query);
        const { rows } = await db.pool.query<Row>(`SELECT ${COLUMNS} FROM api_tokens WHERE id > $1 ORDER BY id LIMIT $2`, [afterId, take]);
        const counted = await db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM api_tokens');
        return toPage({ rows, limit: query.limit, total: counted.rows[0]?.count ?? 0, cursor: (row) => row.id, view });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/tokens',
      scope: 'admin',
      tag,
      summary: 'Make a token; this answer alone shows it',
      body: t.tokenCreateSchema,
      status: 201,
      answer: t.tokenWithTextSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const token = newToken();
        const { rows } = await db.pool.query<Row>(
          `INSERT INTO api_tokens (name, sha256, scope) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING ${COLUMNS}`,
          [body.name, hashToken(token), body.scope],
        );
        const made = rows[0];
        // The name of a revoked one too: the audit tells actors apart by it.
        if (made === undefined) throw new ConflictError(`a token named ${body.name} exists or existed; choose another name`, { code: 'name-taken' });
        await writeAudit(db, { actor: actor.name, action: 'token.create', target: `token/${made.id}`, detail: { name: body.name, scope: body.scope } });
        return { ...view(made), token };
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/tokens/:id',
      scope: 'admin',
      tag,
      summary: 'Revoke a token; safe to repeat',
      params: byIdSchema,
      refusals: [409],
      async handle({ params, actor }) {
        if (params.id === actor.tokenId) throw new ConflictError('this is the token you ask with; revoke it with another', { code: 'own-token' });
        const { rowCount } = await db.pool.query('UPDATE api_tokens SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1', [params.id]);
        if (rowCount === 0) throw new NotFoundError('token', params.id);
        await writeAudit(db, { actor: actor.name, action: 'token.revoke', target: `token/${params.id}` });
      },
    }),
  ];
}

function view(row: Row): t.ApiToken {
  const { id, name, scope } = row;
  return {
    id,
    name,
    scope,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}
