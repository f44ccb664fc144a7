/** The lines of single nodes: boot phase, boot environment, noderoles as cells, a bar. PURE. */
import type { NodeRoleState, StateCounts } from '../answers.js';
import { progressBar } from '../terminal/bar.js';
import { stateGlyph, stateTone } from '../terminal/states.js';
import { displayWidth, fit, printableLine, truncate } from '../terminal/text-width.js';
import type { Look, Tone } from '../terminal/look.js';
import { phaseTone } from './phases.js';
import type { BootMark, BoardRow, RoleProgress } from './rows.js';

/** Widths of the columns. They follow from the whole fleet's names, never from the lines shown, so that nothing jumps. */
type Layout = {
  name: number;
  phase: number;
  detail: number;
  bootenv: number;
  cells: number;
  asCells: boolean;
  bar: number;
  count: number;
};

const PHASE_COLUMNS = 11;
/** More roles than this are shown as counts: single cells could not be told apart any more. */
const MOST_CELLS = 16;
const COUNTS_COLUMNS = 22;

function layoutOf(rows: readonly BoardRow[], roles: number, width: number): Layout {
  const name = Math.min(width >= 100 ? 24 : 14, Math.max(6, ...rows.map((row) => displayWidth(row.name))));
  const bootenv = Math.min(width >= 100 ? 16 : 13, Math.max(9, ...rows.map((row) => displayWidth(row.bootenv))));
  const asCells = roles <= MOST_CELLS;
  const cells = asCells ? Math.max(9, roles * 2 - 1) : COUNTS_COLUMNS;
  const count = Math.max(5, String(roles).length * 2 + 1);
  // One margin, and gaps of 2, 1, 2, 2 (with the mark's column), 2 and 1 between the columns.
  const fixed = 1 + name + 2 + PHASE_COLUMNS + 1 + 2 + bootenv + 2 + 2 + cells + 2 + 1 + count;
  const room = Math.max(0, width - fixed);
  const bar = Math.min(28, Math.max(4, Math.floor(room * 0.45)));
  return {
    name,
    phase: PHASE_COLUMNS,
    detail: Math.max(0, room - bar),
    bootenv,
    cells,
    asCells,
    bar,
    count,
  };
}

function markText(mark: BootMark, look: Look): string {
  const { pending, arrow, check } = look.glyphs;
  if (mark === 'unserved') return look.paint('warn', pending);
  return mark === 'served' ? look.paint('boot', arrow) : look.paint('active', check);
}

function countsText(counts: StateCounts, columns: number, look: Look): string {
  const states: NodeRoleState[] = ['ACTIVE', 'TRANSITION', 'TODO', 'BLOCKED', 'ERROR'];
  const texts = states.map((state) => [state, `${stateGlyph(state, look)}${counts[state]}`] as const);
  const plain = texts.map(([, text]) => text).join(' ');
  if (displayWidth(plain) > columns) return fit(plain, columns, look.glyphs.ellipsis);
  return texts.map(([state, text]) => look.paint(stateTone(state), text)).join(' ') + ' '.repeat(columns - displayWidth(plain));
}

function cellsText(row: BoardRow, columns: number, look: Look): string {
  const drawn = row.cells.map((state) => (state === null ? look.glyphs.none : look.paint(stateTone(state), stateGlyph(state, look))));
  return drawn.join(' ') + ' '.repeat(Math.max(0, columns - Math.max(0, row.cells.length * 2 - 1)));
}

/** Headings of the node lines. */
export function renderNodesHead(fleet: readonly BoardRow[], roles: number, width: number, look: Look): string {
  const l = layoutOf(fleet, roles, width);
  const text = ` ${fit('NODE', l.name)}  ${fit('BOOT', l.phase + 1 + l.detail)}  ${fit('BOOTENV', l.bootenv + 2)}  ${fit('NODEROLES', l.cells)}`;
  return look.paint('faint', truncate(text, width).trimEnd());
}

/** One line for each row; `fleet` decides the widths. */
export function renderNodes(rows: readonly BoardRow[], fleet: readonly BoardRow[], roles: number, width: number, look: Look): string[] {
  const l = layoutOf(fleet, roles, width);
  const cut = look.glyphs.ellipsis;
  return rows.map((row) => {
    const { counts, total } = row;
    const nameTone: Tone = counts.ERROR > 0 ? 'error' : row.alive ? 'plain' : 'dim';
    const parts = { active: counts.ACTIVE, running: counts.TRANSITION, error: counts.ERROR, total };
    const share = total === 0 ? '' : `${counts.ACTIVE}/${total}`;
    return [
      ' ',
      look.paint(nameTone, fit(printableLine(row.name), l.name, cut)),
      '  ',
      look.paint(phaseTone(row.phase), fit(printableLine(row.phase), l.phase, cut)),
      ' ',
      look.paint('dim', fit(printableLine(row.phaseDetail), l.detail, cut)),
      '  ',
      look.paint(row.mark === 'booted' ? 'plain' : 'dim', fit(printableLine(row.bootenv), l.bootenv, cut)),
      ' ',
      markText(row.mark, look),
      '  ',
      l.asCells ? cellsText(row, l.cells, look) : countsText(counts, l.cells, look),
      '  ',
      progressBar(look, l.bar, parts),
      ' ',
      look.paint('dim', fit(share, l.count, cut, 'right')),
    ].join('');
  });
}

/** What the cells and marks mean, and which role each column of cells is. */
export function renderLegend(roles: readonly RoleProgress[], width: number, look: Look): string[] {
  const { arrow, check, pending, ellipsis } = look.glyphs;
  const states: [NodeRoleState, string][] = [
    ['ACTIVE', 'active'],
    ['TRANSITION', 'running'],
    ['TODO', 'ready'],
    ['BLOCKED', 'blocked'],
    ['ERROR', 'error'],
  ];
  const marks: [Tone, string, string][] = [
    ['warn', pending, 'to be served'],
    ['boot', arrow, 'served'],
    ['active', check, 'booted'],
  ];
  const entries = [...states.map(([state, word]) => [stateTone(state), stateGlyph(state, look), word] as const), ...marks];
  let line = '';
  let used = 0;
  for (const [tone, glyph, word] of entries) {
    const columns = displayWidth(glyph) + 1 + displayWidth(word) + 2;
    if (used + columns + 1 > width) break;
    line += ` ${look.paint(tone, glyph)} ${look.paint('faint', word)} `;
    used += columns;
  }
  if (roles.length === 0 || roles.length > MOST_CELLS) return [line];
  const names = ` cells: ${roles.map((role) => printableLine(role.name)).join(', ')}`;
  return [line, look.paint('faint', truncate(names, width, ellipsis))];
}
