/** Damage to a packet that knows nothing of what is in it. */
import type { Random } from '../../test/support/random.js';

const EDGES = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff] as const;

/** Changes up to `most` places of `bytes` in place and gives the part that is left: bits, edge values, copied runs, a cut end. */
export function damage(bytes: Buffer, random: Random, most: number): Buffer {
  let rest = bytes;
  for (let left = random.between(1, most); left > 0 && rest.length > 1; left -= 1) {
    const at = random.below(rest.length);
    switch (random.below(6)) {
      case 0:
        rest[at] = (rest[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        rest[at] = random.pick(EDGES);
        break;
      case 2:
        rest[at] = random.below(256);
        break;
      case 3:
        rest.copyWithin(at, random.below(rest.length), rest.length);
        break;
      case 4:
        rest.fill(random.pick(EDGES), at, Math.min(rest.length, at + random.below(16)));
        break;
      default:
        // Cut seldom, or little would be left to damage.
        if (random.chance(0.3)) rest = rest.subarray(0, at);
    }
  }
  return rest;
}
