/**
 * One turn of a run in this process: whether it is still ours, and what its jig stops on. Thousands of runs a second are over
 * before anything happens to them: what only a stop needs (the signal, its listeners) is made when it is asked for.
 */
export class Hold {
  /** Monotonic milliseconds: when the lease was last asked for, and when the run came to us. */
  renewedAtMs: number;
  readonly heldAtMs: number;
  private controller: AbortController | undefined;
  private stopped: Error | undefined;
  private taken: Error | undefined;
  private listener: (() => void) | undefined;

  constructor(
    readonly fence: number,
    renewedAtMs: number,
    heldAtMs: number,
  ) {
    this.renewedAtMs = renewedAtMs;
    this.heldAtMs = heldAtMs;
  }

  /** Why the run was taken away from us; undefined while it is ours. */
  get lost(): Error | undefined {
    return this.taken;
  }

  get isStopped(): boolean {
    return this.stopped !== undefined;
  }

  /** Aborts when the jig has to stop, for whatever reason. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.stopped !== undefined) this.controller.abort(this.stopped);
    }
    return this.controller.signal;
  }

  /** The run is ours no more: its jig stops. */
  lose(reason: Error): void {
    this.taken ??= reason;
    this.stop(reason);
  }

  /** The jig has to stop, its run stays ours. The first reason stands. */
  stop(reason: Error): void {
    if (this.stopped !== undefined) return;
    this.stopped = reason;
    this.controller?.abort(reason);
    this.listener?.();
  }

  /** Called once when the jig has to stop; at once if it has to already. One listener, the last. */
  onStop(listener: () => void): void {
    this.listener = listener;
    if (this.stopped !== undefined) listener();
  }
}
