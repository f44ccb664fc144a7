/** The board for a pipe or a log file: one line at a time, no colours, nothing redrawn. PURE. */
import { durationText, countText, rateText } from '../terminal/words.js';
import { printableLine } from '../terminal/text-width.js';
import { countPhases } from './phases.js';
import type { Milestone } from './outcome.js';
import type { BoardFrame } from './render.js';

function phasesText(frame: BoardFrame): string {
  return countPhases(frame.rows)
    .map(([phase, count]) => `${printableLine(phase)} ${count}`)
    .join(', ');
}

/** The whole board in one line, printed each two seconds. */
export function progressLine(frame: BoardFrame): string {
  const { totals } = frame;
  const { counts } = totals;
  const clock = durationText(frame.elapsedSeconds).padStart(6);
  const nodes = `${totals.alive}/${totals.nodes} nodes alive${totals.nodes === 0 ? '' : ` (${phasesText(frame)})`}`;
  const name = frame.deployment?.name ?? frame.deploymentName;
  if (frame.deployment === null) return `${clock}  ${nodes}; deployment ${name} is not there yet${frame.note === '' ? '' : `; ${frame.note}`}`;
  const noderoles = `${counts.ACTIVE}/${totals.noderoles} noderoles active, ${counts.TRANSITION} running, ${counts.TODO} ready, ${counts.BLOCKED} blocked, ${counts.ERROR} error`;
  return `${clock}  ${nodes}; ${name}: ${noderoles}; ${rateText(frame.transitionsPerSecond)} transitions/s`;
}

/** One node that reached ACTIVE or ERROR. `reason` is what went wrong, empty for ACTIVE. */
export function milestoneLine(milestone: Milestone, elapsedSeconds: number, reason: string): string {
  const { row, reached } = milestone;
  const clock = durationText(elapsedSeconds).padStart(6);
  const name = printableLine(row.name);
  return reached === 'ACTIVE' ? `${clock}  ${name} ACTIVE (${countText(row.total, 'noderole')})` : `${clock}  ${name} ERROR: ${printableLine(reason)}`;
}
