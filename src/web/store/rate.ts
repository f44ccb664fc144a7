/** Transitions per second over the last minute, as a ring of whole seconds: pure, the clock is handed in. */

export const RATE_SECONDS = 60;
/** The number shown is a mean over this many finished seconds: long enough to read, short enough to feel live. */
const MEAN_SECONDS = 5;

export interface Rate {
  /** The second the last entry of `counts` counts, since the epoch. */
  readonly second: number;
  /** Oldest first; the last one is still being counted. */
  readonly counts: readonly number[];
}

export function newRate(now: number): Rate {
  return { second: Math.floor(now / 1000), counts: zeros(RATE_SECONDS) };
}

/** Adds `count` transitions seen at `now`; with 0 it only lets time pass. The same object when nothing changed. */
export function tick(rate: Rate, now: number, count: number): Rate {
  const second = Math.floor(now / 1000);
  const passed = Math.min(RATE_SECONDS, Math.max(0, second - rate.second));
  if (passed === 0 && count === 0) return rate;
  const counts = [...rate.counts.slice(passed), ...zeros(passed)];
  counts[RATE_SECONDS - 1] = (counts[RATE_SECONDS - 1] ?? 0) + count;
  return { second: Math.max(second, rate.second), counts };
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

export function perSecond(rate: Rate): number {
  const finished = rate.counts.slice(-1 - MEAN_SECONDS, -1);
  return finished.reduce((sum, count) => sum + count, 0) / MEAN_SECONDS;
}
