/** How long history is kept. One small batch a call; prisma/functions/76_retention.sql says what never goes. */
import type { Queryable } from '../db/client.js';

export type Retention = {
  /** Ended runs that each noderole keeps, however old. */
  runs: number;
  /** Days that every ended run is kept. */
  days: number;
  /** Days that logs are kept. */
  logDays: number;
};

const BATCH = 500;
/** From the beginning again this long after the end was reached; in between a sweep costs nothing. */
const REST_MS = 600_000;

/** Goes through all runs, oldest first, one batch a call. One per annealer; more of them do no harm. */
export class HistoryCleaner {
  private from = 0;
  private restUntilMs = 0;

  constructor(
    private readonly db: Queryable,
    private readonly keep: Retention,
  ) {}

  /** One batch. Returns how many runs and log chunks are gone. */
  async step(nowMs: number = performance.now()): Promise<number> {
    if (nowMs < this.restUntilMs) return 0;
    const { rows } = await this.db.query<{ next_from: number; runs_gone: number; logs_gone: number }>('SELECT * FROM purge_runs($1, $2, $3, $4, $5)', [
      this.from,
      this.keep.runs,
      this.keep.days,
      this.keep.logDays,
      BATCH,
    ]);
    const row = rows[0];
    if (!row) return 0;
    this.from = row.next_from;
    if (this.from === 0) this.restUntilMs = nowMs + REST_MS;
    return row.runs_gone + row.logs_gone;
  }
}
