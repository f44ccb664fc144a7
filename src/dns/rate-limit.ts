/**
 * PURE (time is given): how many answers a block of addresses gets each second. A forged source is answered little, so that we
 * are no amplifier (response rate limiting); every second answer over the limit is a truncated one, so that a real client
 * comes back by TCP, which cannot be forged.
 */

export type RateVerdict = 'answer' | 'truncate' | 'drop';

export type RateLimitOptions = { readonly perSecond: number; readonly burst: number };

/** Blocks remembered; when full the oldest is forgotten, so memory is bounded whatever is forged. */
const MAX_BLOCKS = 20_000;

type Bucket = { tokens: number; at: number; slips: number };

export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** `address`: dotted quad; its /24 shares one bucket. `nowMs`: monotonic. */
  take(address: string, nowMs: number): RateVerdict {
    const block = address.slice(0, address.lastIndexOf('.'));
    const bucket = this.#bucketOf(block, nowMs);
    const { perSecond, burst } = this.#options;
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.at) / 1000) * perSecond);
    bucket.at = nowMs;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 'answer';
    }
    bucket.slips += 1;
    return bucket.slips % 2 === 0 ? 'truncate' : 'drop';
  }

  /** Blocks remembered now. */
  get size(): number {
    return this.#buckets.size;
  }

  #bucketOf(block: string, nowMs: number): Bucket {
    const known = this.#buckets.get(block);
    if (known !== undefined) return known;
    if (this.#buckets.size >= MAX_BLOCKS) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) this.#buckets.delete(oldest.value);
    }
    const made = { tokens: this.#options.burst, at: nowMs, slips: 0 };
    this.#buckets.set(block, made);
    return made;
  }
}
