/** Reads barclamps as they were imported, and takes one away. */
import type { Pool } from '../db/client.js';
import { withTransaction } from '../db/client.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';
import { resolveRoles } from './resolve.js';
import { retireOrRemove } from './retire.js';
import { roleFields, type BarclampDefinition } from './role.js';
import { lockImports, readDefinition, readStoredRoles, writeResolved, type BarclampSource } from './rows.js';

/** `roles`: names in the order they were imported, without companions; `retired`: those it defines no more. */
export type BarclampRow = {
  name: string;
  description: string;
  version: string;
  source: BarclampSource;
  imported_at: Date;
  attribs: BarclampDefinition['attribs'];
  roles: string[];
  retired: string[];
};

const SELECT = `
  SELECT b.name, b.description, b.version, b.source, b.imported_at, b.attribs,
         coalesce(array_agg(ro.name ORDER BY ro.id) FILTER (WHERE ro.definition IS NOT NULL AND ro.retired_at IS NULL), '{}') AS roles,
         coalesce(array_agg(ro.name ORDER BY ro.id) FILTER (WHERE ro.retired_at IS NOT NULL), '{}') AS retired
    FROM barclamps b LEFT JOIN roles ro ON ro.barclamp = b.name`;

/** Those after `after` by name, and one more than `limit`. */
export async function listBarclamps(
  pool: Pool,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<{ rows: BarclampRow[]; total: number }> {
  const { rows } = await pool.query<BarclampRow>(`${SELECT} WHERE b.name > $1 GROUP BY b.name ORDER BY b.name LIMIT $2`, [after ?? '', limit + 1]);
  const count = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM barclamps');
  return { rows, total: count.rows[0]?.n ?? 0 };
}

/** One barclamp with its definition. Throws NotFoundError. */
export async function readBarclampRow(pool: Pool, name: string): Promise<{ row: BarclampRow; definition: BarclampDefinition }> {
  const { rows } = await pool.query<BarclampRow>(`${SELECT} WHERE b.name = $1 GROUP BY b.name`, [name]);
  const [row] = rows;
  if (!row) throw new NotFoundError('barclamp', name);
  const roles = await pool.query<{ definition: unknown }>(
    'SELECT definition FROM roles WHERE barclamp = $1 AND definition IS NOT NULL AND retired_at IS NULL ORDER BY id',
    [name],
  );
  const barclamp = { name: row.name, description: row.description, version: row.version };
  return { row, definition: { barclamp, attribs: row.attribs, roles: roles.rows.map((role) => roleFields.parse(role.definition)) } };
}

/**
 * Takes a barclamp away with its roles. Throws NotFoundError; ConflictError when it is not one that came by API, when a role
 * of it is bound, or when a role of another barclamp requires one of its roles.
 */
export async function removeBarclamp(pool: Pool, name: string): Promise<{ removed: string[] }> {
  return withTransaction(pool, async (tx) => {
    await lockImports(tx);
    const { rows } = await tx.query<{ source: BarclampSource }>('SELECT source FROM barclamps WHERE name = $1', [name]);
    const source = rows[0]?.source;
    if (source === undefined) throw new NotFoundError('barclamp', name);
    if (source === 'built-in') throw new ConflictError(`barclamp '${name}' ships with Prybar`, { code: 'barclamp-owned' });
    const stored = await readStoredRoles(tx);
    const ours = stored.filter((role) => role.barclamp === name);
    const names = ours.map((role) => role.name);
    const { removed, retired } = await retireOrRemove(tx, names);
    const bound = [...retired, ...ours.filter((role) => role.is_retired && !removed.includes(role.name)).map((role) => role.name)];
    if (bound.length > 0) throw new ConflictError(`roles of barclamp '${name}' are bound: ${bound.join(', ')}; unbind them first`, { code: 'barclamp-bound' });
    const kept = stored.filter((role) => role.barclamp !== name && !role.is_retired && !role.is_companion);
    const resolved = resolveRoles(kept.map(readDefinition), { imported: new Set(), removed: new Set(names), allowDangling: false });
    await writeResolved(tx, resolved.roles);
    await tx.query('DELETE FROM barclamps WHERE name = $1', [name]);
    return { removed };
  });
}
