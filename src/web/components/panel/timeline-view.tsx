import { foldTimeline, phaseOfLine, type TimelineItem } from '../../store/timeline.js';
import { clockWords, durationWords } from '../../store/words.js';
import { PhaseGlyph } from '../glyph.js';

/** What happened to a node, newest first, with the silences between. */
export function TimelineView({ items }: { items: readonly TimelineItem[] }) {
  return (
    <ol class="timeline">
      {foldTimeline(items).map((line) => (
        <li key={line.key} class={`timeline-item from-${line.source}`}>
          <time>{clockWords(line.at)}</time>
          <span class="timeline-kind">
            {line.source === 'boot' && <PhaseGlyph phase={phaseOfLine(line)} />}
            {line.family}
          </span>
          <span class="timeline-text">
            {line.text}
            {line.steps !== '' && <span class="timeline-steps"> {line.steps}</span>}
          </span>
          {line.silence > 0 && <span class="gap">{durationWords(line.silence)} of silence before it</span>}
        </li>
      ))}
    </ol>
  );
}
