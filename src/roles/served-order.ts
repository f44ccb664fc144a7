/**
 * Roles that confirm what machines boot may never depend on a role that waits for that confirmation: each would wait for the
 * other, and every installation with them (engine-rules 7). Refused twice: by name at an import, and, because a requirement may
 * be answered by a provider or a cluster, by the edges that a bind makes.
 */
import type { Tx } from '../db/client.js';
import { ConflictError } from '../shared/errors.js';
import { pathText } from './graph.js';

/** Its noderoles keep a boot server up to date, which is part of `served`. */
export const CONFIRMS_SERVED = 'confirms-served';
/** Its runs wait until every boot server has confirmed. */
export const WAITS_FOR_SERVED = 'waits-for-served';

type Ordered = { flags: readonly string[]; requires: readonly string[] };

/** From a role that confirms, along its requirements, to one that waits; null when there is no such path. PURE. */
export function servedCircle(roles: ReadonlyMap<string, Ordered>): string[] | null {
  for (const [start, role] of roles) {
    if (!role.flags.includes(CONFIRMS_SERVED)) continue;
    const below = new Map<string, string | null>([[start, null]]);
    for (const name of below.keys()) {
      const found = roles.get(name);
      if (found?.flags.includes(WAITS_FOR_SERVED) === true) return pathFrom(name, below);
      for (const required of found?.requires ?? []) if (!below.has(required)) below.set(required, name);
    }
  }
  return null;
}

/** Throws ConflictError `served-circle` with the path, when an import would make one. */
export function refuseServedCircle(roles: ReadonlyMap<string, Ordered>): void {
  const path = servedCircle(roles);
  if (path !== null) throw circle(path);
}

/**
 * The same over the edges of noderoles, those of the transaction included. Starts at the few that confirm: by index, each
 * edge above them once. Throws ConflictError `served-circle` with the path.
 */
export async function refuseBoundServedCircle(tx: Tx): Promise<void> {
  const { rows } = await tx.query<{ id: number; below: number | null; name: string; waits: boolean }>(
    `WITH RECURSIVE above AS (
       SELECT nr.id, NULL::int AS below FROM roles ro CROSS JOIN deployments d JOIN node_roles nr ON nr.deployment_id = d.id AND nr.role_id = ro.id
        WHERE $1 = ANY(ro.flags)
       UNION SELECT e.parent_id, e.child_id FROM above a JOIN node_role_edges e ON e.child_id = a.id
     ), told AS (
       SELECT a.id, a.below, ro.name || '@' || n.name AS name, $2 = ANY(ro.flags) AS waits
         FROM above a JOIN node_roles nr ON nr.id = a.id JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id)
     SELECT * FROM told WHERE EXISTS (SELECT 1 FROM told WHERE waits) ORDER BY below NULLS FIRST, id`,
    [CONFIRMS_SERVED, WAITS_FOR_SERVED],
  );
  const waiting = rows.find((row) => row.waits);
  if (!waiting) return;
  // A noderole that confirms is where a path begins, whatever else stands below it.
  const below = new Map<number, number | null>();
  for (const row of rows) if (!below.has(row.id)) below.set(row.id, row.below);
  const names = new Map(rows.map((row) => [row.id, row.name]));
  throw circle(pathFrom(waiting.id, below).map((id) => names.get(id) ?? String(id)));
}

function pathFrom<T>(end: T, below: ReadonlyMap<T, T | null>): T[] {
  const path: T[] = [];
  for (let at: T | null | undefined = end; at !== null && at !== undefined; at = below.get(at)) path.unshift(at);
  return path;
}

function circle(path: readonly string[]): ConflictError {
  return new ConflictError(
    `${path[0]} confirms what machines boot, and would itself wait for that confirmation: ${pathText(path)}; take one of these requirements away`,
    { code: 'served-circle', details: { path } },
  );
}
