/** Tells the claim how many runs of a class this process takes; a worker that is silent for 30 s does not count (engine-rules 22). */
import type { Queryable } from '../db/client.js';
import type { Logger } from '../shared/logger.js';

const BEAT_MS = 5_000;

export class SlotHeartbeat {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Queryable,
    private readonly slot: { worker: string; jobClass: string; slots: number },
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    await this.beat();
    this.timer = setInterval(() => void this.beat().catch((err: unknown) => this.log.warn({ err }, 'worker slots not registered')), BEAT_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.db.query('DELETE FROM worker_slots WHERE worker = $1', [this.slot.worker]);
  }

  private async beat(): Promise<void> {
    await this.db.query(
      `INSERT INTO worker_slots (worker, job_class, slots, heartbeat_at) VALUES ($1, $2, $3, clock_timestamp())
       ON CONFLICT (worker) DO UPDATE SET slots = EXCLUDED.slots, heartbeat_at = clock_timestamp()`,
      [this.slot.worker, this.slot.jobClass, this.slot.slots],
    );
  }
}
