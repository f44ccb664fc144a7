import type { Look, Tone } from './look.js';

/** How many of a bar's things are in which condition; what is left of the total is the rest. */
export type BarParts = { active: number; running: number; error: number; total: number };

/**
 * Cells for each part of a bar, in the order given, adding up to `width` together with the rest. What exists is seen: a part
 * that is not zero has a cell where there is room, and only a complete bar looks complete.
 */
export function shareCells(counts: readonly number[], total: number, width: number): number[] {
  if (total <= 0 || width <= 0) return counts.map(() => 0);
  const cells = counts.map((count) => (count <= 0 ? 0 : Math.max(1, Math.floor((count * width) / total))));
  const counted = counts.reduce((sum, count) => sum + count, 0);
  const room = counted >= total ? width : width - 1;
  let used = cells.reduce((sum, count) => sum + count, 0);
  while (used > room && used > 0) {
    const largest = cells.indexOf(Math.max(...cells));
    cells[largest] = (cells[largest] ?? 0) - 1;
    used -= 1;
  }
  if (counted >= total && used < width) {
    const largest = cells.indexOf(Math.max(...cells));
    cells[largest] = (cells[largest] ?? 0) + width - used;
  }
  return cells;
}

/** A progress bar of exactly `width` columns: done, failed, running, then what has not begun. */
export function progressBar(look: Look, width: number, parts: BarParts): string {
  const [active = 0, error = 0, running = 0] = shareCells([parts.active, parts.error, parts.running], parts.total, width);
  const { barActive, barError, barRunning, barRest } = look.glyphs;
  // With colours one character for all of it is the calmer picture; without, the character has to tell the part.
  const draw = (tone: Tone, glyph: string, cells: number) => look.paint(tone, (look.colour ? barActive : glyph).repeat(cells));
  const rest = Math.max(0, width - active - error - running);
  return draw('active', barActive, active) + draw('error', barError, error) + draw('running', barRunning, running) + draw('faint', barRest, rest);
}
