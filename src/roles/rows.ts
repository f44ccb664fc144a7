/** The rows that an import writes: roles, what they require, whom they follow, barclamps. Each one statement, whatever the number. */
import type { Tx } from '../db/client.js';
import { DEFINED_COLUMNS, type RoleColumns } from './columns.js';
import type { ResolvedRole } from './resolve.js';
import { ConflictError } from '../shared/errors.js';
import type { Json, JsonObject } from '../shared/json.js';
import { roleFields, type BarclampDefinition, type RoleDefinition } from './role.js';

/** Where a barclamp comes from; only the same source may write it again. */
export type BarclampSource = 'built-in' | 'directory' | 'api';

export type StoredRole = {
  name: string;
  barclamp: string;
  definition: unknown;
  description: string;
  flags: string[];
  jig: string;
  /** Made by Prybar: the barrier of a cluster role. */
  is_companion: boolean;
  is_retired: boolean;
};

const IMPORT_LOCK = 728_002;

/** One importer at a time: two processes that start together write the same roles. Held until the end of the transaction. */
export async function lockImports(tx: Tx): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [IMPORT_LOCK]);
}

export async function readStoredRoles(tx: Tx): Promise<StoredRole[]> {
  const { rows } = await tx.query<StoredRole>(
    `SELECT name, barclamp, definition, description, flags, jig, jig_config ? 'barrier_of' AND definition IS NULL AS is_companion, retired_at IS NOT NULL AS is_retired
       FROM roles ORDER BY id`,
  );
  return rows;
}

/** A row that no barclamp wrote is a role without requirements. */
export function readDefinition(role: StoredRole): RoleDefinition {
  const parsed = roleFields.safeParse(role.definition ?? { name: role.name, jig: role.jig, flags: role.flags });
  if (parsed.success) return parsed.data;
  throw new ConflictError(`role '${role.name}' was stored by another version and cannot be read; import barclamp '${role.barclamp}' with this one`, {
    code: 'role-unreadable',
  });
}

const COLUMNS = DEFINED_COLUMNS.join(', ');
const ASSIGNMENTS = DEFINED_COLUMNS.filter((column) => column !== 'name')
  .map((column) => `${column} = EXCLUDED.${column}`)
  .join(', ');

/** A role as it was before an import gave it another template or other attribs. */
export type ReplacedRole = { id: number; template: JsonObject; attribs: Json };

/** An upsert by name; one that was retired is back. Returns those whose noderoles are given other values from now on. */
export async function upsertRoles(tx: Tx, rows: readonly RoleColumns[]): Promise<ReplacedRole[]> {
  const { rows: replaced } = await tx.query<ReplacedRole>(
    `WITH given AS MATERIALIZED (
       SELECT * FROM jsonb_populate_recordset(NULL::roles, $1)
     ), written AS (
       INSERT INTO roles (${COLUMNS}) SELECT ${COLUMNS} FROM given
       ON CONFLICT (name) DO UPDATE SET ${ASSIGNMENTS}, retired_at = NULL,
         updated_at = CASE WHEN roles.definition IS DISTINCT FROM EXCLUDED.definition THEN clock_timestamp() ELSE roles.updated_at END
     )
     SELECT ro.id, ro.template, ro.attribs FROM roles ro JOIN given g ON g.name = ro.name WHERE (ro.template, ro.attribs) IS DISTINCT FROM (g.template, g.attribs)`,
    [JSON.stringify(rows)],
  );
  return replaced;
}

/** What is bound to these roles, or reads of them what differs now, is wanted again (DESIGN rule 9). After `writeResolved`. */
export async function tellReplaced(tx: Tx, replaced: readonly ReplacedRole[]): Promise<void> {
  if (replaced.length === 0) return;
  await tx.query('SELECT emit_events(tell_replaced_roles($1, $2, $3))', [
    replaced.map((role) => role.id),
    replaced.map((role) => JSON.stringify(role.template)),
    replaced.map((role) => JSON.stringify(role.attribs)),
  ]);
}

/** What follows from all roles together, written where it is not so already: a late import changes others' rows as well. */
export async function writeResolved(tx: Tx, roles: ReadonlyMap<string, ResolvedRole>): Promise<void> {
  const names = [...roles.keys()];
  const edges = [...roles].flatMap(([name, role]) => role.requires.map((requires) => ({ name, requires })));
  const pairs = [edges.map((edge) => edge.name), edges.map((edge) => edge.requires)];
  await tx.query(
    `DELETE FROM role_requires rr USING roles ro WHERE ro.id = rr.role_id AND ro.name = ANY($3)
        AND NOT EXISTS (SELECT 1 FROM unnest($1::text[], $2::text[]) AS e(name, requires) WHERE e.name = ro.name AND e.requires = rr.requires)`,
    [...pairs, names],
  );
  await tx.query(
    `INSERT INTO role_requires (role_id, requires)
     SELECT ro.id, e.requires FROM unnest($1::text[], $2::text[]) AS e(name, requires) JOIN roles ro ON ro.name = e.name ON CONFLICT DO NOTHING`,
    pairs,
  );
  const soft = [...roles].flatMap(([name, { softAfter }]) => [
    ...softAfter.node.map((before) => ({ name, before, scope: 'node' })),
    ...softAfter.deployment.map((before) => ({ name, before, scope: 'deployment' })),
  ]);
  const wants = [...roles.values()].map((role) => JSON.stringify(role.wants));
  const rewired = await tx.query<{ id: number }>(
    `SELECT nr.id FROM unnest($1::text[], $2::text[]) AS i(name, wants) JOIN roles ro ON ro.name = i.name AND ro.wants <> i.wants::jsonb JOIN node_roles nr ON nr.role_id = ro.id`,
    [names, wants],
  );
  await tx.query(
    `WITH soft AS (
       SELECT e.name, array_agg(ro.id ORDER BY ro.id) FILTER (WHERE e.scope = 'node') AS node,
              array_agg(ro.id ORDER BY ro.id) FILTER (WHERE e.scope = 'deployment') AS deployment
         FROM unnest($4::text[], $5::text[], $6::text[]) AS e(name, before, scope) JOIN roles ro ON ro.name = e.before GROUP BY e.name
     ), wanted AS (
       SELECT i.name, i.cohort, i.wants::jsonb AS wants, coalesce(soft.node, '{}') AS soft_after, coalesce(soft.deployment, '{}') AS soft_after_deployment
         FROM unnest($1::text[], $2::int[], $3::text[]) AS i(name, cohort, wants) LEFT JOIN soft ON soft.name = i.name
     )
     UPDATE roles ro SET cohort = w.cohort, wants = w.wants, soft_after = w.soft_after, soft_after_deployment = w.soft_after_deployment
       FROM wanted w WHERE ro.name = w.name
        AND (ro.cohort, ro.wants, ro.soft_after, ro.soft_after_deployment) IS DISTINCT FROM (w.cohort, w.wants, w.soft_after, w.soft_after_deployment)`,
    [
      names,
      [...roles.values()].map((role) => role.cohort),
      wants,
      soft.map((edge) => edge.name),
      soft.map((edge) => edge.before),
      soft.map((edge) => edge.scope),
    ],
  );
  // What is bound already reads from now on what its role wants now; it runs with it when it next runs.
  if (rewired.rows.length > 0) await tx.query('SELECT link_attribs($1)', [rewired.rows.map((row) => row.id)]);
}

export async function upsertBarclamps(tx: Tx, barclamps: readonly BarclampDefinition[], source: BarclampSource): Promise<void> {
  await tx.query(
    `INSERT INTO barclamps (name, description, version, attribs, source, imported_at)
     SELECT b.name, b.description, b.version, b.attribs, $2, clock_timestamp() FROM jsonb_to_recordset($1) AS b(name text, description text, version text, attribs jsonb)
     ON CONFLICT (name) DO UPDATE SET description = EXCLUDED.description, version = EXCLUDED.version, attribs = EXCLUDED.attribs, source = EXCLUDED.source, imported_at = EXCLUDED.imported_at`,
    [JSON.stringify(barclamps.map(({ barclamp, attribs }) => ({ ...barclamp, attribs }))), source],
  );
}
