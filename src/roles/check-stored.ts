/** Roles that are stored already against the code of this installation: another version may have imported them. */
import type { Pool } from '../db/client.js';
import type { FieldProblem } from '../shared/errors.js';
import { problemsOf, type RoleCode } from './code.js';

/** What no code provides, by role; empty when all is well. Barriers of clusters are the engine's own. */
export async function checkStoredRoles(pool: Pool, code: RoleCode): Promise<FieldProblem[]> {
  const { rows } = await pool.query<{ name: string; jig: string; hooks: string[] }>(
    `SELECT name, jig, hooks FROM roles WHERE NOT (jig_config ? 'barrier_of') AND retired_at IS NULL ORDER BY name`,
  );
  return rows.flatMap((row) => problemsOf(row, code));
}
