/**
 * Gathers single requests into batches: everything that comes while a batch is under way goes into the next. One batch
 * at a time, at most `maxBatch` items; a caller's promise settles when its batch has been committed. The pump cannot die:
 * a batch that fails is tried again or split, and only an item that fails alone rejects its caller (engine-rules 12).
 */
export type PumpOptions<T, R> = {
  maxBatch: number;
  /** Handles a batch; answers in the order of the items. */
  run: (items: T[]) => Promise<R[]>;
  /** What to do when a whole batch failed: the same again, halves, or give up (for each item). */
  onError: (error: unknown, tries: number) => 'again' | 'split' | 'reject';
  /** Waits between tries; milliseconds by number of tries so far. */
  pause: (tries: number) => Promise<void>;
  /** Waits for more after a batch of so many items, when the next would not be full: where a batch costs more than its items. */
  gather?: (taken: number) => Promise<void>;
};

type Waiting<T, R> = { item: T; resolve: (answer: R) => void; reject: (error: unknown) => void };

export class Pump<T, R> {
  private waiting: Waiting<T, R>[] = [];
  private active: Promise<void> | undefined;

  constructor(private readonly options: PumpOptions<T, R>) {}

  /** Resolves with the item's answer once its batch is done. */
  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      this.active ??= this.drain();
    });
  }

  /** Resolves when nothing is waiting or under way. */
  async idle(): Promise<void> {
    while (this.active) await this.active;
  }

  private async drain(): Promise<void> {
    // A turn of the event loop, so that what arrives together goes together.
    await new Promise((resolve) => setImmediate(resolve));
    const { maxBatch, gather } = this.options;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, maxBatch);
      await this.handle(batch, 0);
      if (gather && this.waiting.length < maxBatch) await gather(batch.length);
    }
    this.active = undefined;
  }

  /** Never rejects: whatever fails is told to the callers of the batch. */
  private async handle(batch: Waiting<T, R>[], tries: number): Promise<void> {
    try {
      const answers = await this.options.run(batch.map((entry) => entry.item));
      if (answers.length !== batch.length) throw new Error(`a batch of ${batch.length} was given ${answers.length} answers`);
      batch.forEach((entry, index) => entry.resolve(answers[index] as R));
    } catch (error) {
      await this.recover(batch, tries, error).catch((failure: unknown) => {
        for (const entry of batch) entry.reject(failure);
      });
    }
  }

  private async recover(batch: Waiting<T, R>[], tries: number, error: unknown): Promise<void> {
    const verdict = this.options.onError(error, tries);
    if (verdict === 'again') {
      await this.options.pause(tries);
      return this.handle(batch, tries + 1);
    }
    if (verdict === 'split' && batch.length > 1) {
      const middle = batch.length >> 1;
      await this.handle(batch.slice(0, middle), 0);
      return this.handle(batch.slice(middle), 0);
    }
    for (const entry of batch) entry.reject(error);
  }
}
