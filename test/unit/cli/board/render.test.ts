import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, expect } from '@jest/globals';
import { EMPTY_BOARD, withSnapshot } from '../../../../src/cli/board/model.js';
import { progressLine } from '../../../../src/cli/board/plain.js';
import { renderBoard, type BoardFrame } from '../../../../src/cli/board/render.js';
import { boardRows, boardTotals, roleProgress } from '../../../../src/cli/board/rows.js';
import { createLook } from '../../../../src/cli/terminal/look.js';
import { displayWidth } from '../../../../src/cli/terminal/text-width.js';
import { rackSnapshot } from './rack.js';

const GOLDEN = path.join(process.cwd(), 'test', 'unit', 'cli', 'board', 'golden');
const unicode = createLook({ colour: false, unicode: true });
const ascii = createLook({ colour: false, unicode: false });
// oxlint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[0-9;]*m/g;

function frameOf(nodes: number, change: Partial<BoardFrame> = {}): BoardFrame {
  const state = nodes === 0 ? EMPTY_BOARD : withSnapshot(EMPTY_BOARD, rackSnapshot(nodes));
  const rows = boardRows(state);
  return {
    url: 'http://127.0.0.1:8190',
    tokenFile: '/srv/prybar/.prybar/admin-token',
    elapsedSeconds: 83,
    deployment: state.deployment,
    deploymentName: 'demo',
    transitionsPerSecond: 41.23,
    totals: boardTotals(rows),
    roles: roleProgress(state),
    rows,
    shown: new Set(),
    note: '',
    ...change,
  };
}

/** Compares with the reviewed text; UPDATE_GOLDEN=1 writes it anew, to be looked at before it is committed. */
function expectGolden(name: string, lines: string[]): void {
  const file = path.join(GOLDEN, `${name}.txt`);
  const text = `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

describe('the picture of the board', () => {
  it.each([
    ['12-nodes-120', 12, 120, 40],
    ['12-nodes-80', 12, 80, 24],
    ['200-nodes-120', 200, 120, 40],
    ['200-nodes-80', 200, 80, 24],
    ['no-nodes-80', 0, 80, 24],
  ])('is the reviewed one: %s', (name, nodes, width, height) => {
    const note = nodes === 12 ? 'next: prybar why base-packages@rack-n010' : '';
    expectGolden(name, renderBoard(frameOf(nodes, { note }), { width, height }, unicode).lines);
  });

  it('needs no Unicode', () => {
    const { lines } = renderBoard(frameOf(12), { width: 80, height: 24 }, ascii);
    expectGolden('12-nodes-80-ascii', lines);
    // oxlint-disable-next-line no-control-regex
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  });

  it('never leaves the terminal, whatever its size', () => {
    for (const nodes of [0, 1, 12, 31, 200]) {
      for (const width of [40, 60, 79, 80, 100, 119, 140, 220]) {
        for (const height of [5, 10, 24, 60]) {
          const { lines } = renderBoard(frameOf(nodes, { note: 'something long that has to be said about the server '.repeat(4) }), { width, height }, unicode);
          expect(lines.length).toBeLessThanOrEqual(height);
          const tooWide = lines.find((line) => displayWidth(line) > Math.max(width, 80));
          expect({ nodes, width, tooWide }).toEqual({ nodes, width, tooWide: undefined });
        }
      }
    }
  });

  it('has the same text with colours as without', () => {
    const size = { width: 100, height: 30 };
    const coloured = renderBoard(frameOf(12), size, createLook({ colour: true, unicode: true })).lines.map((line) => line.replaceAll(COLOURS, ''));
    // Without colours the parts of a bar need characters of their own.
    const bare = renderBoard(frameOf(12), size, unicode).lines.map((line) => line.replaceAll(/[╍×─]/g, '━'));
    expect(coloured).toEqual(bare);
  });

  it('keeps every column in its place while the fleet moves', () => {
    const size = { width: 100, height: 40 };
    const column = (lines: string[]): number => (lines.find((line) => line.includes('NODEROLES')) ?? '').indexOf('NODEROLES');
    const before = frameOf(12);
    const after = frameOf(12, {
      elapsedSeconds: 3599,
      transitionsPerSecond: 0,
      rows: before.rows.map((row) => ({ ...row, phase: 'off', phaseDetail: '', bootenv: 'debian-12' })),
    });
    expect(column(renderBoard(after, size, unicode).lines)).toBe(column(renderBoard(before, size, unicode).lines));
  });

  it('shows nothing that a machine reported to steer the terminal', () => {
    const frame = frameOf(12);
    const rows = frame.rows.map((row) => ({ ...row, phaseDetail: '\u001b[2Jowned\u0007', phase: '\u001b]0;x\u0007dhcp' }));
    expect(renderBoard({ ...frame, rows }, { width: 120, height: 40 }, unicode).lines.join('')).not.toMatch(/[\u001b\u0007]/);
  });
});

describe('the board in one line', () => {
  it('says all that matters', () => {
    expect(progressLine(frameOf(12))).toBe(
      '  1:23  6/12 nodes alive (unseen 1, dhcp 1, tftp 1, kernel 1, agent 1, installing 1, installed 1, disk 5); demo: 11/50 noderoles active, 7 running, 3 ready, 28 blocked, 1 error; 41 transitions/s',
    );
    expect(progressLine(frameOf(0))).toBe('  1:23  0/0 nodes alive; deployment demo is not there yet');
  });
});
