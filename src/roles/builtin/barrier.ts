/**
 * The barrier of a cluster role: it runs when as many members are ACTIVE as it waits for, and leaves behind who they are,
 * for the noderoles below it to read (engine-rules 24). Joining and leaving make it run again.
 */
import type { Queryable } from '../../db/client.js';
import type { RoleFunction } from '../../jigs/contract.js';

/** Every noderole below the barrier freezes its wall: past this many members only their number and digest are told. */
const NAMES_MAX = 500;

export function barrier(db: Queryable): RoleFunction {
  return async (ctx) => {
    const { rows } = await db.query<{ count: number; digest: string; names: string[] | null }>(
      `SELECT count(*)::int AS count, md5(coalesce(string_agg(n.name, ',' ORDER BY n.name), '')) AS digest,
              CASE WHEN count(*) <= $2 THEN array_agg(n.name ORDER BY n.name) END AS names
         FROM node_role_edges e JOIN node_roles m ON m.id = e.parent_id AND m.committed JOIN nodes n ON n.id = m.node_id WHERE e.child_id = $1`,
      [ctx.noderole.id, NAMES_MAX],
    );
    const members = rows[0] ?? { count: 0, digest: '', names: [] };
    ctx.log(`open with ${members.count} members\n`);
    return { kind: 'done', wall: { count: members.count, digest: members.digest, ...(members.names === null ? {} : { members: members.names }) } };
  };
}
