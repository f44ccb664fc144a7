/** A run's log: text appended in chunks while the run goes on, numbered, kept until a minute after its end (engine-rules 20). */
import { maskText } from '../attribs/secrets.js';
import type { Queryable } from '../db/client.js';

/** One chunk is at most this long; a run keeps at most `LOG_LIMIT_CHUNKS` of them. Characters. */
const CHUNK_LIMIT = 16_384;
const LOG_LIMIT_CHUNKS = 10_000;
const FLUSH_MS = 200;

/**
 * Appends one chunk. `fence` must be the run's present one, or its last within a minute after the end; a chunk of a
 * number already there is the same chunk sent again. Answers whether it was taken.
 */
export async function appendRunLog(db: Queryable, chunk: { runId: number; fence: number; seq: number | null; text: string }): Promise<boolean> {
  const text = clean(chunk.text);
  const { rowCount } = await db.query(
    `INSERT INTO run_logs (run_id, seq, text)
     SELECT r.id, coalesce($3, (SELECT coalesce(max(l.seq), 0) + 1 FROM run_logs l WHERE l.run_id = r.id)), $4 FROM runs r
      WHERE r.id = $1 AND r.fence BETWEEN $2 AND $2 + 1 AND (r.ended_at IS NULL OR r.ended_at > clock_timestamp() - interval '60 seconds')
        AND coalesce($3, (SELECT max(l.seq) + 1 FROM run_logs l WHERE l.run_id = r.id), 1) <= ${LOG_LIMIT_CHUNKS}
     ON CONFLICT (run_id, seq) DO NOTHING`,
    [chunk.runId, chunk.fence, chunk.seq, text],
  );
  return rowCount === 1;
}

/** No NUL (text refuses it), no chunk beyond its limit. Escape sequences stay: whoever shows the log makes them harmless. */
function clean(text: string): string {
  const whole = text.replaceAll('\u0000', '\uFFFD');
  return whole.length <= CHUNK_LIMIT ? whole : `${whole.slice(0, CHUNK_LIMIT)}\n[cut: ${whole.length - CHUNK_LIMIT} characters more]\n`;
}

/** Gathers a jig's lines and writes them a few times a second, numbered from 1. */
export class LogSink {
  private lines: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Queryable,
    private readonly runId: number,
    private readonly fence: number,
    /** Strings that the log leaves out. */
    private readonly secrets: readonly string[] = [],
  ) {}

  write(text: string): void {
    this.lines.push(text.endsWith('\n') ? text : `${text}\n`);
    this.timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS);
  }

  /** Writes what is gathered; a log that cannot be written does not fail its run. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const text = maskText(this.lines.join(''), this.secrets);
    this.lines = [];
    // A chunk that could not be written must not keep the next from being.
    if (text !== '')
      this.writing = this.writing
        .catch(() => undefined)
        .then(() => appendRunLog(this.db, { runId: this.runId, fence: this.fence, seq: null, text }))
        .then(() => undefined);
    return this.writing;
  }
}
