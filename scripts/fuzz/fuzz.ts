/** The loop: rounds of packets, each from a fresh target and a seed of its own, until the count is reached or something breaks. */
import { inspect } from 'node:util';
import { randomOf } from '../../test/support/random.js';
import type { MakeTarget } from './target.js';
import type { MemorySample } from './memory.js';

/** Packets of one round. Long enough that what a target keeps by mistake shows in its memory. */
export const ROUND = 50_000;

export type Failure = {
  /** Replays it: `--seed <seed> --packets <packets>`. */
  readonly seed: number;
  readonly packets: number;
  readonly hex: string;
  readonly error: string;
};

export type FuzzResult = { readonly packets: number; readonly answered: number; readonly samples: readonly MemorySample[]; readonly failure?: Failure };

export type FuzzOptions = {
  readonly packets: number;
  readonly seed: number;
  /** Called after each round. */
  readonly onRound?: (packets: number, answered: number) => void;
};

/** Round `n` has seed + n, so that the round that fails is replayed as the first one of its own run. */
export function fuzz(makeTarget: MakeTarget, { packets, seed, onRound }: FuzzOptions): FuzzResult {
  const samples: MemorySample[] = [];
  let done = 0;
  let answered = 0;
  for (let round = 0; done < packets; round += 1) {
    const target = makeTarget(randomOf(seed + round));
    const end = Math.min(packets, done + ROUND);
    const begin = done;
    while (done < end) {
      const packet = target.next();
      done += 1;
      try {
        if (target.take(packet)) answered += 1;
      } catch (error) {
        const failure = { seed: seed + round, packets: done - begin, hex: packet.toString('hex'), error: inspect(error) };
        return { packets: done, answered, samples, failure };
      }
    }
    samples.push(sample(done));
    onRound?.(done, answered);
  }
  return { packets: done, answered, samples };
}

function sample(packets: number): MemorySample {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { packets, heap: heapUsed, resident: rss };
}
