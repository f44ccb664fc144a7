/**
 * Imports barclamps: an upsert by role name in one transaction, refused whole when the roles together make no sense. What
 * was bound goes on as it was bound; requirements hold for what is bound from now on. Another template or other attribs are
 * other inputs, so what is bound runs again with them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ConflictError } from '../shared/errors.js';
import { checkCode, type RoleCode } from './code.js';
import { columnsOf, type RoleColumns } from './columns.js';
import { companionOf } from './companion.js';
import { resolveRoles } from './resolve.js';
import { retireOrRemove, type Gone } from './retire.js';
import type { BarclampDefinition } from './role.js';
import { refuseBoundServedCircle } from './served-order.js';
import {
  lockImports,
  readDefinition,
  readStoredRoles,
  tellReplaced,
  upsertBarclamps,
  upsertRoles,
  writeResolved,
  type BarclampSource,
  type StoredRole,
} from './rows.js';

export type ImportOptions = {
  source?: BarclampSource;
  /** What the code of this installation provides; unset: not checked. */
  code?: RoleCode;
  /** Requirements on roles that do not exist yet become warnings. */
  allowDangling?: boolean;
  /** Roles that the barclamp defined earlier and does not name now: `drop` (the default) takes them away, `keep` leaves them. */
  missing?: 'drop' | 'keep';
};

/** Names of roles, companions left out of the first three. */
export type ImportResult = { created: string[]; changed: string[]; unchanged: string[] } & Gone & { warnings: string[] };

/**
 * Safe to repeat. Throws ConflictError with the path or the names: a cycle, what dangles, a soft order against the hard one,
 * a role or barclamp that somebody else defines. Throws ValidationError for a jig, function or hook that no code provides.
 */
export async function importBarclamps(pool: Pool, barclamps: BarclampDefinition[], options: ImportOptions = {}): Promise<ImportResult> {
  const { source = 'built-in', allowDangling = false } = options;
  if (options.code) for (const barclamp of barclamps) checkCode(barclamp, options.code);
  return withRetriedTransaction(pool, async (tx) => {
    await lockImports(tx);
    await refuseForeignBarclamps(tx, barclamps, source);
    const stored = await readStoredRoles(tx);
    const written = definedBy(barclamps, stored);
    const missing = missingNow(stored, written, options.missing === 'keep' ? [] : barclamps);
    const gone = await retireOrRemove(
      tx,
      missing.map((role) => role.name),
    );

    const kept = stored.filter((role) => !written.has(role.name) && !missing.includes(role) && !role.is_retired && !role.is_companion);
    const imported = new Set(written.keys());
    const resolved = resolveRoles([...kept.map(readDefinition), ...barclamps.flatMap((barclamp) => barclamp.roles)], {
      imported,
      removed: new Set(missing.map((role) => role.name)),
      allowDangling,
    });
    const replaced = await upsertRoles(tx, [...written.values()]);
    await writeResolved(tx, resolved.roles);
    await upsertBarclamps(tx, barclamps, source);
    await refuseBoundServedCircle(tx);
    await refuseSharedNodeAttribs(tx);
    await tellReplaced(tx, replaced);
    const warnings = resolved.warnings.filter((warning) => imported.has(warning.role)).map((warning) => warning.message);
    return { ...compare(stored, barclamps), ...gone, warnings };
  });
}

/** A directory may take over what came by API; nothing takes over what ships with Prybar. */
async function refuseForeignBarclamps(tx: Tx, barclamps: BarclampDefinition[], source: BarclampSource): Promise<void> {
  const names = barclamps.map((barclamp) => barclamp.barclamp.name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new ConflictError(`barclamp '${twice}' is in this import twice`, { code: 'barclamp-twice' });
  const { rows } = await tx.query<{ name: string; source: BarclampSource }>('SELECT name, source FROM barclamps WHERE name = ANY($1) ORDER BY name', [names]);
  for (const row of rows) {
    if (row.source === source || source === 'built-in') continue;
    if (row.source === 'built-in') throw new ConflictError(`barclamp '${row.name}' ships with Prybar; give yours another name`, { code: 'barclamp-owned' });
    if (source === 'api')
      throw new ConflictError(`barclamp '${row.name}' comes from the directory of PRYBAR_BARCLAMPS; change its file there`, { code: 'barclamp-owned' });
  }
}

/** An attrib of nodes has one schema: that of the barclamp which declares it. */
async function refuseSharedNodeAttribs(tx: Tx): Promise<void> {
  const { rows } = await tx.query<{ name: string; owners: string[] }>(
    `SELECT a->>'name' AS name, array_agg(b.name ORDER BY b.name) AS owners FROM barclamps b CROSS JOIN LATERAL jsonb_array_elements(b.attribs) a
      GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1`,
  );
  const [shared] = rows;
  if (shared)
    throw new ConflictError(`attrib 'node/${shared.name}' is declared by barclamps ${shared.owners.join(' and ')}; leave it to one of them`, {
      code: 'attrib-owned',
    });
}

/** The rows that the barclamps write, companions included. Throws ConflictError for a role of another barclamp. */
function definedBy(barclamps: BarclampDefinition[], stored: readonly StoredRole[]): Map<string, RoleColumns> {
  const ownerOf = new Map(stored.filter((role) => !role.is_retired).map((role) => [role.name, role.barclamp]));
  const written = new Map<string, RoleColumns>();
  for (const { barclamp, roles } of barclamps) {
    for (const role of roles) {
      const owner = ownerOf.get(role.name);
      if (owner !== undefined && owner !== barclamp.name)
        throw new ConflictError(`barclamp '${barclamp.name}' defines role '${role.name}', which belongs to barclamp '${owner}'`, {
          code: 'role-owned',
          details: { role: role.name, barclamp: owner },
        });
      ownerOf.set(role.name, barclamp.name);
      written.set(role.name, columnsOf(role, barclamp.name));
      const companion = companionOf(role, barclamp.name);
      if (companion) written.set(companion.name, companion);
    }
  }
  return written;
}

/** Roles of these barclamps that they do not define now, and those retired earlier that may be unbound by now. */
function missingNow(stored: readonly StoredRole[], written: ReadonlyMap<string, RoleColumns>, barclamps: BarclampDefinition[]): StoredRole[] {
  const owners = new Set(barclamps.map((barclamp) => barclamp.barclamp.name));
  return stored.filter((role) => (owners.has(role.barclamp) || role.is_retired) && !written.has(role.name));
}

function compare(stored: readonly StoredRole[], barclamps: readonly BarclampDefinition[]): Pick<ImportResult, 'created' | 'changed' | 'unchanged'> {
  const before = new Map(stored.map((role) => [role.name, role]));
  const result: { created: string[]; changed: string[]; unchanged: string[] } = { created: [], changed: [], unchanged: [] };
  for (const role of barclamps.flatMap((barclamp) => barclamp.roles)) {
    const old = before.get(role.name);
    // Through JSON, because a key that is undefined here is not there in the database.
    const isSame = old !== undefined && !old.is_retired && isDeepStrictEqual(old.definition, JSON.parse(JSON.stringify(role)));
    result[old === undefined ? 'created' : isSame ? 'unchanged' : 'changed'].push(role.name);
  }
  return result;
}
