import { clockWords, durationWords, timeOf } from '../../store/words.js';
import { PhaseGlyph } from '../glyph.js';

export interface TimelineItem {
  readonly at: string;
  readonly source: string;
  readonly id: number;
  readonly kind: string;
  readonly text: string;
}

/** A gap longer than this is drawn: where a boot spent its time is what one looks for. */
const GAP_SECONDS = 20;

/** What happened to a node, newest first, with the silences between. */
export function TimelineView({ items }: { items: readonly TimelineItem[] }) {
  const newestFirst = [...items].reverse();
  return (
    <ol class="timeline">
      {newestFirst.map((item, index) => {
        const before = newestFirst[index + 1];
        const gap = before === undefined ? 0 : ((timeOf(item.at) ?? 0) - (timeOf(before.at) ?? 0)) / 1000;
        return (
          <li key={`${item.source}-${item.id}-${item.kind}`} class={`timeline-item from-${item.source}`}>
            <time dateTime={item.at}>{clockWords(timeOf(item.at))}</time>
            <span class="timeline-kind">
              {item.source === 'boot' && <PhaseGlyph phase={item.kind} />}
              {item.kind}
            </span>
            <span class="timeline-text">{item.text}</span>
            {gap > GAP_SECONDS && <span class="gap">{durationWords(gap)} before it</span>}
          </li>
        );
      })}
    </ol>
  );
}
