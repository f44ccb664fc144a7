import { describe, expect, it } from '@jest/globals';
import { applyEvents } from '../../../../src/web/store/apply.js';
import { EMPTY_BOARD } from '../../../../src/web/store/board.js';
import { withFleet, withMatrix } from '../../../../src/web/store/snapshot.js';
import { NO_COUNTS } from '../../../../src/web/store/states.js';
import { boardWithMatrix, event, moved, NOW, wireMatrix, wireNode } from './board-builders.js';

describe('events about noderoles', () => {
  it('moves a cell to its new state and marks it as moved', () => {
    const board = applyEvents(boardWithMatrix(), [moved(101, 4, 'TODO', 'TRANSITION')]);
    expect(board.matrix?.cells.get(101)).toMatchObject({ state: 'TRANSITION', version: 4, moved: true });
  });

  it('ignores an event that is not newer than the snapshot, so that stream and snapshot may overlap', () => {
    const before = boardWithMatrix();
    for (const version of [1, 2, 3]) {
      const board = applyEvents(before, [moved(101, version, 'TODO', 'ERROR')]);
      expect(board.matrix?.cells.get(101)?.state).toBe('TODO');
    }
  });

  it('comes to the same board when a batch is repeated', () => {
    const batch = [moved(101, 4, 'TODO', 'TRANSITION'), event('run-started', 55, 1, { noderole_id: 101, node_id: 1 }), moved(101, 5, 'TRANSITION', 'ACTIVE')];
    const once = applyEvents(boardWithMatrix(), batch);
    expect(applyEvents(once, batch).matrix?.cells.get(101)?.state).toBe('ACTIVE');
  });

  it('comes to the same states however a sequence is cut into batches', () => {
    const all = [
      moved(101, 4, 'TODO', 'TRANSITION'),
      moved(101, 5, 'TRANSITION', 'ACTIVE'),
      moved(102, 2, 'BLOCKED', 'TODO'),
      moved(103, 10, 'ACTIVE', 'TODO'),
    ];
    const whole = applyEvents(boardWithMatrix(), all);
    const single = all.reduce((board, each) => applyEvents(board, [each]), boardWithMatrix());
    expect(single.matrix?.cells).toEqual(whole.matrix?.cells);
  });

  it('keeps the identity of cells that nothing happened to, and leaves the old board untouched', () => {
    const before = boardWithMatrix();
    const after = applyEvents(before, [moved(101, 4, 'TODO', 'TRANSITION')]);
    expect(after.matrix?.cells.get(103)).toBe(before.matrix?.cells.get(103));
    expect(before.matrix?.cells.get(101)?.state).toBe('TODO');
  });

  it('asks for the matrix again when a noderole appears that it does not know', () => {
    expect(applyEvents(boardWithMatrix(), [moved(999, 1, 'PROPOSED', 'TODO')]).stale.matrix).toBe(true);
  });

  it('does not touch the matrix for a noderole of another deployment', () => {
    const before = boardWithMatrix();
    const after = applyEvents(before, [moved(999, 1, 'PROPOSED', 'TODO', { deployment_id: 8 })]);
    expect(after.stale.matrix).toBe(false);
    expect(after.matrix).toBe(before.matrix);
  });

  it('moves the counts of its node on the fleet, never below zero', () => {
    const fleet = withFleet(EMPTY_BOARD, [wireNode(1, 'node-1', { noderoles: { ...NO_COUNTS, TODO: 1 } })]);
    const board = applyEvents(fleet, [moved(101, 4, 'TODO', 'TRANSITION'), moved(102, 2, 'TODO', 'TRANSITION')]);
    expect(board.fleet?.get(1)?.counts).toEqual({ ...NO_COUNTS, TRANSITION: 2 });
  });
});

describe('events about runs', () => {
  const running = () => applyEvents(boardWithMatrix(), [moved(101, 4, 'TODO', 'TRANSITION'), event('run-started', 55, 1, { noderole_id: 101, node_id: 1 })]);

  it('shows what a run waits for', () => {
    const board = applyEvents(running(), [event('run-waiting', 55, 1, { noderole_id: 101, node_id: 1, key: 'install:4' })]);
    expect(board.matrix?.cells.get(101)?.run).toEqual({ id: 55, status: 'WAITING', wait_key: 'install:4' });
  });

  it('takes the run off the cell when it ends, and when the noderole leaves TRANSITION', () => {
    expect(applyEvents(running(), [event('run-ended', 55, 1, { noderole_id: 101, node_id: 1 })]).matrix?.cells.get(101)?.run).toBeNull();
    expect(applyEvents(running(), [moved(101, 5, 'TRANSITION', 'ACTIVE')]).matrix?.cells.get(101)?.run).toBeNull();
  });

  it('lets no older run hide a newer one', () => {
    const board = applyEvents(running(), [event('run-ended', 54, 1, { noderole_id: 101, node_id: 1 })]);
    expect(board.matrix?.cells.get(101)?.run?.id).toBe(55);
  });
});

describe('events about nodes', () => {
  it('shows a boot phase on the fleet and in the matrix', () => {
    const both = withFleet(boardWithMatrix(), [wireNode(1, 'node-2')]);
    const board = applyEvents(both, [event('boot-phase', 1, 0, { mac: 'aa', phase: 'kernel', detail: 'debian-12' })]);
    expect(board.fleet?.get(1)).toMatchObject({ phase: 'kernel', phaseDetail: 'debian-12', phaseAt: NOW });
    expect(board.matrix?.nodes.find((node) => node.id === 1)).toMatchObject({ phase: 'kernel', phaseAt: NOW });
  });

  it('reads a changed node again instead of guessing what changed', () => {
    expect([...applyEvents(boardWithMatrix(), [event('node-changed', 2, 5, { changed: ['alive'] })]).stale.nodes]).toEqual([2]);
  });

  it('reads the matrix again when a node moves to another deployment', () => {
    expect(applyEvents(boardWithMatrix(), [event('node-changed', 2, 5, { changed: ['deployment'] })]).stale.matrix).toBe(true);
  });

  it('takes a deleted node off the fleet', () => {
    const fleet = withFleet(EMPTY_BOARD, [wireNode(1, 'node-1'), wireNode(2, 'node-2')]);
    const board = applyEvents(fleet, [event('node-changed', 1, 2, { changed: ['deleting'] }), event('node-deleted', 1, 3, { name: 'node-1' })]);
    expect([...(board.fleet?.keys() ?? [])]).toEqual([2]);
    expect(board.stale.nodes.has(1)).toBe(false);
  });
});

describe('other events', () => {
  it('keeps the newest alarms first, and no more than a screenful', () => {
    const alarms = Array.from({ length: 30 }, (_, index) => event('alarm', 1, 0, { code: 'loop', message: `alarm ${index}` }));
    const board = applyEvents(EMPTY_BOARD, alarms);
    expect(board.notices).toHaveLength(20);
    expect(board.notices[0]?.text).toBe('alarm 29');
  });

  it('takes an event of a kind it does not know as nothing', () => {
    const before = boardWithMatrix();
    const after = applyEvents(before, [event('something-new', 1, 1, { node_id: 'x' })]);
    expect(after.matrix).toBe(before.matrix);
    expect(after.stale).toBe(before.stale);
  });

  it('survives events whose data is not what we expect', () => {
    const odd = [
      'noderole-changed',
      'run-started',
      'run-waiting',
      'run-ended',
      'boot-phase',
      'node-changed',
      'node-deleted',
      'install-changed',
      'alarm',
      'token-refused',
    ];
    expect(() =>
      applyEvents(
        withMatrix(EMPTY_BOARD, wireMatrix(), NOW),
        odd.map((kind) => event(kind, 1, 1)),
      ),
    ).not.toThrow();
  });
});
