/**
 * The live board: what the fleet is doing, one line per node. Read it in the order model (API answers and events -> what is
 * known), rows (what is known -> what to show), render (rows -> text), outcome (is it over), live (the loop and the terminal).
 *
 * All but live are PURE. The board only looks: it must never change anything through the API. It is level-triggered: a snapshot replaces
 * what was known, events only make it fresh between two snapshots, so a lost or doubled event does no harm.
 */
import type { ApiEvent } from '../../client/client.js';
import type { Matrix, Node, NodeRoleState } from '../answers.js';
import { isState } from '../terminal/states.js';

/** What the board reads of a node. */
export type BoardNode = Pick<Node, 'id' | 'name' | 'kind' | 'alive' | 'desired' | 'served' | 'observed'>;

/** A noderole on the board: which node, which role, and its state as of `version`. */
export type BoardCell = {
  id: number;
  nodeId: number;
  roleId: number;
  state: NodeRoleState;
  version: number;
};

export type BoardRole = { id: number; name: string; cohort: number };

export type BoardDeployment = { id: number; name: string; committed: boolean };

/** Everything known at one moment. Never changed in place. */
export type BoardState = {
  nodes: ReadonlyMap<number, BoardNode>;
  roles: readonly BoardRole[];
  cells: ReadonlyMap<number, BoardCell>;
  deployment: BoardDeployment | null;
};

/** Before the server has answered for the first time. */
export const EMPTY_BOARD: BoardState = {
  nodes: new Map(),
  roles: [],
  cells: new Map(),
  deployment: null,
};

/** Answers of the API taken together. `matrix` is null while the deployment does not exist. */
export type Snapshot = {
  nodes: readonly BoardNode[];
  matrix: Pick<Matrix, 'deployment' | 'roles' | 'cells'> | null;
};

/**
 * What is known after a snapshot. An event may have overtaken it: a cell whose known version is higher keeps its state, a node
 * whose known phase is younger keeps its phase.
 */
export function withSnapshot(state: BoardState, snapshot: Snapshot): BoardState {
  const nodes = new Map(snapshot.nodes.map((node) => [node.id, newerPhase(node, state.nodes.get(node.id))] as const));
  if (snapshot.matrix === null) return { nodes, roles: [], cells: new Map(), deployment: null };
  const { deployment, roles, cells } = snapshot.matrix;
  const known = cells.map((cell): BoardCell => {
    const fresh = {
      id: cell.id,
      nodeId: cell.node_id,
      roleId: cell.role_id,
      state: cell.state,
      version: cell.version,
    };
    const before = state.cells.get(cell.id);
    return before !== undefined && before.version > fresh.version ? { ...fresh, state: before.state, version: before.version } : fresh;
  });
  return {
    nodes,
    roles: [...roles].sort((a, b) => a.cohort - b.cohort || a.id - b.id),
    cells: new Map(known.map((cell) => [cell.id, cell])),
    deployment: {
      id: deployment.id,
      name: deployment.name,
      committed: deployment.committed_at !== null,
    },
  };
}

function newerPhase(node: BoardNode, before: BoardNode | undefined): BoardNode {
  if (before === undefined || (before.observed.phase_at ?? '') <= (node.observed.phase_at ?? '')) return node;
  const { phase, phase_detail, phase_at } = before.observed;
  return { ...node, observed: { ...node.observed, phase, phase_detail, phase_at } };
}

/** What a batch of events made of the board, and whether it can no longer be told without a new snapshot. */
export type Applied = { state: BoardState; stale: boolean };

const STALE_KINDS = new Set(['node-created', 'node-changed', 'node-deleted', 'deployment-created', 'deployment-changed', 'deployment-committed']);

/** Applies events in their order. Those about things the board does not know, and those that carry no values, make it stale. */
export function applyEvents(state: BoardState, events: readonly ApiEvent[]): Applied {
  const cells = new Map(state.cells);
  const nodes = new Map(state.nodes);
  let stale = false;
  for (const event of events) {
    if (event.type === 'reset' || STALE_KINDS.has(event.kind)) {
      stale = true;
    } else if (event.kind === 'noderole-changed') {
      const cell = cells.get(event.subject_id);
      const to = event.data.to;
      if (cell === undefined) stale ||= state.deployment === null || event.data.deployment_id === state.deployment.id;
      else if (isState(to) && event.version > cell.version) cells.set(cell.id, { ...cell, state: to, version: event.version });
    } else if (event.kind === 'boot-phase') {
      const node = nodes.get(event.subject_id);
      const { phase, detail } = event.data;
      if (node === undefined) stale = true;
      else if (typeof phase === 'string' && event.at >= (node.observed.phase_at ?? '')) {
        nodes.set(node.id, {
          ...node,
          observed: {
            ...node.observed,
            phase,
            phase_detail: detailText(detail),
            phase_at: event.at,
          },
        });
      }
    }
  }
  return { state: { ...state, cells, nodes }, stale };
}

/** The detail of a phase is text, or an object whose values say it. */
function detailText(detail: unknown): string {
  if (typeof detail === 'string') return detail;
  if (typeof detail !== 'object' || detail === null) return '';
  return Object.values(detail)
    .filter((value) => typeof value === 'string' || typeof value === 'number')
    .join(' ');
}
