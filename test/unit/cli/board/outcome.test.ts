import { describe, it, expect } from '@jest/globals';
import { EMPTY_BOARD, withSnapshot, type BoardState } from '../../../../src/cli/board/model.js';
import { cellName, judge, newMilestones, unfinished } from '../../../../src/cli/board/outcome.js';
import { boardRows } from '../../../../src/cli/board/rows.js';
import type { NodeRoleState } from '../../../../src/cli/answers.js';
import { rackNode, rackMatrix, rackSnapshot } from './rack.js';

/** One node for each letter string, one cell for each state. */
function board(states: NodeRoleState[][], committed = true): BoardState {
  const matrix = rackMatrix(0);
  const cells = states.flatMap((own, node) =>
    own.map((state, role) => ({ id: node * 10 + role + 1, node_id: node + 1, role_id: role + 1, state, version: 1, run: null })),
  );
  const deployment = { ...matrix.deployment, committed_at: committed ? matrix.deployment.committed_at : null };
  return withSnapshot(EMPTY_BOARD, { nodes: states.map((_, index) => rackNode(index)), matrix: { ...matrix, deployment, cells } });
}

describe('whether a deployment is over', () => {
  it.each<[string, BoardState, number, string]>([
    ['it does not exist yet', EMPTY_BOARD, 0, 'going'],
    ['it is empty', board([]), 0, 'going'],
    ['it is not committed', board([['ACTIVE']], false), 1, 'going'],
    ['everything is ACTIVE on the nodes expected', board([['ACTIVE'], ['ACTIVE']]), 2, 'active'],
    ['everything is ACTIVE but nodes are missing', board([['ACTIVE']]), 2, 'going'],
    ['something runs beside the one in ERROR', board([['ERROR', 'BLOCKED'], ['TRANSITION']]), 2, 'going'],
    ['something is ready beside the one in ERROR', board([['ERROR'], ['TODO']]), 2, 'going'],
    ['nothing can move and something is in ERROR', board([['ERROR', 'BLOCKED'], ['ACTIVE']]), 2, 'stuck'],
    ['nothing is in ERROR, but something is only proposed', board([['ACTIVE', 'PROPOSED']]), 1, 'going'],
  ])('when %s', (_what, state, expectNodes, verdict) => {
    expect(judge(state, expectNodes)).toBe(verdict);
  });

  it('counts machines, not the admin node, against the nodes expected', () => {
    const state = board([['ACTIVE'], ['ACTIVE']]);
    const nodes = new Map(state.nodes).set(1, { ...rackNode(0), kind: 'admin' });
    expect(judge({ ...state, nodes }, 2)).toBe('going');
    expect(judge({ ...state, nodes }, 1)).toBe('active');
  });

  it('names what is unfinished, what explains most first', () => {
    const state = board([
      ['BLOCKED', 'ACTIVE', 'TODO'],
      ['ERROR', 'TRANSITION'],
    ]);
    expect(unfinished(state).map((cell) => cell.state)).toEqual(['ERROR', 'TRANSITION', 'TODO', 'BLOCKED']);
    expect(cellName(state, unfinished(state)[0])).toBe('provisioner-os-install@rack-n002');
  });
});

describe('milestones', () => {
  const rows = boardRows(withSnapshot(EMPTY_BOARD, rackSnapshot(12)));

  it('are told once for each node that reached ACTIVE or ERROR', () => {
    const first = newMilestones(rows, new Map());
    expect(first.map(({ row, reached }) => `${row.name} ${reached}`)).toEqual(['rack-n010 ERROR', 'rack-n012 ACTIVE']);
    expect(newMilestones(rows, new Map(first.map(({ row, reached }) => [row.id, reached])))).toEqual([]);
  });

  it('are told again when a node recovers from ERROR', () => {
    expect(newMilestones(rows, new Map([[12, 'ERROR']])).some(({ row, reached }) => row.id === 12 && reached === 'ACTIVE')).toBe(true);
  });
});
