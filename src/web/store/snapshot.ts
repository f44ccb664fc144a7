/**
 * Puts what was read from the API on the board. An answer may be older than the events that came meanwhile: where versions
 * say so, the board's own truth wins.
 */
import {
  withMatrixNode,
  type Board,
  type Cell,
  type CellRun,
  type DeploymentHead,
  type FleetNode,
  type Matrix,
  type MatrixNode,
  type MatrixRole,
} from './board.js';
import { shortNames } from './names.js';
import type { State, StateCounts } from './states.js';
import { byName, timeOf } from './words.js';

/** What this file reads of the API's node. Structural, so that the store knows nothing of the client. */
export interface WireNode {
  readonly id: number;
  readonly name: string;
  readonly kind: string;
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

function fleetNode(node: WireNode, shortName: string): FleetNode {
  return {
    id: node.id,
    name: node.name,
    shortName,
    kind: node.kind,
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
  const short = shortNames(nodes.map((node) => node.name));
  for (const wire of [...nodes].sort((a, b) => byName(a.name, b.name))) {
    fleet.set(wire.id, kept(board.fleet?.get(wire.id), fleetNode(wire, short.get(wire.name) ?? wire.name)));
  }
  return { ...board, fleet };
}

/** Single nodes were read again: their values go into the fleet and into the matrix. */
export function withNodes(board: Board, nodes: readonly WireNode[]): Board {
  let { fleet, matrix } = board;
  let isNew = false;
  for (const wire of nodes) {
    if (fleet !== null) {
      const old = fleet.get(wire.id);
      isNew ||= old === undefined;
      fleet = new Map(fleet).set(wire.id, fleetNode(wire, old?.name === wire.name ? old.shortName : wire.name));
    }
    if (matrix !== null) matrix = withMatrixNode(matrix, wire.id, matrixPart(wire));
  }
  if (fleet !== null && isNew) fleet = named(fleet);
  return { ...board, fleet, matrix };
}

/**
 * A whole deployment was read at `now`. A node whose time of phase is not told has been in its phase at least since we first
 * saw it there: enough to notice a boot that stops while someone looks.
 */
export function withMatrix(board: Board, wire: WireMatrix, now: number): Board {
  const seen = board.matrix?.deploymentId === wire.deployment.id ? board.matrix : null;
  const before = new Map(seen?.nodes.map((node) => [node.id, node]));
  const short = shortNames(wire.nodes.map((node) => node.name));
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
        return { id, name, shortName: short.get(name) ?? name, alive, phase, bootenv, phaseAt: timeOf(phase_at) ?? (old?.phase === phase ? old.phaseAt : now) };
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

function placesOf(cells: ReadonlyMap<number, Cell>): Map<number, Map<number, number>> {
  const at = new Map<number, Map<number, number>>();
  for (const cell of cells.values()) {
    const row = at.get(cell.nodeId) ?? new Map<number, number>();
    at.set(cell.nodeId, row.set(cell.roleId, cell.id));
  }
  return at;
}

function matrixPart(wire: WireNode): Partial<MatrixNode> {
  const { alive, desired, observed } = wire;
  return { alive, phase: observed.phase, phaseAt: timeOf(observed.phase_at), bootenv: desired.bootenv };
}

/** In order, and with short names that take the newcomers into account. */
function named(fleet: ReadonlyMap<number, FleetNode>): Map<number, FleetNode> {
  const short = shortNames([...fleet.values()].map((node) => node.name));
  const sorted = [...fleet.values()].sort((a, b) => byName(a.name, b.name));
  return new Map(sorted.map((node) => [node.id, kept(node, { ...node, shortName: short.get(node.name) ?? node.name })]));
}

function kept(old: FleetNode | undefined, next: FleetNode): FleetNode {
  return old !== undefined && JSON.stringify(old) === JSON.stringify(next) ? old : next;
}
