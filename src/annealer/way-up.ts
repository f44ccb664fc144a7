/** The way from a BLOCKED noderole up to what keeps it: the nearest ERROR above it, else the nearest that was taken back, else the nearest at work. */
import type { Db } from '../db/client.js';
import type { NodeRoleState } from '../noderoles/state.js';
import type { WhyView } from './why.js';

/** A parent that is pending, and the child through which it was found. */
export type UpEdge = { id: number; via: number; state: NodeRoleState };

/** Past so many pending edges above one noderole the way is looked for among those nearest in order of finding. */
const EDGES_MAX = 50_000;
/** A way is shown whole up to this many noderoles; of a longer one its beginning and its root. */
const SHOWN_MAX = 20;

const RANK: Partial<Record<NodeRoleState, number>> = { ERROR: 0, PROPOSED: 1 };

/** Noderoles on the shortest way from `start` to the root that explains most, the nearest first; empty when nothing is pending. PURE. */
export function wayTo(start: number, edges: readonly UpEdge[]): number[] {
  const parents = new Map<number, UpEdge[]>();
  for (const edge of edges) {
    const known = parents.get(edge.via);
    if (known === undefined) parents.set(edge.via, [edge]);
    else known.push(edge);
  }
  const via = new Map<number, number>([[start, start]]);
  let frontier = [start];
  let best: { id: number; rank: number } | undefined;
  while (frontier.length > 0 && best?.rank !== 0) {
    const next: number[] = [];
    for (const edge of frontier.flatMap((id) => parents.get(id) ?? []).sort((a, b) => a.id - b.id)) {
      if (via.has(edge.id)) continue;
      via.set(edge.id, edge.via);
      if (edge.state === 'BLOCKED') next.push(edge.id);
      else {
        const rank = RANK[edge.state] ?? 2;
        if (best === undefined || rank < best.rank) best = { id: edge.id, rank };
      }
    }
    frontier = next;
  }
  const way: number[] = [];
  for (let id = best?.id ?? start; id !== start; id = via.get(id) ?? start) way.unshift(id);
  return way;
}

export async function wayUp(db: Db, start: number): Promise<WhyView['ancestors']> {
  const { rows } = await db.pool.query<UpEdge>(
    `WITH RECURSIVE up AS (
       SELECT e.parent_id AS id, e.child_id AS via, p.state FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE e.child_id = $1 AND p.committed AND p.state <> 'ACTIVE'
       UNION
       SELECT e.parent_id, e.child_id, p.state FROM up JOIN node_role_edges e ON e.child_id = up.id JOIN node_roles p ON p.id = e.parent_id
        WHERE up.state = 'BLOCKED' AND p.committed AND p.state <> 'ACTIVE')
     SELECT * FROM up LIMIT $2`,
    [start, EDGES_MAX],
  );
  const way = wayTo(start, rows);
  const shown = way.length <= SHOWN_MAX ? way : [...way.slice(0, SHOWN_MAX - 1), way[way.length - 1] ?? start];
  const found = await db.prisma.nodeRole.findMany({ where: { id: { in: shown } }, include: { role: true, node: true, _count: { select: { parents: true } } } });
  const byId = new Map(found.map((row) => [row.id, row]));
  return shown.flatMap((id, index) => {
    const row = byId.get(id);
    if (row === undefined) return [];
    const left = way.length > shown.length && index === shown.length - 1 ? way.length - shown.length : 0;
    return [
      {
        id,
        name: `${row.role.name}@${row.node.name}`,
        state: row.state,
        error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? '' },
        waitsFor: waitsFor(row, left),
      },
    ];
  });
}

function waitsFor(
  row: { state: string; barrier: boolean; pendingParents: number; quorum: number | null; _count: { parents: number } },
  left: number,
): string | null {
  if (left > 0) return `${left} noderoles further up`;
  if (row.state !== 'BLOCKED') return null;
  if (row.barrier) return `${row.pendingParents} of ${row._count.parents} members are not ACTIVE${row.quorum === null ? '' : `, ${row.quorum} have to be`}`;
  return row.pendingParents > 1 ? `${row.pendingParents} parents are pending` : null;
}
