import type { Client } from '../api.js';
import { fillOf } from '../store/fill.js';

type Range = Awaited<ReturnType<Client['networks']['get']>>['ranges'][number];

/** How full a range is: what is a machine's own, what is leased besides, and the words for who sees no bar. */
export function FillBar({ range }: { range: Range }) {
  const fill = fillOf(range);
  return (
    <div class={`fill f-${fill.tone}`}>
      <span class="fill-name">
        {range.name}{' '}
        <span class="muted">
          {range.first} to {range.last}
        </span>
      </span>
      <span class="fill-bar" role="meter" aria-label={`Range ${range.name}`} aria-valuenow={fill.percent} aria-valuemin={0} aria-valuemax={100}>
        <span class="fill-own" style={{ width: `${fill.ownPercent}%` }} />
        <span class="fill-leased" style={{ width: `${fill.leasedPercent}%` }} />
      </span>
      <span class="fill-words">{fill.words}</span>
    </div>
  );
}
