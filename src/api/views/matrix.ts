/** The deployment as a matrix of roles by nodes, in one statement: the page that hundreds of nodes fill. */
import type { Db } from '../../db/client.js';
import { formatCursor, WHOLE_BATCH } from '../../events/cursor.js';
import type { EventFeed } from '../../events/feed.js';
import { currentPosition } from '../../events/read.js';
import type { Matrix, NodeRoleState, RunStatus } from '../schemas.js';
import { readDeployment } from './deployment.js';
import { timeOrNull } from './json.js';

type Row = {
  id: number;
  node_id: number;
  node: string;
  alive: boolean;
  bootenv: string;
  phase: string | null;
  phase_at: Date | null;
  role_id: number;
  role: string;
  cohort: number;
  state: NodeRoleState;
  version: number;
  run_id: number | null;
  run_status: RunStatus | null;
  wait_key: string | null;
};

/**
 * The picture and its position. The position is read first: what is committed later may be in the picture already and
 * comes again as an event, whose version tells that it is old. Uses node_roles_deployment_id_state_idx.
 */
export async function readMatrix({ db, feed }: { db: Db; feed: EventFeed }, deploymentId: number): Promise<Matrix> {
  const pos = formatCursor({ epoch: feed.epoch(), pos: await currentPosition(db.pool), n: WHOLE_BATCH });
  const deployment = await readDeployment(db, deploymentId);
  const { rows } = await db.pool.query<Row>(
    `SELECT nr.id, nr.node_id, n.name AS node, n.alive, n.bootenv, s.phase, s.phase_at, nr.role_id, r.name AS role, nr.cohort, nr.state, nr.version,
            run.id AS run_id, run.status AS run_status, w.key AS wait_key
       FROM node_roles nr
       JOIN nodes n ON n.id = nr.node_id
       JOIN roles r ON r.id = nr.role_id
       LEFT JOIN node_status s ON s.node_id = nr.node_id
       LEFT JOIN runs run ON run.id = nr.current_run_id
       LEFT JOIN waits w ON w.run_id = run.id
      WHERE nr.deployment_id = $1
      ORDER BY nr.id`,
    [deploymentId],
  );
  const members = await db.prisma.node.findMany({
    where: { deploymentId },
    orderBy: { id: 'asc' },
    select: { id: true, name: true, alive: true, bootenv: true, status: { select: { phase: true, phaseAt: true } } },
  });
  const nodes = new Map(
    members.map((node) => [
      node.id,
      {
        id: node.id,
        name: node.name,
        alive: node.alive,
        phase: node.status?.phase ?? 'unseen',
        phase_at: timeOrNull(node.status?.phaseAt ?? null),
        bootenv: node.bootenv,
      },
    ]),
  );
  const roles = new Map<number, { id: number; name: string; cohort: number }>();
  for (const row of rows) {
    nodes.set(row.node_id, {
      id: row.node_id,
      name: row.node,
      alive: row.alive,
      phase: row.phase ?? 'unseen',
      phase_at: timeOrNull(row.phase_at),
      bootenv: row.bootenv,
    });
    const cohort = Math.max(row.cohort, roles.get(row.role_id)?.cohort ?? 0);
    roles.set(row.role_id, { id: row.role_id, name: row.role, cohort });
  }
  return {
    deployment,
    roles: [...roles.values()].toSorted((a, b) => a.cohort - b.cohort || a.id - b.id),
    nodes: [...nodes.values()].toSorted((a, b) => a.id - b.id),
    cells: rows.map(viewCell),
    pos,
  };
}

function viewCell(row: Row): Matrix['cells'][number] {
  const run = row.run_id === null || row.run_status === null ? null : { id: row.run_id, status: row.run_status, wait_key: row.wait_key };
  return { id: row.id, node_id: row.node_id, role_id: row.role_id, state: row.state, version: row.version, run };
}
