/** What the pages ask of the board: which nodes pass the filter, totals by state. Pure. */
import type { FleetNode, Matrix, MatrixNode } from './board.js';
import { silentSeconds } from './phases.js';
import { NO_COUNTS, type State, type StateCounts } from './states.js';

export interface Filter {
  /** Part of a name, phase, bootenv or address; '' for all. */
  readonly text: string;
  /** Only nodes with a noderole in this state. */
  readonly state: State | null;
}

export const NO_FILTER: Filter = { text: '', state: null };

export function matrixTotals(matrix: Matrix): StateCounts {
  const totals = { ...NO_COUNTS };
  for (const cell of matrix.cells.values()) totals[cell.state] += 1;
  return totals;
}

export function fleetTotals(nodes: Iterable<FleetNode>): StateCounts {
  const totals = { ...NO_COUNTS };
  for (const { counts } of nodes) {
    totals.ACTIVE += counts.ACTIVE;
    totals.TRANSITION += counts.TRANSITION;
    totals.TODO += counts.TODO;
    totals.BLOCKED += counts.BLOCKED;
    totals.PROPOSED += counts.PROPOSED;
    totals.ERROR += counts.ERROR;
  }
  return totals;
}

export function filterMatrixNodes(matrix: Matrix, filter: Filter): readonly MatrixNode[] {
  if (filter.text === '' && filter.state === null) return matrix.nodes;
  const inState = filter.state === null ? null : nodesInState(matrix, filter.state);
  return matrix.nodes.filter((node) => (inState === null || inState.has(node.id)) && hasText([node.name, node.phase, node.bootenv], filter.text));
}

export function filterFleet(fleet: ReadonlyMap<number, FleetNode>, filter: Filter): readonly FleetNode[] {
  const nodes = [...fleet.values()];
  if (filter.text === '' && filter.state === null) return nodes;
  return nodes.filter(
    (node) =>
      (filter.state === null || node.counts[filter.state] > 0) &&
      hasText([node.name, node.phase, node.desired, node.address ?? '', node.deployment], filter.text),
  );
}

/** Nodes whose boot has been silent for longer than its phase should take: the first thing to look at. */
export function countSilent(nodes: Iterable<{ readonly phase: string; readonly phaseAt: number | null }>, now: number): number {
  let silent = 0;
  for (const node of nodes) if (silentSeconds(node.phase, node.phaseAt, now) !== null) silent += 1;
  return silent;
}

function nodesInState(matrix: Matrix, state: State): Set<number> {
  const nodes = new Set<number>();
  for (const cell of matrix.cells.values()) if (cell.state === state) nodes.add(cell.nodeId);
  return nodes;
}

function hasText(fields: readonly string[], text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return wanted === '' || fields.some((field) => field.toLowerCase().includes(wanted));
}
