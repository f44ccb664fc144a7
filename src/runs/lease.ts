/**
 * The leases of the runs that this process executes: renewed together, a sixth of their length apart at most, and looked at
 * in between. A run that neither finds was taken away, which is how a jig hears of a cancel within a second; a run that could not be renewed in time stops itself before its lease is over,
 * on this process's monotonic clock, so that nobody else can have begun it (engine-rules 1).
 */
import type { Queryable } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import { Hold } from './hold.js';

/** Between two looks at whether runs were taken away. A jig that is done within it is never looked at. */
const LOOK_MS = 500;
/** How long an answer of the database is waited for before it is asked anew. */
const PATIENCE_MS = 3000;

const monotonicMs = () => performance.now();
const TOO_LATE = 'the lease could not be renewed in time';

export class LeaseKeeper {
  private readonly held = new Map<number, Hold>();
  private timer: NodeJS.Timeout | undefined;
  private askedAtMs = Number.NEGATIVE_INFINITY;
  private readonly intervalMs: number;
  private readonly giveUpMs: number;

  /** `leaseSeconds` as given to start; a run gives up a fifth before its end. */
  constructor(
    private readonly db: Queryable,
    private readonly leaseSeconds: number,
    private readonly log: Logger,
  ) {
    this.intervalMs = (leaseSeconds * 1000) / 6;
    this.giveUpMs = leaseSeconds * 800;
  }

  /** Keeps the lease of a run whose start was asked for at `sinceMs` (monotonic). */
  hold(runId: number, fence: number, sinceMs = monotonicMs()): Hold {
    const hold = new Hold(fence, sinceMs, monotonicMs());
    this.held.set(runId, hold);
    // A process that was stopped between start and here may have lost it already.
    if (!this.isCertain(runId, fence)) hold.lose(new Error(TOO_LATE));
    this.timer ??= setInterval(() => this.tick(), Math.min(LOOK_MS, this.intervalMs));
    return hold;
  }

  /**
   * Whether this turn of the run is certainly still ours. Looked at on the clock and not on a timer: in a process that
   * was stopped for a while and goes on, the jig's own timers may fire before the one that aborts it (engine-rules 1).
   */
  isCertain(runId: number, fence: number): boolean {
    const held = this.held.get(runId);
    return held?.fence === fence && !held.isStopped && monotonicMs() - held.renewedAtMs <= this.giveUpMs;
  }

  /** Lets go of this turn of the run; a later one, which another fence tells apart, is kept. */
  release(runId: number, fence: number): void {
    if (this.held.get(runId)?.fence === fence) this.held.delete(runId);
    if (this.held.size === 0) this.stop();
  }

  /** Aborts everything held (the process is closing and its grace is over). */
  abortAll(reason: string): void {
    for (const held of this.held.values()) held.lose(new Error(reason));
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    // Looked at here and not after the renewal: one that never answers must not keep a run from stopping in time.
    for (const [, held] of this.held) if (monotonicMs() - held.renewedAtMs > this.giveUpMs) held.lose(new Error(TOO_LATE));
    void this.see();
  }

  private async see(): Promise<void> {
    const at = monotonicMs();
    // A database that is slow is not asked ever more; one that never answers is asked again.
    if (at - this.askedAtMs < PATIENCE_MS) return;
    this.askedAtMs = at;
    const all = [...this.held];
    const due = all.filter(([, held]) => at - held.renewedAtMs >= this.intervalMs);
    const looked = all.filter(([, held]) => at - held.renewedAtMs < this.intervalMs && at - held.heldAtMs >= LOOK_MS);
    try {
      await this.check(due, RENEW, [this.leaseSeconds], (held) => (held.renewedAtMs = Math.max(held.renewedAtMs, at)));
      await this.check(looked, LOOK, [], () => undefined);
    } catch (err) {
      this.log.warn({ err }, 'leases not renewed');
    } finally {
      this.askedAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  private async check(asked: [number, Hold][], text: string, more: unknown[], still: (held: Hold) => void): Promise<void> {
    if (asked.length === 0) return;
    const { rows } = await this.db.query<{ id: number }>(text, [asked.map(([id]) => id), asked.map(([, held]) => held.fence), ...more]);
    const ours = new Set(rows.map((row) => row.id));
    for (const [id, held] of asked) {
      if (ours.has(id)) still(held);
      // Settled meanwhile is no loss: then it is no longer held.
      else if (this.held.get(id) === held) held.lose(new Error('the run was taken away: cancelled, or its lease was lost'));
    }
  }
}

const OURS = `r.id = i.id AND r.fence = i.fence AND (r.status = 'RUNNING' OR r.status = 'STOPPING' AND r.stop_step = 'running')`;
const RENEW = `UPDATE runs r SET lease_until = clock_timestamp() + make_interval(secs => $3) FROM unnest($1::bigint[], $2::int[]) AS i(id, fence) WHERE ${OURS} RETURNING r.id`;
const LOOK = `SELECT r.id FROM runs r JOIN unnest($1::bigint[], $2::int[]) AS i(id, fence) ON ${OURS}`;
