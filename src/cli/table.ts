/**
 * Rows to text, PURE: columns as wide as they need to be, the widest ones cut until the line fits the terminal, no frames. cli-table3 does
 * the laying out (alignment and cutting of coloured text); which widths, this file decides.
 */
import Table from 'cli-table3';
import { displayWidth, fit, printableLine } from './terminal/text-width.js';
import type { Look, Tone } from './terminal/look.js';

/** One column: its heading and how a row is shown in it. */
export type Column<Row> = {
  title: string;
  value: (row: Row) => string;
  tone?: (row: Row) => Tone;
  align?: 'left' | 'right';
};

const GAP = '  ';
/** A column is never cut below this: a shorter piece of a name tells nothing. */
const NARROWEST = 8;

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: GAP,
};

/** Natural widths, lowered one column at a time, the widest first, until their sum with the gaps is at most `available`. */
export function fitWidths(natural: readonly number[], available: number): number[] {
  const widths = [...natural];
  const gaps = GAP.length * Math.max(0, widths.length - 1);
  for (;;) {
    const over = widths.reduce((sum, width) => sum + width, gaps) - available;
    if (over <= 0) return widths;
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) return widths;
    const second = Math.max(NARROWEST, ...widths.filter((width) => width < widest));
    const index = widths.indexOf(widest);
    widths[index] = Math.max(second, widest - over, NARROWEST) === widest ? widest - 1 : Math.max(second, widest - over);
  }
}

/**
 * The rows as lines under their headings. `width` is the terminal's, or undefined when nothing must be cut (a file, a pipe).
 * Values are made printable here; colours come from `tone` alone.
 */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], look: Look, width: number | undefined): string {
  const texts = rows.map((row) => columns.map((column) => printableLine(column.value(row))));
  const natural = columns.map((column, index) => Math.max(displayWidth(column.title), ...texts.map((line) => displayWidth(line[index] ?? ''))));
  const widths = width === undefined ? natural : fitWidths(natural, width);
  const table = new Table({
    chars: NO_FRAME,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colWidths: widths,
  });
  const cell = (column: Column<Row>, text: string, index: number, tone: Tone) =>
    look.paint(tone, fit(text, widths[index] ?? 0, look.glyphs.ellipsis, column.align === 'right' ? 'right' : 'left'));
  table.push(columns.map((column, index) => cell(column, column.title, index, 'dim')));
  rows.forEach((row, line) => {
    table.push(columns.map((column, index) => cell(column, texts[line]?.[index] ?? '', index, column.tone?.(row) ?? 'plain')));
  });
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Names and values of one object, the values under each other. A value with several lines keeps them, indented. */
export function renderFields(fields: readonly (readonly [string, string])[], look: Look): string {
  const widest = Math.max(0, ...fields.map(([name]) => displayWidth(name)));
  return fields
    .map(([name, value]) => `${look.paint('dim', fit(name, widest))}${GAP}${value.replaceAll('\n', `\n${' '.repeat(widest + GAP.length)}`)}`)
    .join('\n');
}
