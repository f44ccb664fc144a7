/**
 * Lets a bounded number of machines boot at once, in the order they came. A rack whose power returns would otherwise run
 * every machine's firmware in the same second, which no data centre's power sequencing does.
 */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place; the returned function gives it back and may be called twice. Rejects when the signal fires first. */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const admitted = () => {
        signal.removeEventListener('abort', cancelled);
        resolve();
      };
      const cancelled = () => {
        this.#waiting.splice(this.#waiting.indexOf(admitted), 1);
        reject(signal.reason);
      };
      this.#waiting.push(admitted);
      signal.addEventListener('abort', cancelled, { once: true });
    });
  }
}
