/**
 * The view model: what the server last told us, as the pages draw it. Snapshots replace parts of it (this file), events move
 * it on (apply.ts). Plain immutable data: what did not change keeps its identity, so that components can skip it.
 *
 * The fleet (every node, read by the fleet page) and the matrix (one deployment) are held apart, because either is big and
 * only one is on the screen; an event is applied to both.
 */
import type { State, StateCounts } from './states.js';
import { byName, timeOf } from './words.js';

export interface FleetNode {
  readonly id: number;
  readonly name: string;
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

/** What this file reads of the API's node. Structural, so that the store knows nothing of the client. */
export interface WireNode {
  readonly id: number;
  readonly name: string;
  readonly deployment: { readonly name: string };
  readonly alive: boolean;
  readonly available: boolean;
  readonly desired: { readonly bootenv: string };
  readonly served: { readonly served: boolean };
  readonly observed: {
    readonly bootenv: string | null;
    readonly phase: string;
    readonly phase_detail: string;
    readonly phase_at: string | null;
    readonly address: string | null;
  };
  readonly noderoles: StateCounts;
}

export interface WireMatrix {
  readonly deployment: { readonly id: number; readonly name: string };
  readonly roles: readonly MatrixRole[];
  readonly nodes: readonly { id: number; name: string; alive: boolean; phase: string; bootenv: string; phase_at?: string | null | undefined }[];
  readonly cells: readonly { id: number; node_id: number; role_id: number; state: State; version: number; run: CellRun | null }[];
}

export function fleetNode(node: WireNode): FleetNode {
  return {
    id: node.id,
    name: node.name,
    deployment: node.deployment.name,
    alive: node.alive,
    available: node.available,
    desired: node.desired.bootenv,
    served: node.served.served,
    observed: node.observed.bootenv,
    phase: node.observed.phase,
    phaseDetail: node.observed.phase_detail,
    phaseAt: timeOf(node.observed.phase_at),
    address: node.observed.address,
    counts: node.noderoles,
  };
}

/** A whole list of nodes was read. What is as it was keeps its identity. */
export function withFleet(board: Board, nodes: readonly WireNode[]): Board {
  const fleet = new Map<number, FleetNode>();
  for (const wire of [...nodes].sort((a, b) => byName(a.name, b.name))) {
    fleet.set(wire.id, kept(board.fleet?.get(wire.id), fleetNode(wire)));
  }
  return { ...board, fleet };
}

/** Single nodes were read again: their values go into the fleet and into the matrix. */
export function withNodes(board: Board, nodes: readonly WireNode[]): Board {
  let { fleet, matrix } = board;
  let isNew = false;
  for (const wire of nodes) {
    if (fleet !== null) {
      isNew ||= !fleet.has(wire.id);
      fleet = new Map(fleet).set(wire.id, fleetNode(wire));
    }
    if (matrix !== null) matrix = withMatrixNode(matrix, wire.id, matrixPart(wire));
  }
  if (fleet !== null && isNew) fleet = new Map([...fleet].sort(([, a], [, b]) => byName(a.name, b.name)));
  return { ...board, fleet, matrix };
}

/**
 * A whole deployment was read at `now`. A node whose time of phase is not told has been in its phase at least since we first
 * saw it there: enough to notice a boot that stops while someone looks.
 */
export function withMatrix(board: Board, wire: WireMatrix, now: number): Board {
  const seen = board.matrix?.deploymentId === wire.deployment.id ? board.matrix : null;
  const before = new Map(seen?.nodes.map((node) => [node.id, node]));
  const cells = new Map<number, Cell>();
  for (const { id, node_id, role_id, state, version, run } of wire.cells) {
    const old = seen?.cells.get(id);
    // An event may have overtaken the snapshot: the higher version is the later truth.
    const isNewer = old !== undefined && old.version > version;
    cells.set(id, isNewer ? old : { id, nodeId: node_id, roleId: role_id, state, version, run, moved: false });
  }
  const matrix: Matrix = {
    deploymentId: wire.deployment.id,
    deployment: wire.deployment.name,
    roles: [...wire.roles].sort((a, b) => a.cohort - b.cohort || a.id - b.id),
    nodes: wire.nodes
      .map(({ id, name, alive, phase, bootenv, phase_at }) => {
        const old = before.get(id);
        return { id, name, alive, phase, bootenv, phaseAt: timeOf(phase_at) ?? (old?.phase === phase ? old.phaseAt : now) };
      })
      .sort((a, b) => byName(a.name, b.name)),
    cells,
    at: placesOf(cells),
  };
  return { ...board, matrix };
}

export function withDeployments(board: Board, deployments: readonly DeploymentHead[]): Board {
  const sorted = [...deployments].sort((a, b) => Number(a.system) - Number(b.system) || byName(a.name, b.name));
  return { ...board, deployments: sorted };
}

export function withMatrixNode(matrix: Matrix, id: number, patch: Partial<MatrixNode>): Matrix {
  const index = matrix.nodes.findIndex((node) => node.id === id);
  const node = matrix.nodes[index];
  return node === undefined ? matrix : { ...matrix, nodes: matrix.nodes.with(index, { ...node, ...patch }) };
}

export function placesOf(cells: ReadonlyMap<number, Cell>): Map<number, Map<number, number>> {
  const at = new Map<number, Map<number, number>>();
  for (const cell of cells.values()) {
    const row = at.get(cell.nodeId) ?? new Map<number, number>();
    at.set(cell.nodeId, row.set(cell.roleId, cell.id));
  }
  return at;
}

function matrixPart(wire: WireNode): Partial<MatrixNode> {
  const { name, alive, desired, observed } = wire;
  return { name, alive, phase: observed.phase, phaseAt: timeOf(observed.phase_at), bootenv: desired.bootenv };
}

function kept(old: FleetNode | undefined, next: FleetNode): FleetNode {
  return old !== undefined && JSON.stringify(old) === JSON.stringify(next) ? old : next;
}
