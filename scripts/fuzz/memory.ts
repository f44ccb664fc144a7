/** PURE: whether memory is flat, from samples taken in the course of a run. */

export type MemorySample = {
  /** Packets so far. */
  readonly packets: number;
  /** Live heap after a collection, and the process's resident memory. Bytes. */
  readonly heap: number;
  readonly resident: number;
};

/** Bytes by which the fitted line rises between the first sample and the last. Least squares. */
export function riseOf(samples: readonly MemorySample[], field: 'heap' | 'resident'): number {
  const count = samples.length;
  if (count < 2) return 0;
  const meanX = samples.reduce((sum, one) => sum + one.packets, 0) / count;
  const meanY = samples.reduce((sum, one) => sum + one[field], 0) / count;
  let covariance = 0;
  let variance = 0;
  for (const one of samples) {
    covariance += (one.packets - meanX) * (one[field] - meanY);
    variance += (one.packets - meanX) ** 2;
  }
  const span = (samples.at(-1)?.packets ?? 0) - (samples[0]?.packets ?? 0);
  return variance === 0 ? 0 : (covariance / variance) * span;
}

/** The first quarter is left out: the engine's compiler and its heap settle there. */
export function steadyPart(samples: readonly MemorySample[]): readonly MemorySample[] {
  return samples.slice(Math.floor(samples.length / 4));
}

/** What counts as flat. One byte kept of each packet of ten million would be 10 MB. */
export const MAX_RISE = { heap: 2 * 1024 * 1024, resident: 32 * 1024 * 1024 } as const;

/** What rose too much, in words; empty when memory is flat. */
export function whatRose(samples: readonly MemorySample[]): string[] {
  const steady = steadyPart(samples);
  return (['heap', 'resident'] as const).flatMap((field) => {
    const rise = riseOf(steady, field);
    return rise > MAX_RISE[field] ? [`${field} memory rose by ${(rise / 1e6).toFixed(1)} MB, allowed are ${(MAX_RISE[field] / 1e6).toFixed(1)} MB`] : [];
  });
}
