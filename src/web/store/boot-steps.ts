/** The present boot as a vertical timeline: one line for what is repeated, and the silences between. Pure. */
import { timeOf } from './words.js';

export interface BootStep {
  readonly id: number;
  readonly at: string;
  readonly kind: string;
  readonly title: string;
  readonly tone: 'good' | 'plain' | 'bad';
  readonly text: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface BootLine {
  readonly key: string;
  readonly at: number | null;
  readonly title: string;
  readonly tone: BootStep['tone'];
  readonly text: string;
  /** How often the same was seen in a row; 1 for once. */
  readonly times: number;
  /** Share of a transfer that is under way, 0 to 1; null for anything else. */
  readonly share: number | null;
  /** Seconds since the line before; 0 for the first. */
  readonly gap: number;
}

/** From the step the present boot began with; all of them when it is not known. */
export function presentSteps(steps: readonly BootStep[], from: number | null): readonly BootStep[] {
  const begin = steps.findIndex((step) => step.id === from);
  return begin < 0 ? steps : steps.slice(begin);
}

/** Oldest first. DISCOVER and OFFER that firmware repeats are two lines, not twenty. */
export function bootLines(steps: readonly BootStep[]): BootLine[] {
  const lines: BootLine[] = [];
  let lastAt: number | null = null;
  for (const step of steps) {
    const at = timeOf(step.at);
    const same = lines.slice(-2).findIndex((line) => line.title === step.title && line.text === step.text);
    const place = same < 0 ? -1 : lines.length - Math.min(2, lines.length) + same;
    const before = lines[place];
    if (before === undefined) {
      const gap = lastAt === null || at === null ? 0 : Math.max(0, (at - lastAt) / 1000);
      lines.push({ key: String(step.id), at, title: step.title, tone: step.tone, text: step.text, times: 1, share: shareOf(step), gap });
    } else {
      lines[place] = { ...before, times: before.times + 1 };
    }
    lastAt = at;
  }
  return lines;
}

/** `x.efi 40 %` as 0.4. */
function shareOf(step: BootStep): number | null {
  const percent = step.kind === 'tftp-progress' ? /(\d{1,3}) ?%$/.exec(step.text)?.[1] : undefined;
  return percent === undefined ? null : Math.min(1, Number(percent) / 100);
}
