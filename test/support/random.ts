/** Seeded choices: the same seed makes the same ones, on every machine. */

export type Random = {
  /** 0 <= n < `below`; 0 when `below` is 0. */
  below(below: number): number;
  /** from <= n <= to */
  between(from: number, to: number): number;
  chance(probability: number): boolean;
  /** Throws when there is nothing to pick from. */
  pick<T>(from: readonly T[]): T;
  /** By weight; a weight of 0 is never picked. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T;
};

/** mulberry32: small, good enough to pick with. */
export function randomOf(seed: number): Random {
  let a = seed | 0;
  const unit = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number) => Math.floor(unit() * n);
  return {
    below,
    between: (from, to) => from + below(to - from + 1),
    chance: (probability) => unit() < probability,
    pick: (from) => {
      const picked = from[below(from.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
    weighted: (weights) => {
      const entries = Object.entries(weights) as [keyof typeof weights, number][];
      let left = unit() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) if ((left -= weight) < 0) return name;
      throw new Error('nothing to pick from');
    },
  };
}
