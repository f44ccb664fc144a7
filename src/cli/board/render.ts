/** The board as lines of text, PURE: every line at most `width` columns, and at most `height` lines. */
import { progressBar } from '../terminal/bar.js';
import { displayWidth, fit, printableLine, truncate } from '../terminal/text-width.js';
import { durationText, rateText } from '../terminal/words.js';
import type { Look, Tone } from '../terminal/look.js';
import type { BoardRow, BoardTotals, RoleProgress } from './rows.js';
import { chooseRows } from './rows.js';
import { renderNodes, renderNodesHead, renderLegend } from './render-nodes.js';
import { renderSummary, SUMMARY_LINES } from './render-summary.js';

/** Everything on one picture. */
export type BoardFrame = {
  url: string;
  tokenFile: string;
  elapsedSeconds: number;
  deployment: { name: string; committed: boolean } | null;
  /** Name of the deployment that is waited for, when there is none yet. */
  deploymentName: string;
  transitionsPerSecond: number;
  totals: BoardTotals;
  roles: readonly RoleProgress[];
  rows: readonly BoardRow[];
  /** Nodes that had a line on the picture before. */
  shown: ReadonlySet<number>;
  /** One sentence at the bottom: what is waited for, or what is wrong. Empty for none. */
  note: string;
};

export type Size = { width: number; height: number };

/** The lines, and the nodes that have one, for the next frame's `shown`. */
export type Picture = { lines: string[]; shown: ReadonlySet<number> };

/** Above this many nodes the lines are too many to read even where they would fit. */
const MOST_LINES = 30;
const NARROWEST = 40;
/** Lines from which there is room for everything. */
const SPACIOUS = 30;
/** Wider than this, the eye loses the line between a node's name and its bar. */
const WIDEST = 140;

/** Text on the left and on the right of one line; the left one gives way. */
function twoSides(left: readonly (readonly [Tone, string])[], right: readonly [Tone, string], width: number, look: Look): string {
  let room = width - displayWidth(right[1]) - 1;
  let line = '';
  for (const [tone, text] of left) {
    const cut = truncate(text, room, look.glyphs.ellipsis);
    room -= displayWidth(cut);
    line += look.paint(tone, cut);
  }
  return line + ' '.repeat(Math.max(1, room + 1)) + look.paint(right[0], right[1]);
}

function keepEnd(text: string, columns: number, ellipsis: string): string {
  return displayWidth(text) <= columns ? text : ellipsis + text.slice(text.length - Math.max(0, columns - displayWidth(ellipsis)));
}

function titleLine(frame: BoardFrame, width: number, look: Look): string {
  // Widths of what changes are held, so that the path beside it does not move with every second.
  const elapsed = `${rateText(frame.transitionsPerSecond).padStart(5)}/s  ${durationText(frame.elapsedSeconds).padStart(5)}`;
  const fixed = displayWidth(` prybar  ${frame.url}   token `) + displayWidth(elapsed) + 2;
  const token = keepEnd(printableLine(frame.tokenFile), width - fixed, look.glyphs.ellipsis);
  const left = [
    ['title', ' prybar  '],
    ['strong', frame.url],
    ['dim', '   token '],
    ['plain', token],
  ] as const;
  return twoSides(left, ['dim', elapsed], width, look);
}

function deploymentLine(frame: BoardFrame, width: number, look: Look): string {
  const { counts, noderoles } = frame.totals;
  const name = frame.deployment?.name ?? frame.deploymentName;
  const state = frame.deployment === null ? 'not there yet' : frame.deployment.committed ? 'committed' : 'proposed';
  const percent = `${noderoles === 0 ? 0 : Math.floor((counts.ACTIVE * 100) / noderoles)} %`.padStart(5);
  const label = fit(` ${printableLine(name)}`, Math.min(24, Math.max(8, displayWidth(name) + 3)), look.glyphs.ellipsis);
  const stateText = fit(state, 14);
  const bar = width - displayWidth(label) - displayWidth(stateText) - percent.length;
  const parts = {
    active: counts.ACTIVE,
    running: counts.TRANSITION,
    error: counts.ERROR,
    total: noderoles,
  };
  return look.paint('strong', label) + look.paint('dim', stateText) + progressBar(look, bar, parts) + look.paint('strong', percent);
}

function totalsLine(frame: BoardFrame, width: number, look: Look): string {
  const { counts, noderoles, nodes, alive } = frame.totals;
  const digits = String(noderoles).length;
  const number = (value: number) => String(value).padStart(digits);
  const parts: [Tone, string][] = [
    ['plain', ` ${String(alive).padStart(String(nodes).length)}/${nodes} alive`],
    ['active', `${number(counts.ACTIVE)} active`],
    [counts.ERROR > 0 ? 'error' : 'faint', `${number(counts.ERROR)} error`],
    ['running', `${number(counts.TRANSITION)} running`],
    ['ready', `${number(counts.TODO)} ready`],
    ['blocked', `${number(counts.BLOCKED)} blocked`],
  ];
  if (counts.PROPOSED > 0) parts.push(['dim', `${number(counts.PROPOSED)} proposed`]);
  const gap = width >= 100 ? '   ' : '  ';
  let room = width;
  let line = '';
  for (const [index, [tone, text]] of parts.entries()) {
    const cut = truncate(index === 0 ? text : gap + text, room, look.glyphs.ellipsis);
    room -= displayWidth(cut);
    line += look.paint(tone, cut);
  }
  return line;
}

/**
 * Draws one frame. Up to 30 nodes that fit the height get a line each; otherwise there is a summary by boot phase and by role, and lines for the nodes in
 * error or furthest behind.
 */
export function renderBoard(frame: BoardFrame, size: Size, look: Look): Picture {
  const width = Math.min(WIDEST, Math.max(NARROWEST, size.width));
  const head = [titleLine(frame, width, look), '', deploymentLine(frame, width, look), totalsLine(frame, width, look), ''];
  const note = frame.note === '' ? [] : [look.paint('warn', truncate(` ${printableLine(frame.note)}`, width, look.glyphs.ellipsis))];
  const explained = renderLegend(frame.roles, width, look);
  // Headings of the nodes, and the blank line after them.
  const around = head.length + 2 + note.length;
  const all = frame.rows.length <= MOST_LINES && around + explained.length + frame.rows.length <= size.height;
  // On a small terminal the lines of nodes in trouble are worth more than what the marks mean.
  const legend = all || size.height >= SPACIOUS ? explained : [];
  const fixed = around + legend.length;
  const summary = all ? [] : [...renderSummary(frame.rows, frame.roles, width, look), ''];
  const room = size.height - fixed - (all ? 0 : SUMMARY_LINES + 1);
  const chosen = all ? [...frame.rows] : chooseRows(frame.rows, room, frame.shown);
  const body =
    chosen.length === 0
      ? []
      : [renderNodesHead(frame.rows, frame.roles.length, width, look), ...renderNodes(chosen, frame.rows, frame.roles.length, width, look), ''];
  const lines = [...head, ...summary, ...body, ...legend, ...note];
  return {
    lines: lines.slice(0, Math.max(1, size.height)),
    shown: new Set(chosen.map((row) => row.id)),
  };
}
