/** What setTimeout takes at most. */
const LONGEST_TIMER_MS = 2_147_483_647;

/**
 * The time a jig has. It stands still while a step goes on that may not be broken off, and is looked at when that ends. A
 * plain timer, not AbortSignal.timeout, which lives on for the whole time of thousands of short runs a second.
 */
export class Deadline {
  private readonly timer: NodeJS.Timeout;
  private held = 0;
  private over = false;

  constructor(
    ms: number,
    private readonly onOver: () => void,
  ) {
    this.timer = setTimeout(
      () => {
        this.over = true;
        this.check();
      },
      Math.min(ms, LONGEST_TIMER_MS),
    );
  }

  hold(): void {
    this.held += 1;
  }

  release(): void {
    this.held -= 1;
    this.check();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private check(): void {
    if (this.over && this.held === 0) this.onOver();
  }
}
