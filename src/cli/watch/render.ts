/** A deployment's progress as lines: one bar per role, one for all. PURE. */
import { progressBar } from '../terminal/bar.js';
import { displayWidth, fit, printableLine, truncate } from '../terminal/text-width.js';
import { durationText, rateText } from '../terminal/words.js';
import type { StateCounts } from '../answers.js';
import type { RoleProgress, BoardTotals } from '../board/rows.js';
import type { Look } from '../terminal/look.js';

export type WatchFrame = {
  name: string;
  elapsedSeconds: number;
  transitionsPerSecond: number;
  totals: BoardTotals;
  roles: readonly RoleProgress[];
  /** What is wrong with the server, or empty. */
  note: string;
};

const NARROWEST = 40;
const WIDEST = 110;
/** Lines that are not roles: the total, the counts, and the one that says how many roles are not shown. */
const OTHER_LINES = 5;

function bar(label: string, labelColumns: number, counts: StateCounts, total: number, width: number, strong: boolean, look: Look): string {
  const digits = Math.max(4, String(total).length);
  const share = `${String(counts.ACTIVE).padStart(digits)}/${String(total).padEnd(digits)}`;
  const parts = { active: counts.ACTIVE, running: counts.TRANSITION, error: counts.ERROR, total };
  const tone = counts.ERROR > 0 ? 'error' : total > 0 && counts.ACTIVE === total ? 'active' : strong ? 'strong' : 'plain';
  const columns = Math.max(4, width - 1 - labelColumns - 2 - 1 - share.length);
  return ` ${look.paint(tone, fit(printableLine(label), labelColumns, look.glyphs.ellipsis))}  ${progressBar(look, columns, parts)} ${look.paint('dim', share.trimEnd())}`;
}

/** The roles that matter when not all fit: what is not done stays, in cohort order. */
function shownRoles(roles: readonly RoleProgress[], room: number): RoleProgress[] {
  if (roles.length <= room) return [...roles];
  const open = roles.filter((role) => role.counts.ACTIVE < role.total);
  const done = roles.filter((role) => role.counts.ACTIVE === role.total);
  const kept = new Set([...open, ...done].slice(0, Math.max(1, room)));
  return roles.filter((role) => kept.has(role));
}

/** Draws one frame, at most `height` lines of at most `width` columns. */
export function renderWatch(frame: WatchFrame, size: { width: number; height: number }, look: Look): string[] {
  const width = Math.min(WIDEST, Math.max(NARROWEST, size.width));
  const roles = shownRoles(frame.roles, size.height - OTHER_LINES);
  const label = Math.min(Math.floor(width * 0.4), Math.max(8, displayWidth(frame.name), ...frame.roles.map((role) => displayWidth(role.name))));
  const { counts, noderoles } = frame.totals;
  const lines = roles.map((role) => bar(role.name, label, role.counts, role.total, width, false, look));
  if (roles.length < frame.roles.length) lines.push(look.paint('faint', ` and ${frame.roles.length - roles.length} more roles`));
  lines.push(bar(frame.name, label, counts, noderoles, width, true, look));
  const words = `${counts.TRANSITION} running, ${counts.TODO} ready, ${counts.BLOCKED} blocked, ${counts.ERROR} error`;
  const text = ` ${durationText(frame.elapsedSeconds)}  ${words}  ${rateText(frame.transitionsPerSecond)}/s${frame.note === '' ? '' : `  ${frame.note}`}`;
  lines.push(look.paint('dim', truncate(text, width, look.glyphs.ellipsis)));
  return lines;
}

/** The same in one line, for a pipe or a log file. */
export function watchLine(frame: WatchFrame): string {
  const { counts, noderoles } = frame.totals;
  const clock = durationText(frame.elapsedSeconds).padStart(6);
  const note = frame.note === '' ? '' : `; ${frame.note}`;
  return `${clock}  ${frame.name}: ${counts.ACTIVE}/${noderoles} active, ${counts.TRANSITION} running, ${counts.TODO} ready, ${counts.BLOCKED} blocked, ${counts.ERROR} error; ${rateText(frame.transitionsPerSecond)} transitions/s${note}`;
}
