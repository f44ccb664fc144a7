/** What is fuzzed: a maker of packets and something that takes them. */
import type { Random } from '../../test/support/random.js';

/** A target in one state. Made anew for each round, so that a round can be replayed by its seed alone. */
export type Target = {
  /** The next packet: a view of a buffer that the next call overwrites. */
  readonly next: () => Buffer;
  /** Gives it to the code under test. Throws when that throws, or when its answer breaks a promise. `true`: it was answered. */
  readonly take: (packet: Buffer) => boolean;
};

export type MakeTarget = (random: Random) => Target;
