import { describe, expect, it } from '@jest/globals';
import { applyEvents } from '../../../../src/web/store/apply.js';
import { EMPTY_BOARD } from '../../../../src/web/store/board.js';
import { withFleet, withMatrix, withNodes } from '../../../../src/web/store/snapshot.js';
import { filterFleet, filterMatrixNodes, matrixTotals, NO_FILTER } from '../../../../src/web/store/select.js';
import { NO_COUNTS } from '../../../../src/web/store/states.js';
import { boardWithMatrix, moved, NOW, wireMatrix, wireNode } from './board-builders.js';

describe('the matrix', () => {
  it('orders roles by cohort and nodes as people count', () => {
    const { matrix } = boardWithMatrix();
    expect(matrix?.roles.map((role) => role.name)).toEqual(['os', 'ntp']);
    expect(matrix?.nodes.map((node) => node.name)).toEqual(['node-2', 'node-10']);
    expect(matrix?.at.get(1)?.get(20)).toBe(102);
    expect(matrix?.at.get(2)?.get(20)).toBeUndefined();
  });

  it('keeps a cell that an event has moved past a slow snapshot', () => {
    const ahead = applyEvents(boardWithMatrix(), [moved(101, 8, 'TODO', 'ACTIVE')]);
    expect(withMatrix(ahead, wireMatrix('TODO', 3), NOW).matrix?.cells.get(101)?.state).toBe('ACTIVE');
    expect(withMatrix(ahead, wireMatrix('ERROR', 9), NOW).matrix?.cells.get(101)?.state).toBe('ERROR');
  });

  it('takes a node to be in its phase at least since it was first seen there', () => {
    const first = boardWithMatrix();
    const later = withMatrix(first, wireMatrix(), NOW + 90_000);
    expect(later.matrix?.nodes[0]).toMatchObject({ name: 'node-2', phase: 'tftp', phaseAt: NOW });
  });

  it('adds up its cells by state', () => {
    const { matrix } = boardWithMatrix();
    expect(matrix === null ? null : matrixTotals(matrix)).toEqual({ ...NO_COUNTS, TODO: 1, BLOCKED: 1, ACTIVE: 1 });
  });

  it('filters nodes by a state of any of their cells, and by text', () => {
    const { matrix } = boardWithMatrix();
    if (matrix === null) throw new Error('no matrix');
    expect(filterMatrixNodes(matrix, { text: '', state: 'BLOCKED' }).map((node) => node.id)).toEqual([1]);
    expect(filterMatrixNodes(matrix, { text: ' LOCAL ', state: null }).map((node) => node.id)).toEqual([2]);
    expect(filterMatrixNodes(matrix, NO_FILTER)).toBe(matrix.nodes);
  });
});

describe('the fleet', () => {
  it('keeps the identity of nodes that are as they were', () => {
    const first = withFleet(EMPTY_BOARD, [wireNode(1, 'node-1'), wireNode(2, 'node-2')]);
    const second = withFleet(first, [wireNode(1, 'node-1'), wireNode(2, 'node-2', { alive: false })]);
    expect(second.fleet?.get(1)).toBe(first.fleet?.get(1));
    expect(second.fleet?.get(2)?.alive).toBe(false);
  });

  it('puts a node that was read alone where its name belongs', () => {
    const fleet = withFleet(EMPTY_BOARD, [wireNode(1, 'node-1'), wireNode(3, 'node-10')]);
    expect([...(withNodes(fleet, [wireNode(2, 'node-2')]).fleet?.values() ?? [])].map((node) => node.name)).toEqual(['node-1', 'node-2', 'node-10']);
  });

  it('brings a node that was read again into the matrix too', () => {
    const board = withNodes(boardWithMatrix(), [wireNode(1, 'node-2', { alive: true })]);
    expect(board.matrix?.nodes.find((node) => node.id === 1)).toMatchObject({ alive: true, phase: 'disk', bootenv: 'local' });
  });

  it('finds nodes by address and state', () => {
    const observed = { bootenv: null, phase: 'dhcp', phase_detail: '', phase_at: null, address: '127.77.0.12' };
    const { fleet } = withFleet(EMPTY_BOARD, [wireNode(1, 'a', { observed }), wireNode(2, 'b', { noderoles: { ...NO_COUNTS, ERROR: 1 } })]);
    if (fleet === null) throw new Error('no fleet');
    expect(filterFleet(fleet, { text: '77.0.12', state: null }).map((node) => node.id)).toEqual([1]);
    expect(filterFleet(fleet, { text: '', state: 'ERROR' }).map((node) => node.id)).toEqual([2]);
  });
});
