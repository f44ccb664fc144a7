/** What the board shows of what is known. PURE. */
import { compareNames } from '../../shared/names.js';
import type { NodeRoleState, StateCounts } from '../answers.js';
import { STATES } from '../terminal/states.js';
import type { BoardCell, BoardNode, BoardState } from './model.js';

/** How far the desired boot environment has come: not yet served by every boot server, served, or running on the machine. */
export type BootMark = 'unserved' | 'served' | 'booted';

/** One node as the board shows it. */
export type BoardRow = {
  id: number;
  name: string;
  alive: boolean;
  phase: string;
  phaseDetail: string;
  /** When it entered the phase, milliseconds of the epoch; 0 when unknown. */
  phaseAt: number;
  bootenv: string;
  mark: BootMark;
  /** One per role of the deployment, in the order of the roles; null where the role is not bound to this node. */
  cells: readonly (NodeRoleState | null)[];
  counts: StateCounts;
  total: number;
};

export type RoleProgress = { name: string; counts: StateCounts; total: number };

/** Sums over everything on the board. */
export type BoardTotals = {
  nodes: number;
  alive: number;
  done: number;
  counts: StateCounts;
  noderoles: number;
};

export function noCounts(): StateCounts {
  return { PROPOSED: 0, BLOCKED: 0, TODO: 0, TRANSITION: 0, ACTIVE: 0, ERROR: 0 };
}

function countStates(states: Iterable<NodeRoleState>): StateCounts {
  const counts = noCounts();
  for (const state of states) counts[state] += 1;
  return counts;
}

function markOf(node: BoardNode): BootMark {
  const { desired, served, observed } = node;
  if (!served.served || served.generation < desired.generation) return 'unserved';
  // An installed system is what `local` boots; it need not know that name for itself.
  const runsIt = observed.bootenv === desired.bootenv || (desired.bootenv === 'local' && observed.class === 'installed');
  return runsIt && node.alive ? 'booted' : 'served';
}

function byName(a: { name: string }, b: { name: string }): number {
  return compareNames(a.name, b.name);
}

function cellsByNode(state: BoardState): Map<number, BoardCell[]> {
  const byNode = new Map<number, BoardCell[]>();
  for (const cell of state.cells.values()) {
    const list = byNode.get(cell.nodeId);
    if (list === undefined) byNode.set(cell.nodeId, [cell]);
    else list.push(cell);
  }
  return byNode;
}

/** A line for each machine, and for each other node that has a noderole in the deployment; by name, numbers in them as numbers. */
export function boardRows(state: BoardState): BoardRow[] {
  const byNode = cellsByNode(state);
  const place = new Map(state.roles.map((role, index) => [role.id, index]));
  return [...state.nodes.values()]
    .filter((node) => node.kind === 'machine' || byNode.has(node.id))
    .sort(byName)
    .map((node) => {
      const own = byNode.get(node.id) ?? [];
      const cells: (NodeRoleState | null)[] = state.roles.map(() => null);
      for (const cell of own) {
        const index = place.get(cell.roleId);
        if (index !== undefined) cells[index] = cell.state;
      }
      const { phase, phase_detail: phaseDetail, phase_at: phaseAt } = node.observed;
      return {
        id: node.id,
        name: node.name,
        alive: node.alive,
        phase,
        phaseDetail,
        phaseAt: phaseAt === null ? 0 : Date.parse(phaseAt),
        bootenv: node.desired.bootenv,
        mark: markOf(node),
        cells,
        counts: countStates(own.map((cell) => cell.state)),
        total: own.length,
      };
    });
}

/** Whether everything bound to the node is ACTIVE, and something is bound at all. */
export function isDone(row: BoardRow): boolean {
  return row.total > 0 && row.counts.ACTIVE === row.total;
}

/** The roles of the deployment, in cohort order, with how far each has come over all nodes. */
export function roleProgress(state: BoardState): RoleProgress[] {
  const progress = new Map(state.roles.map((role) => [role.id, { name: role.name, counts: noCounts(), total: 0 }]));
  for (const cell of state.cells.values()) {
    const role = progress.get(cell.roleId);
    if (role === undefined) continue;
    role.counts[cell.state] += 1;
    role.total += 1;
  }
  return [...progress.values()];
}

/** Sums over the rows. */
export function boardTotals(rows: readonly BoardRow[]): BoardTotals {
  const counts = noCounts();
  for (const row of rows) {
    for (const state of STATES) counts[state] += row.counts[state];
  }
  const noderoles = rows.reduce((sum, row) => sum + row.total, 0);
  return {
    nodes: rows.length,
    alive: rows.filter((row) => row.alive).length,
    done: rows.filter(isDone).length,
    counts,
    noderoles,
  };
}

function slownessOrder(a: BoardRow, b: BoardRow): number {
  const failing = Number(b.counts.ERROR > 0) - Number(a.counts.ERROR > 0);
  const done = Number(isDone(a)) - Number(isDone(b));
  const share = (row: BoardRow) => (row.total === 0 ? 0 : row.counts.ACTIVE / row.total);
  return failing || done || share(a) - share(b) || a.phaseAt - b.phaseAt || byName(a, b);
}

/** A line stays while its node is among this many times as many slowest nodes as there are lines. */
const STAYING = 3;

/**
 * The nodes worth a line when not all fit: those in error, then those furthest behind. What was `shown` before and is not
 * far ahead of the slowest stays, and the answer is ordered by name, so that lines do not jump about while the fleet moves.
 */
export function chooseRows(rows: readonly BoardRow[], limit: number, shown: ReadonlySet<number>): BoardRow[] {
  const ordered = [...rows].sort(slownessOrder);
  const failing = ordered.filter((row) => row.counts.ERROR > 0);
  const staying = ordered.slice(0, limit * STAYING).filter((row) => shown.has(row.id) && !isDone(row));
  const chosen = new Set([...failing, ...staying, ...ordered]);
  return [...chosen].slice(0, Math.max(0, limit)).sort(byName);
}
