/**
 * The view model: what the server last told us, as the pages draw it. Snapshots replace parts of it (snapshot.ts), events
 * move it on (apply.ts). Plain immutable data: what did not change keeps its identity, so that components can skip it.
 *
 * The fleet (every node, read by the fleet page) and the matrix (one deployment) are held apart, because either is big and
 * only one is on the screen; an event is applied to both.
 */
import type { State, StateCounts } from './states.js';

export interface FleetNode {
  readonly id: number;
  readonly name: string;
  /** The name as it fits on a tile. */
  readonly shortName: string;
  /** machine, admin or phantom: only a machine boots from us. */
  readonly kind: string;
  readonly deployment: string;
  readonly alive: boolean;
  readonly available: boolean;
  readonly desired: string;
  /** Every boot server answers what is desired. */
  readonly served: boolean;
  readonly observed: string | null;
  readonly phase: string;
  readonly phaseDetail: string;
  readonly phaseAt: number | null;
  readonly address: string | null;
  readonly counts: StateCounts;
}

export interface MatrixNode {
  readonly id: number;
  readonly name: string;
  readonly shortName: string;
  readonly alive: boolean;
  readonly phase: string;
  readonly phaseAt: number | null;
  readonly bootenv: string;
}

export interface CellRun {
  readonly id: number;
  readonly status: string;
  readonly wait_key: string | null;
}

export interface Cell {
  readonly id: number;
  readonly nodeId: number;
  readonly roleId: number;
  readonly state: State;
  readonly version: number;
  readonly run: CellRun | null;
  /** Changed by an event since the matrix was read: draws the short flash. */
  readonly moved: boolean;
}

export interface MatrixRole {
  readonly id: number;
  readonly name: string;
  readonly cohort: number;
}

export interface Matrix {
  readonly deploymentId: number;
  readonly deployment: string;
  /** In cohort order: a role stands right of what it needs. */
  readonly roles: readonly MatrixRole[];
  /** In natural order of names. */
  readonly nodes: readonly MatrixNode[];
  /** By noderole id. */
  readonly cells: ReadonlyMap<number, Cell>;
  /** Noderole id by node id, then role id. */
  readonly at: ReadonlyMap<number, ReadonlyMap<number, number>>;
}

export interface DeploymentHead {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly system: boolean;
  readonly paused: boolean;
  readonly revision: number;
  readonly counts: StateCounts;
  readonly nodes: number;
}

/** Something a human should read, from `alarm` and `token-refused`. */
export interface Notice {
  readonly key: string;
  readonly at: number | null;
  readonly text: string;
  readonly nodeId: number | null;
}

/** What events said has changed without saying how. The live feed takes it away before it reads, so that what turns stale meanwhile is read once more. */
export interface Stale {
  readonly nodes: ReadonlySet<number>;
  readonly matrix: boolean;
  readonly deployments: boolean;
}

export interface Board {
  readonly deployments: readonly DeploymentHead[] | null;
  readonly fleet: ReadonlyMap<number, FleetNode> | null;
  readonly matrix: Matrix | null;
  readonly notices: readonly Notice[];
  readonly stale: Stale;
}

export const NOTHING_STALE: Stale = { nodes: new Set(), matrix: false, deployments: false };

export const EMPTY_BOARD: Board = { deployments: null, fleet: null, matrix: null, notices: [], stale: NOTHING_STALE };

export function withMatrixNode(matrix: Matrix, id: number, patch: Partial<MatrixNode>): Matrix {
  const index = matrix.nodes.findIndex((node) => node.id === id);
  const node = matrix.nodes[index];
  return node === undefined ? matrix : { ...matrix, nodes: matrix.nodes.with(index, { ...node, ...patch }) };
}
