import { describe, it, expect } from '@jest/globals';
import { EMPTY_BOARD, withSnapshot, type BoardNode } from '../../../../src/cli/board/model.js';
import { boardRows, boardTotals, chooseRows, isDone, roleProgress } from '../../../../src/cli/board/rows.js';
import { rackNode, rackSnapshot } from './rack.js';

const rack = withSnapshot(EMPTY_BOARD, rackSnapshot(24));
const rows = boardRows(rack);

function rowOf(change: Partial<BoardNode>) {
  return boardRows(withSnapshot(EMPTY_BOARD, { nodes: [{ ...rackNode(11), ...change }], matrix: null }))[0];
}

describe('the rows of the board', () => {
  it('are one per machine, ordered by name with numbers as numbers', () => {
    const nodes = ['n10', 'n9', 'n100'].map((name, index) => ({ ...rackNode(index), name }));
    expect(boardRows(withSnapshot(EMPTY_BOARD, { nodes, matrix: null })).map((row) => row.name)).toEqual(['n9', 'n10', 'n100']);
  });

  it('leave out the admin node unless the deployment has work on it', () => {
    expect(rowOf({ kind: 'admin' })).toBeUndefined();
  });

  it('keep every role in its own column, empty where it is not bound', () => {
    expect(rows[0]?.cells).toEqual(['TODO', 'BLOCKED', 'BLOCKED', null, 'BLOCKED']);
  });

  it.each([
    ['not every server confirms it', { served: { bootenv: 'local', generation: 3, served: false } }, 'unserved'],
    ['the servers have an older generation', { served: { bootenv: 'local', generation: 2, served: true } }, 'unserved'],
    ['the machine does not run it', { observed: { ...rackNode(11).observed, bootenv: 'discovery', class: 'discovery' as const } }, 'served'],
    ['the machine is silent', { alive: false }, 'served'],
    ['an installed system runs from its disk', { observed: { ...rackNode(11).observed, bootenv: null } }, 'booted'],
  ])('mark the boot environment when %s', (_what, change, mark) => {
    expect(rowOf(change)?.mark).toBe(mark);
  });

  it('add up to the totals and to the progress of the roles', () => {
    const totals = boardTotals(rows);
    expect(totals).toMatchObject({ nodes: 24, alive: 12, done: 2, noderoles: 100 });
    const byRole = roleProgress(rack);
    expect(byRole.map((role) => role.total)).toEqual([24, 24, 24, 4, 24]);
    expect(byRole.reduce((sum, role) => sum + role.counts.ACTIVE, 0)).toBe(totals.counts.ACTIVE);
  });

  it('count a node as done only when something is bound and all of it is ACTIVE', () => {
    expect(rows.filter(isDone).map((row) => row.name)).toEqual(['rack-n012', 'rack-n024']);
    expect(isDone(rowOf({}) ?? rows[0])).toBe(false);
  });
});

describe('the rows chosen when not all fit', () => {
  it('are those in error, then those furthest behind, by name', () => {
    const chosen = chooseRows(rows, 4, new Set());
    expect(chosen.filter((row) => row.counts.ERROR > 0).map((row) => row.name)).toEqual(['rack-n010', 'rack-n022']);
    expect(chosen.some(isDone)).toBe(false);
    expect(chosen.map((row) => row.name)).toEqual(chosen.map((row) => row.name).sort());
  });

  it('stay while they are among the slowest, so that lines do not jump', () => {
    const first = chooseRows(rows, 6, new Set());
    const again = chooseRows([...rows].reverse(), 6, new Set(first.map((row) => row.id)));
    expect(again.map((row) => row.id)).toEqual(first.map((row) => row.id));
  });

  it('give way when they are done', () => {
    const done = rows.filter(isDone).map((row) => row.id);
    expect(chooseRows(rows, 6, new Set(done)).some(isDone)).toBe(false);
  });

  it('are never more than fit', () => {
    expect(chooseRows(rows, 3, new Set(rows.map((row) => row.id)))).toHaveLength(3);
    expect(chooseRows(rows, -2, new Set())).toHaveLength(0);
  });
});
