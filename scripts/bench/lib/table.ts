/** The table of a bench, as Markdown that reads well in a terminal too. */
import type { Row } from '../bench.js';

const HEAD = ['scenario', 'ours', 'baseline', 'ratio', 'aim', 'verdict', 'CPU'];

function cells(row: Row): string[] {
  return [
    row.name,
    row.ours,
    row.baseline,
    row.ratio === null ? '' : `${row.ratio.toFixed(2)}x`,
    row.aim,
    row.reached === null ? '' : row.reached ? 'reached' : 'missed',
    row.cpuMicros === null ? '' : `${Math.round(row.cpuMicros)} us`,
  ];
}

export function formatTable(rows: Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(3, ...lines.map((line) => line[column].length)));
  const format = (line: string[]) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const notes = rows.filter((row) => row.note !== '').map((row) => `- ${row.name}: ${row.note}`);
  return [format(HEAD), rule, ...rows.map((row) => format(cells(row))), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}
