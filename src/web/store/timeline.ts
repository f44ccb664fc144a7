/** The boot timeline made readable: the four packets of a lease are one line, and silences stand out. Pure. */
import { timeOf } from './words.js';

export interface TimelineItem {
  readonly at: string;
  readonly source: string;
  readonly id: number;
  readonly kind: string;
  readonly text: string;
}

export interface TimelineLine {
  readonly key: string;
  readonly at: number | null;
  readonly source: string;
  /** What the steps have in common: `dhcp`, `tftp`, `http`, or the kind itself. */
  readonly family: string;
  /** `discover, offer, request, ack`; '' for a step that stands alone. */
  readonly steps: string;
  readonly text: string;
  /** Seconds of silence before it, 0 when there was none worth a word. */
  readonly silence: number;
}

/** Steps further apart than this are lines of their own: the gap is the news. */
const FOLD_MS = 2000;
const SILENCE_SECONDS = 15;
const FOLDED = new Set(['dhcp', 'tftp', 'http']);

/** Newest first. */
export function foldTimeline(items: readonly TimelineItem[]): TimelineLine[] {
  const lines: { line: TimelineLine; lastAt: number | null }[] = [];
  for (const item of items) {
    const at = timeOf(item.at);
    const [head = item.kind] = item.kind.split('-', 1);
    const isFolded = item.source === 'boot' && FOLDED.has(head) && item.kind !== head;
    const family = isFolded ? head : item.kind;
    const step = isFolded ? item.kind.slice(head.length + 1) : '';
    const last = lines.at(-1);
    if (
      isFolded &&
      last !== undefined &&
      last.line.family === family &&
      (at ?? 0) - (last.lastAt ?? 0) <= FOLD_MS &&
      !last.line.steps.split(', ').includes(step)
    ) {
      last.line = { ...last.line, steps: `${last.line.steps}, ${step}`, text: item.text === '' ? last.line.text : item.text };
      last.lastAt = at;
      continue;
    }
    const silence = last === undefined ? 0 : ((at ?? 0) - (last.lastAt ?? 0)) / 1000;
    const key = `${item.source} ${item.id} ${item.kind}`;
    lines.push({ line: { key, at, source: item.source, family, steps: step, text: item.text, silence: silence >= SILENCE_SECONDS ? silence : 0 }, lastAt: at });
  }
  return lines.map(({ line }) => line).toReversed();
}

/** The boot phase whose glyph fits a line. */
export function phaseOfLine(line: TimelineLine): string {
  if (line.family === 'http') return /kernel|initrd/.test(line.steps) ? 'kernel' : /answers/.test(line.steps) ? 'installing' : 'ipxe';
  if (line.family.startsWith('disk')) return 'disk';
  return line.family === 'facts' || line.family.startsWith('heartbeat') ? 'agent' : line.family;
}
