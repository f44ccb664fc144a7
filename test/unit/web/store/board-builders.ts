import type { BoardEvent } from '../../../../src/web/store/apply.js';
import { EMPTY_BOARD, type Board } from '../../../../src/web/store/board.js';
import { withMatrix, type WireMatrix, type WireNode } from '../../../../src/web/store/snapshot.js';
import { NO_COUNTS, type State } from '../../../../src/web/store/states.js';

export const NOW = Date.parse('2026-11-21T09:00:00.000Z');

let events = 0;

/** An event of the stream; its id only has to differ from the others. */
export function event(kind: string, subjectId: number, version: number, data: Record<string, unknown> = {}): BoardEvent {
  events += 1;
  return { id: `e.${events}.0`, kind, subject_id: subjectId, version, at: '2026-11-21T09:00:00.000Z', data };
}

export function moved(noderole: number, version: number, from: State, to: State, more: Record<string, unknown> = {}): BoardEvent {
  return event('noderole-changed', noderole, version, { from, to, node_id: 1, role_id: 10, deployment_id: 7, ...more });
}

export function wireNode(id: number, name: string, patch: Partial<WireNode> = {}): WireNode {
  return {
    id,
    name,
    kind: 'machine',
    deployment: { name: 'demo' },
    alive: true,
    available: true,
    desired: { bootenv: 'local' },
    served: { served: true },
    observed: { bootenv: 'local', phase: 'disk', phase_detail: '', phase_at: null, address: null },
    noderoles: NO_COUNTS,
    ...patch,
  };
}

/** Two nodes, two roles: noderoles 101 (node 1, role 10), 102 (node 1, role 20) and 103 (node 2, role 10). */
export function wireMatrix(state: State = 'TODO', version = 3): WireMatrix {
  return {
    deployment: { id: 7, name: 'demo' },
    roles: [
      { id: 20, name: 'ntp', cohort: 2 },
      { id: 10, name: 'os', cohort: 1 },
    ],
    nodes: [
      { id: 2, name: 'node-10', alive: true, phase: 'disk', bootenv: 'local' },
      { id: 1, name: 'node-2', alive: false, phase: 'tftp', bootenv: 'discovery' },
    ],
    cells: [
      { id: 101, node_id: 1, role_id: 10, state, version, run: null },
      { id: 102, node_id: 1, role_id: 20, state: 'BLOCKED', version: 1, run: null },
      { id: 103, node_id: 2, role_id: 10, state: 'ACTIVE', version: 9, run: null },
    ],
  };
}

export function boardWithMatrix(): Board {
  return withMatrix(EMPTY_BOARD, wireMatrix(), NOW);
}
