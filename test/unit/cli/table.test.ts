import { describe, it, expect } from '@jest/globals';
import { fitWidths, renderFields, renderTable, type Column } from '../../../src/cli/table.js';
import { createLook } from '../../../src/cli/terminal/look.js';
import { displayWidth } from '../../../src/cli/terminal/text-width.js';

type Row = { name: string; count: number; text: string };

const COLUMNS: Column<Row>[] = [
  { title: 'NAME', value: (row) => row.name, tone: () => 'strong' },
  { title: 'COUNT', value: (row) => String(row.count), align: 'right' },
  { title: 'TEXT', value: (row) => row.text },
];
const ROWS: Row[] = [
  { name: 'rack-n001', count: 5, text: 'short' },
  { name: '節点-2', count: 1200, text: 'a text that is much too long for a narrow terminal \u001b[2J' },
];
const plain = createLook({ colour: false, unicode: true });

describe('a table', () => {
  it('aligns its columns, also with wide characters', () => {
    expect(renderTable(COLUMNS, ROWS.slice(0, 1).concat({ name: '節点-2', count: 1200, text: 'x' }), plain, undefined)).toBe(
      ['NAME       COUNT  TEXT', 'rack-n001      5  short', '節点-2      1200  x'].join('\n'),
    );
  });

  it('cuts its widest column to fit the terminal, and nothing when there is none', () => {
    const narrow = renderTable(COLUMNS, ROWS, plain, 40).split('\n');
    expect(Math.max(...narrow.map(displayWidth))).toBeLessThanOrEqual(40);
    expect(narrow[2]).toContain('…');
    expect(renderTable(COLUMNS, ROWS, plain, undefined)).toContain('a text that is much too long for a narrow terminal');
  });

  it('shows nothing that steers the terminal', () => {
    expect(renderTable(COLUMNS, ROWS, plain, undefined)).not.toContain('\u001b');
  });

  it('has the same text with colours as without', () => {
    const coloured = renderTable(COLUMNS, ROWS, createLook({ colour: true, unicode: true }), 60);
    // oxlint-disable-next-line no-control-regex
    const bare = coloured.replaceAll(/\u001b\[[0-9;]*m/g, '').replaceAll(/ +$/gm, '');
    expect(bare).toBe(renderTable(COLUMNS, ROWS, plain, 60));
    expect(coloured).not.toBe(bare);
  });

  it('never cuts a column below eight characters, even when the line is then too long', () => {
    expect(fitWidths([30, 30, 30], 10)).toEqual([8, 8, 8]);
    expect(fitWidths([10, 40, 12], 50)).toEqual([10, 24, 12]);
  });

  it('puts the lines of a value under each other', () => {
    expect(
      renderFields(
        [
          ['name', 'rack-n001'],
          ['nics', 'eth0\neth1'],
        ],
        plain,
      ),
    ).toBe('name  rack-n001\nnics  eth0\n      eth1');
  });
});
