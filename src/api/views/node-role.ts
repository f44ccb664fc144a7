/** Noderoles as the API shows them. */
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import { NODE_ROLE_STATE_CODES, type NodeRole, type Page } from '../schemas.js';
import { dataOf, dataOrNull, idOf, timeOrNull } from './json.js';

const REF = { select: { id: true, name: true } } as const;
const NEIGHBOUR = { select: { id: true, state: true, role: { select: { name: true } }, node: { select: { name: true } } } } as const;

const INCLUDED = {
  deployment: REF,
  role: { select: { id: true, name: true, attribs: true } },
  node: REF,
  parents: { select: { parent: NEIGHBOUR }, orderBy: { parentId: 'asc' } },
  children: { select: { child: NEIGHBOUR }, orderBy: { childId: 'asc' } },
} as const satisfies Prisma.NodeRoleInclude;

type Row = Prisma.NodeRoleGetPayload<{ include: typeof INCLUDED }>;
type NeighbourRow = Row['parents'][number]['parent'];
type CurrentRun = NonNullable<NodeRole['run']>;

/** `<role>@<node>`: the name of a noderole. */
export function nodeRoleName(role: string, node: string): string {
  return `${role}@${node}`;
}

/** A page of noderoles in id order. */
export async function listNodeRoles(db: Db, where: Prisma.NodeRoleWhereInput, query: PageQuery): Promise<Page<NodeRole>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total] = await Promise.all([
    db.prisma.nodeRole.findMany({ where: { AND: [where, { id: { gt: afterId } }] }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.nodeRole.count({ where }),
  ]);
  const runs = await currentRuns(db, rows);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewNodeRole(row, runs) });
}

/** One noderole. Throws NotFoundError. */
export async function readNodeRole(db: Db, id: number): Promise<NodeRole> {
  const row = await db.prisma.nodeRole.findUnique({ where: { id }, include: INCLUDED });
  if (row === null) throw new NotFoundError('noderole', id);
  return viewNodeRole(row, await currentRuns(db, [row]));
}

async function currentRuns(db: Db, rows: Row[]): Promise<Map<number, CurrentRun>> {
  const ids = rows.flatMap((row) => (row.currentRunId === null ? [] : [row.currentRunId]));
  if (ids.length === 0) return new Map();
  const runs = await db.prisma.run.findMany({
    where: { id: { in: ids } },
    select: { id: true, status: true, waits: { select: { key: true, deadline: true, keeps: true } } },
  });
  return new Map(
    runs.map((run) => [
      idOf(run.id),
      {
        id: idOf(run.id),
        status: run.status,
        wait: run.waits === null ? null : { key: run.waits.key, deadline: run.waits.deadline.toISOString(), keeps: run.waits.keeps },
      },
    ]),
  );
}

function viewNodeRole(row: Row, runs: Map<number, CurrentRun>): NodeRole {
  return {
    id: row.id,
    name: nodeRoleName(row.role.name, row.node.name),
    deployment: row.deployment,
    role: { id: row.role.id, name: row.role.name },
    node: row.node,
    state: row.state,
    state_code: NODE_ROLE_STATE_CODES[row.state],
    cohort: row.cohort,
    version: row.version,
    pending_parents: row.pendingParents,
    failures: row.failures,
    not_before: timeOrNull(row.notBefore),
    error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? '' },
    blocked_by: row.blockedBy,
    run: row.currentRunId === null ? null : (runs.get(idOf(row.currentRunId)) ?? null),
    proposed_data: dataOrNull(row.role.attribs, row.proposedData),
    committed_data: dataOf(row.role.attribs, row.committedData),
    sysdata: dataOf(row.role.attribs, row.sysdata),
    wall: dataOf(row.role.attribs, row.wall),
    parents: row.parents.map((edge) => viewNeighbour(edge.parent)),
    children: row.children.map((edge) => viewNeighbour(edge.child)),
    changed_at: row.changedAt.toISOString(),
  };
}

function viewNeighbour(row: NeighbourRow): NodeRole['parents'][number] {
  return { id: row.id, name: nodeRoleName(row.role.name, row.node.name), state: row.state };
}
