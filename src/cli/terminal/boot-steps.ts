/** Steps of a boot as lines. Pure. What a machine said is made printable here (attack 7). */
import type { BootStep } from '../answers.js';
import type { Look, Tone } from './look.js';
import { fit, printableLine } from './text-width.js';

const TITLE_WIDTH = 30;
const GAP_WIDTH = 9;
const TONES: Record<BootStep['tone'], Tone> = { good: 'active', plain: 'running', bad: 'error' };

/** `15:04:05.123    +3.2 s  OFFER sent   127.77.0.10, undionly.kpxe`; the gap is to the step before. */
export function bootStepText(step: BootStep, before: BootStep | undefined, look: Look): string {
  const time = step.at.slice(11, 23);
  const gapMs = before === undefined ? 0 : Date.parse(step.at) - Date.parse(before.at);
  const gap = before === undefined ? '' : `+${(Math.max(0, gapMs) / 1000).toFixed(gapMs < 10_000 ? 3 : 0)} s`;
  const mark = step.tone === 'bad' ? look.glyphs.error : step.tone === 'good' ? look.glyphs.active : look.glyphs.dot;
  const title = fit(printableLine(step.title), TITLE_WIDTH, look.glyphs.ellipsis);
  return `${look.paint('dim', time)} ${look.paint(gapMs >= 3_000 ? 'warn' : 'faint', fit(gap, GAP_WIDTH, look.glyphs.ellipsis, 'right'))}  ${look.paint(TONES[step.tone], `${mark} ${title}`)} ${printableLine(step.text)}`.trimEnd();
}

/** All of them, with the day where it changes. Times are UTC. */
export function bootTimelineText(steps: readonly BootStep[], look: Look): string {
  const lines: string[] = [];
  let day = '';
  steps.forEach((step, index) => {
    const own = step.at.slice(0, 10);
    if (own !== day) lines.push(look.paint('title', `${own} UTC`));
    day = own;
    lines.push(bootStepText(step, steps[index - 1], look));
  });
  return lines.join('\n');
}
