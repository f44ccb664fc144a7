/**
 * Moves the board on by a batch of events. Pure, and safe to repeat: an event about a noderole carries its version, and one
 * that is not newer than what we hold changes nothing, so snapshot and stream may overlap.
 * Where an event says only that something changed, the board notes what to read again (`stale`); this file never guesses.
 */
import { withMatrixNode, type Board, type Cell, type FleetNode, type Matrix, type Notice } from './board.js';
import { isState, moveCount } from './states.js';
import { timeOf } from './words.js';

/** What this file reads of an event of the stream. */
export interface BoardEvent {
  readonly id: string;
  readonly kind: string;
  readonly subject_id: number;
  readonly version: number;
  readonly at: string;
  readonly data: { readonly [field: string]: unknown };
}

/** Enough to see what went wrong lately; the server keeps all of it. */
const NOTICES_KEPT = 20;

/** Copies of the big maps that one batch may write to: copied at most once per batch. */
interface Draft {
  board: Board;
  cells: Map<number, Cell> | null;
  fleet: Map<number, FleetNode> | null;
  staleNodes: Set<number>;
}

export function applyEvents(board: Board, events: readonly BoardEvent[]): Board {
  const draft: Draft = { board, cells: null, fleet: null, staleNodes: new Set(board.stale.nodes) };
  for (const event of events) applyEvent(draft, event);
  let { matrix, fleet, stale } = draft.board;
  if (matrix !== null && draft.cells !== null) matrix = { ...matrix, cells: draft.cells };
  if (draft.fleet !== null) fleet = draft.fleet;
  if (draft.staleNodes.size !== stale.nodes.size) stale = { ...stale, nodes: draft.staleNodes };
  return { ...draft.board, matrix, fleet, stale };
}

function applyEvent(draft: Draft, event: BoardEvent): void {
  switch (event.kind) {
    case 'noderole-changed':
      return noderoleChanged(draft, event);
    case 'run-started':
      return runMoved(draft, event, 'RUNNING');
    case 'run-waiting':
      return runMoved(draft, event, 'WAITING');
    case 'run-ended':
      return runMoved(draft, event, null);
    case 'boot-phase':
      return bootPhase(draft, event);
    case 'node-created':
      if (draft.board.fleet !== null) draft.staleNodes.add(event.subject_id);
      return markStale(draft, { deployments: true });
    case 'node-changed':
      draft.staleNodes.add(event.subject_id);
      if (namesDeployment(event)) markStale(draft, { matrix: true, deployments: true });
      return;
    case 'install-changed':
      if (typeof event.data['node_id'] === 'number') draft.staleNodes.add(event.data['node_id']);
      return;
    case 'node-deleted':
      return nodeDeleted(draft, event);
    case 'deployment-created':
    case 'deployment-changed':
    case 'deployment-deleted':
    case 'deployment-committed':
      markStale(draft, { deployments: true, matrix: draft.board.matrix?.deploymentId === event.subject_id });
      return;
    case 'alarm':
    case 'token-refused':
      return note(draft, event);
  }
}

function noderoleChanged(draft: Draft, event: BoardEvent): void {
  const { from, to, node_id: nodeId, deployment_id: deploymentId } = event.data;
  const matrix = draft.board.matrix;
  markStale(draft, { deployments: true });
  if (matrix !== null && matrix.deploymentId === deploymentId) {
    const cells = draft.cells ?? matrix.cells;
    const cell = cells.get(event.subject_id);
    if (cell === undefined || !isState(to)) markStale(draft, { matrix: true });
    else if (event.version > cell.version) {
      const run = to === 'TRANSITION' ? cell.run : null;
      writeCells(draft, matrix).set(cell.id, { ...cell, state: to, version: event.version, run, moved: true });
    }
  }
  const node = typeof nodeId === 'number' ? (draft.fleet ?? draft.board.fleet)?.get(nodeId) : undefined;
  if (node === undefined) return;
  const counts = moveCount(node.counts, isState(from) ? from : null, isState(to) ? to : null);
  writeFleet(draft).set(node.id, { ...node, counts });
}

/** `status` null: the run ended. A run older than the one the cell shows is history. */
function runMoved(draft: Draft, event: BoardEvent, status: string | null): void {
  const matrix = draft.board.matrix;
  const id = event.data['noderole_id'];
  if (matrix === null || typeof id !== 'number') return;
  const cell = (draft.cells ?? matrix.cells).get(id);
  if (cell === undefined || (cell.run !== null && cell.run.id > event.subject_id)) return;
  const key = event.data['key'] ?? event.data['wait_key'];
  const run = status === null ? null : { id: event.subject_id, status, wait_key: typeof key === 'string' ? key : null };
  writeCells(draft, matrix).set(cell.id, { ...cell, run });
}

function bootPhase(draft: Draft, event: BoardEvent): void {
  const { phase, detail } = event.data;
  if (typeof phase !== 'string') return;
  const phaseAt = timeOf(event.at);
  const node = (draft.fleet ?? draft.board.fleet)?.get(event.subject_id);
  if (node !== undefined && (node.phaseAt ?? 0) <= (phaseAt ?? 0)) {
    writeFleet(draft).set(node.id, { ...node, phase, phaseDetail: typeof detail === 'string' ? detail : '', phaseAt });
  }
  if (draft.board.matrix !== null) {
    draft.board = { ...draft.board, matrix: withMatrixNode(draft.board.matrix, event.subject_id, { phase, phaseAt }) };
  }
}

function nodeDeleted(draft: Draft, event: BoardEvent): void {
  draft.staleNodes.delete(event.subject_id);
  if (draft.board.fleet !== null) writeFleet(draft).delete(event.subject_id);
  markStale(draft, { deployments: true, matrix: draft.board.matrix?.nodes.some((node) => node.id === event.subject_id) ?? false });
}

function note(draft: Draft, event: BoardEvent): void {
  const { message, code, node_id: nodeId } = event.data;
  const said = typeof message === 'string' ? message : typeof code === 'string' ? code : '';
  const text = event.kind === 'token-refused' ? `A node's token was refused${said === '' ? '' : `: ${said}`}` : said;
  const notice: Notice = { key: event.id, at: timeOf(event.at), text, nodeId: typeof nodeId === 'number' ? nodeId : null };
  draft.board = { ...draft.board, notices: [notice, ...draft.board.notices].slice(0, NOTICES_KEPT) };
}

function namesDeployment(event: BoardEvent): boolean {
  const changed = event.data['changed'];
  return Array.isArray(changed) && (changed.includes('deployment') || changed.includes('name'));
}

function markStale(draft: Draft, parts: { matrix?: boolean; deployments?: boolean }): void {
  const { stale } = draft.board;
  const matrix = stale.matrix || parts.matrix === true;
  const deployments = stale.deployments || parts.deployments === true;
  if (matrix !== stale.matrix || deployments !== stale.deployments) draft.board = { ...draft.board, stale: { ...stale, matrix, deployments } };
}

function writeCells(draft: Draft, matrix: Matrix): Map<number, Cell> {
  draft.cells ??= new Map(matrix.cells);
  return draft.cells;
}

function writeFleet(draft: Draft): Map<number, FleetNode> {
  draft.fleet ??= new Map(draft.board.fleet);
  return draft.fleet;
}
