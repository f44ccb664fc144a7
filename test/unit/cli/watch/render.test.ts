import { describe, it, expect } from '@jest/globals';
import { EMPTY_BOARD, withSnapshot } from '../../../../src/cli/board/model.js';
import { boardRows, boardTotals, roleProgress } from '../../../../src/cli/board/rows.js';
import { createLook } from '../../../../src/cli/terminal/look.js';
import { displayWidth } from '../../../../src/cli/terminal/text-width.js';
import { renderWatch, watchLine, type WatchFrame } from '../../../../src/cli/watch/render.js';
import { rackSnapshot } from '../board/rack.js';

const look = createLook({ colour: false, unicode: true });
const rack = withSnapshot(EMPTY_BOARD, rackSnapshot(12));
const frame: WatchFrame = {
  name: 'demo',
  elapsedSeconds: 12,
  transitionsPerSecond: 3,
  totals: boardTotals(boardRows(rack)),
  roles: roleProgress(rack),
  note: '',
};

describe('the progress of a deployment', () => {
  it('has a bar for each role, one for all, and the counts', () => {
    expect(renderWatch(frame, { width: 80, height: 24 }, look)).toEqual([
      ' provisioner-os-install  ━━━━━━━━━━━━━━━━━━╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍─────────    5/12',
      ' base-packages           ━━━━━━━×××╍╍╍────────────────────────────────    2/12',
      ' controller              ━━━━━━━──────────────────────────────────────    2/12',
      ' worker                  ━━━━━━━━━━━━━━━━━━━━━━━╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍    1/2',
      ' smoke-test              ━━━──────────────────────────────────────────    1/12',
      ' demo                    ━━━━━━━━━×╍╍╍╍╍╍─────────────────────────────   11/50',
      ' 12 s  7 running, 3 ready, 28 blocked, 1 error  3.0/s',
    ]);
  });

  it('fits a small terminal: finished roles give way', () => {
    const lines = renderWatch(frame, { width: 44, height: 8 }, look);
    expect(lines.length).toBeLessThanOrEqual(8);
    expect(lines.join('\n')).toContain('and 2 more roles');
    expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(44);
  });

  it('is one line where nothing can be redrawn', () => {
    expect(watchLine(frame)).toBe('  12 s  demo: 11/50 active, 7 running, 3 ready, 28 blocked, 1 error; 3.0 transitions/s');
  });
});
