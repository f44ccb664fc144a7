import { describe, expect, it } from '@jest/globals';
import { fuzz, ROUND } from '../../../scripts/fuzz/fuzz.js';
import { MAX_RISE, whatRose } from '../../../scripts/fuzz/memory.js';
import type { MakeTarget } from '../../../scripts/fuzz/target.js';
import { targets } from '../../../scripts/fuzz/targets.js';

describe('npm run fuzz', () => {
  it.each(Object.keys(targets))('attack 8: nothing is thrown by 20,000 mutated packets of %s, and some are answered', (name) => {
    const make = targets[name]?.make;
    if (make === undefined) throw new Error(name);
    const result = fuzz(make, { packets: 20_000, seed: 20_261_121 });
    expect(result.failure).toBeUndefined();
    expect(result.packets).toBe(20_000);
    expect(result.answered).toBeGreaterThan(1_000);
  });

  it.each(Object.keys(targets))('makes the same packets of %s from the same seed', (name) => {
    const make = targets[name]?.make;
    if (make === undefined) throw new Error(name);
    expect(packetsOf(make, 7)).toEqual(packetsOf(make, 7));
    expect(packetsOf(make, 7)).not.toEqual(packetsOf(make, 8));
  });

  it('names a seed and a count that replay the packet that broke something', () => {
    // Breaks on one packet in some hundred thousand, so that it happens in a later round.
    const fragile: MakeTarget = (random) => ({
      next: () => Buffer.from([random.below(256), random.below(256), random.below(4)]),
      take(packet) {
        if (packet.equals(Buffer.from([1, 2, 3]))) throw new Error('one, two, three');
        return true;
      },
    });
    const { failure } = fuzz(fragile, { packets: 100 * ROUND, seed: 5 });
    expect(failure).toMatchObject({ hex: '010203', error: expect.stringContaining('one, two, three') });
    const again = fuzz(fragile, { packets: failure?.packets ?? 0, seed: failure?.seed ?? 0 });
    expect(again.failure).toMatchObject({ hex: failure?.hex, seed: failure?.seed, packets: failure?.packets });
    expect(again.packets).toBe(failure?.packets);
  });

  it('calls memory flat when it wavers, and not when every packet leaves something', () => {
    const samples = (perPacket: number) =>
      Array.from({ length: 40 }, (_, index) => ({
        packets: index * ROUND,
        heap: 8e6 + (index % 3) * 1e5 + perPacket * index * ROUND,
        resident: 9e7 + (index % 5) * 1e6 + (index < 10 ? index * 5e6 : 5e7),
      }));
    expect(whatRose(samples(0))).toEqual([]);
    expect(whatRose(samples((2 * MAX_RISE.heap) / (40 * ROUND)))).toEqual([expect.stringContaining('heap memory rose by')]);
  });
});

function packetsOf(make: MakeTarget, seed: number): string[] {
  const hex: string[] = [];
  const seen: MakeTarget = (random) => {
    const target = make(random);
    return {
      next: target.next,
      take(packet) {
        hex.push(packet.toString('hex'));
        return target.take(packet);
      },
    };
  };
  fuzz(seen, { packets: 200, seed });
  return hex;
}
