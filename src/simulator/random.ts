/** Uniform numbers in [0, 1), like Math.random, but the same for the same seed. */
export type Random = () => number;

/**
 * A stream of random numbers named by its seed; equal seeds give equal streams, so a rack's faults and staggering can be
 * repeated. Mulberry32 over an FNV-1a hash of the text: fast and good enough for jitter, never for secrets.
 */
export function createRandom(seed: string): Random {
  let state = 0x811c9dc5;
  for (let index = 0; index < seed.length; index += 1) {
    state = Math.imul(state ^ seed.charCodeAt(index), 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** A number spread evenly over `middle` plus or minus a quarter, so that a rack does not move in step. */
export function jitter(random: Random, middle: number): number {
  return middle * (0.75 + random() / 2);
}
