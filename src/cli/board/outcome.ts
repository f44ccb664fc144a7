/** Whether what the board waits for has come, and how a node's fortune changed. PURE. */
import type { BoardCell, BoardState } from './model.js';
import type { BoardRow } from './rows.js';
import { isDone } from './rows.js';

/** `going`: something may still move. `active`: all is ACTIVE. `stuck`: something is in ERROR and nothing else can move. */
export type Verdict = 'going' | 'active' | 'stuck';

/** How many machines have noderoles in the deployment; the admin node is none. */
export function boundMachines(state: BoardState): number {
  const bound = new Set([...state.cells.values()].map((cell) => cell.nodeId));
  return [...bound].filter((id) => state.nodes.get(id)?.kind === 'machine').length;
}

/**
 * Judges the deployment. `expectNodes` is how many machines must have noderoles in it before it can be done. A deployment that does not
 * exist, is not committed or is empty is still going: someone is about to fill it.
 */
export function judge(state: BoardState, expectNodes: number): Verdict {
  if (state.deployment === null || !state.deployment.committed || state.cells.size === 0) return 'going';
  const cells = [...state.cells.values()];
  if (cells.every((cell) => cell.state === 'ACTIVE')) {
    return boundMachines(state) >= expectNodes ? 'active' : 'going';
  }
  const movable = cells.some((cell) => cell.state === 'TODO' || cell.state === 'TRANSITION');
  const failed = cells.some((cell) => cell.state === 'ERROR');
  return failed && !movable ? 'stuck' : 'going';
}

/** The noderoles that are not ACTIVE, those that explain most first: in error, then running, ready, blocked, proposed. */
export function unfinished(state: BoardState): BoardCell[] {
  const order = ['ERROR', 'TRANSITION', 'TODO', 'BLOCKED', 'PROPOSED'];
  return [...state.cells.values()].filter((cell) => cell.state !== 'ACTIVE').sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.id - b.id);
}

/** `<role>@<node>`, as the API addresses a noderole; its id when a part is not known. */
export function cellName(state: BoardState, cell: BoardCell): string {
  const role = state.roles.find((one) => one.id === cell.roleId)?.name;
  const node = state.nodes.get(cell.nodeId)?.name;
  return role === undefined || node === undefined ? String(cell.id) : `${role}@${node}`;
}

/** A node that has just become all ACTIVE, or has just got its first noderole in ERROR. */
export type Milestone = { row: BoardRow; reached: 'ACTIVE' | 'ERROR' };

/** What a node has reached, or undefined while it is on its way. */
export function reachedBy(row: BoardRow): Milestone['reached'] | undefined {
  if (row.counts.ERROR > 0) return 'ERROR';
  return isDone(row) ? 'ACTIVE' : undefined;
}

/** Nodes whose `reachedBy` is new against what was `told` before; a node that was set back and comes again is told again. */
export function newMilestones(rows: readonly BoardRow[], told: ReadonlyMap<number, string>): Milestone[] {
  return rows.flatMap((row): Milestone[] => {
    const reached = reachedBy(row);
    return reached === undefined || told.get(row.id) === reached ? [] : [{ row, reached }];
  });
}
