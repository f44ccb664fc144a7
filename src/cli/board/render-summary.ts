/** The fleet in a few lines when it is too large for a line each: how many nodes are in which boot phase, how far each role is. PURE. */
import { progressBar } from '../terminal/bar.js';
import { fit, printableLine } from '../terminal/text-width.js';
import type { Look } from '../terminal/look.js';
import { countPhases, PHASES, phaseTone } from './phases.js';
import type { BoardRow, RoleProgress } from './rows.js';

const MOST_ROLES = PHASES.length;

/** Lines the summary takes, its headings included. */
export const SUMMARY_LINES = 1 + PHASES.length;

function phaseColumn(rows: readonly BoardRow[], width: number, look: Look): string[] {
  const digits = Math.max(4, String(rows.length).length);
  const barWidth = Math.max(4, width - 1 - 10 - 1 - digits - 1);
  const counts = new Map(countPhases(rows));
  // All are always shown, so that nothing jumps when one empties.
  return PHASES.map((phase) => {
    const count = counts.get(phase) ?? 0;
    const cells = rows.length === 0 ? 0 : Math.min(barWidth, Math.ceil((count * barWidth) / rows.length));
    const tone = count === 0 ? 'faint' : phaseTone(phase);
    const bar = look.paint(phaseTone(phase), look.glyphs.barActive.repeat(cells)) + ' '.repeat(barWidth - cells);
    return ` ${look.paint(tone, fit(phase, 10))} ${look.paint(count === 0 ? 'faint' : 'plain', String(count).padStart(digits))} ${bar}`;
  });
}

function roleColumn(roles: readonly RoleProgress[], width: number, look: Look): string[] {
  const shown = roles.length > MOST_ROLES ? roles.slice(0, MOST_ROLES - 1) : roles;
  const digits = Math.max(1, ...roles.map((role) => String(role.total).length));
  const name = Math.min(Math.floor(width * 0.45), Math.max(4, ...roles.map((role) => role.name.length)));
  const share = digits * 2 + 1;
  const barWidth = Math.max(4, width - name - share - 4);
  const lines = shown.map((role) => {
    const { counts, total } = role;
    const parts = { active: counts.ACTIVE, running: counts.TRANSITION, error: counts.ERROR, total };
    const tone = counts.ERROR > 0 ? 'error' : total > 0 && counts.ACTIVE === total ? 'active' : 'plain';
    const text = fit(`${counts.ACTIVE}/${total}`, share, '', 'right');
    return `${look.paint(tone, fit(printableLine(role.name), name, look.glyphs.ellipsis))}  ${progressBar(look, barWidth, parts)} ${look.paint('dim', text)} `;
  });
  if (shown.length < roles.length) lines.push(look.paint('faint', fit(`and ${roles.length - shown.length} more roles`, width)));
  return lines;
}

/** Boot phases on the left, roles on the right. Always SUMMARY_LINES lines. */
export function renderSummary(rows: readonly BoardRow[], roles: readonly RoleProgress[], width: number, look: Look): string[] {
  const left = Math.floor(width * 0.42);
  const right = width - left - 3;
  const phases = phaseColumn(rows, left, look);
  const progress = roleColumn(roles, right, look);
  const head = look.paint('faint', ` ${fit('BOOT PHASE', left - 1)}   ${roles.length === 0 ? '' : 'ROLES'}`.trimEnd());
  return [head, ...phases.map((line, index) => (progress[index] === undefined ? line.trimEnd() : `${line}   ${progress[index]}`))];
}
