/** Imports barclamps: an upsert by role name, refused whole when the requirements of all roles would form a cycle. */
import type { Pool, Tx } from '../db/client.js';
import { withTransaction } from '../db/client.js';
import { ConflictError } from '../shared/errors.js';
import { roleCohorts } from './graph.js';
import type { BarclampDefinition, RoleDefinition } from './role.js';

// One importer at a time: two processes that start together write the same roles.
const IMPORT_LOCK = 728_002;

/** Returns the names of the roles written. Safe to repeat; a cycle is refused with the path that forms it. */
export async function importBarclamps(pool: Pool, barclamps: BarclampDefinition[]): Promise<string[]> {
  return withTransaction(pool, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [IMPORT_LOCK]);
    const roles = barclamps.flatMap((barclamp) => barclamp.roles.map((role) => ({ role, barclamp: barclamp.barclamp.name })));
    for (const { role, barclamp } of roles) await upsert(tx, role, barclamp);
    const { rows } = await tx.query<{ name: string; requires: string[] }>(
      `SELECT ro.name, coalesce(array_agg(rr.requires) FILTER (WHERE rr.requires IS NOT NULL), '{}') AS requires
         FROM roles ro LEFT JOIN role_requires rr ON rr.role_id = ro.id GROUP BY ro.name ORDER BY ro.name`,
    );
    const answer = roleCohorts(new Map(rows.map((row) => [row.name, row.requires])));
    if ('cycle' in answer)
      throw new ConflictError(`roles require each other: ${answer.cycle.join(' -> ')}`, { code: 'role-cycle', details: { cycle: answer.cycle } });
    await tx.query(
      'UPDATE roles ro SET cohort = i.cohort FROM unnest($1::text[], $2::int[]) AS i(name, cohort) WHERE ro.name = i.name AND ro.cohort <> i.cohort',
      [[...answer.cohorts.keys()], [...answer.cohorts.values()]],
    );
    return roles.map(({ role }) => role.name);
  });
}

async function upsert(tx: Tx, role: RoleDefinition, barclamp: string): Promise<void> {
  const { rows } = await tx.query<{ id: number }>(
    `INSERT INTO roles (name, barclamp, description, jig, flags, provides, conflicts, template, attribs, wants, jig_config, job_class,
                        timeout_seconds, max_attempts, backoff_seconds, runs_in, validity, on_parent_error, updated_at)
     VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18, clock_timestamp())
     ON CONFLICT (name) DO UPDATE SET barclamp=$2, description=$3, jig=$4, flags=$5, provides=$6, conflicts=$7, template=$8, attribs=$9, wants=$10,
       jig_config=$11, job_class=$12, timeout_seconds=$13, max_attempts=$14, backoff_seconds=$15, runs_in=$16, validity=$17, on_parent_error=$18, updated_at=clock_timestamp()
     RETURNING id`,
    [
      role.name,
      barclamp,
      role.description,
      role.jig,
      role.flags,
      role.provides,
      role.conflicts,
      JSON.stringify(role.template),
      JSON.stringify(role.attribs),
      JSON.stringify(role.wants_attribs.map((attrib) => ({ name: attrib }))),
      JSON.stringify(role.jig_config),
      role.job_class,
      role.timeout_seconds,
      role.max_attempts,
      role.backoff_seconds,
      role.runs_in,
      role.validity,
      role.on_parent_error,
    ],
  );
  const id = rows[0]?.id;
  await tx.query('DELETE FROM role_requires WHERE role_id = $1 AND NOT requires = ANY($2)', [id, role.requires]);
  await tx.query('INSERT INTO role_requires (role_id, requires) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING', [id, role.requires]);
}
