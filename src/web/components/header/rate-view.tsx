import type { Rate } from '../../store/rate.js';

const WIDTH = 96;
const HEIGHT = 22;

/** Transitions per second: the number, and the last minute as a line of bars. */
export function RateView({ rate, perSecond }: { rate: Rate; perSecond: number }) {
  const highest = Math.max(4, ...rate.counts);
  const step = WIDTH / rate.counts.length;
  const bars = rate.counts
    .map((count, index) =>
      count === 0 ? '' : `M${(index * step + step / 2).toFixed(1)} ${HEIGHT}V${(HEIGHT - Math.max(2, (count / highest) * HEIGHT)).toFixed(1)}`,
    )
    .join('');
  const words = perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1);
  return (
    <span class="rate" title="Noderoles that changed state per second: mean of the last 5 s, and the last minute">
      <svg class="rate-bars" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <path class="rate-floor" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path d={bars} />
      </svg>
      <span class="rate-number">
        {words}
        <span class="unit"> /s</span>
      </span>
    </span>
  );
}
