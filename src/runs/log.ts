/** A run's log: text appended in chunks while the run goes on, numbered, kept until a minute after its end (engine-rules 20). */
import { maskText } from '../attribs/secrets.js';
import type { Queryable } from '../db/client.js';

/** One chunk is at most this long; a run keeps at most `LOG_LIMIT_CHUNKS` of them. Characters. */
const CHUNK_LIMIT = 16_384;
const LOG_LIMIT_CHUNKS = 10_000;
const FLUSH_MS = 200;

/** `seq`: its number, or null for the next. */
export type LogChunk = { runId: number; fence: number; seq: number | null; text: string };

/**
 * Appends chunks of different runs in one statement. `fence` must be the run's present one, or its last within a minute
 * after the end; a chunk of a number already there is the same chunk sent again. Answers which were taken, in their order.
 */
export async function appendRunLogs(db: Queryable, chunks: LogChunk[]): Promise<boolean[]> {
  const { rows } = await db.query<{ run_id: number }>({
    name: 'append-logs',
    text: `INSERT INTO run_logs (run_id, seq, text)
     SELECT r.id, c.seq, c.text FROM (
       SELECT i.id, i.fence, i.text, coalesce(i.seq, (SELECT max(l.seq) + 1 FROM run_logs l WHERE l.run_id = i.id), 1) AS seq
         FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[]) AS i(id, fence, seq, text)) c JOIN runs r ON r.id = c.id
      WHERE r.fence BETWEEN c.fence AND c.fence + 1 AND (r.ended_at IS NULL OR r.ended_at > clock_timestamp() - interval '60 seconds')
        AND c.seq <= ${LOG_LIMIT_CHUNKS}
     ON CONFLICT (run_id, seq) DO NOTHING RETURNING run_id`,
    values: [
      chunks.map((chunk) => chunk.runId),
      chunks.map((chunk) => chunk.fence),
      chunks.map((chunk) => chunk.seq),
      chunks.map((chunk) => clean(chunk.text)),
    ],
  });
  const taken = new Set(rows.map((row) => row.run_id));
  return chunks.map((chunk) => taken.has(chunk.runId));
}

/** Appends one chunk; answers whether it was taken. */
export async function appendRunLog(db: Queryable, chunk: LogChunk): Promise<boolean> {
  const [taken] = await appendRunLogs(db, [chunk]);
  return taken === true;
}

/** No NUL (text refuses it), no chunk beyond its limit. Escape sequences stay: whoever shows the log makes them harmless. */
function clean(text: string): string {
  const whole = text.replaceAll('\u0000', '\uFFFD');
  return whole.length <= CHUNK_LIMIT ? whole : `${whole.slice(0, CHUNK_LIMIT)}\n[cut: ${whole.length - CHUNK_LIMIT} characters more]\n`;
}

/** Gathers a jig's lines and hands them on a few times a second; one chunk at a time, so that they are numbered in order. */
export class LogSink {
  private lines: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  /** `append` writes a chunk, together with those of other runs. */
  constructor(
    private readonly append: (chunk: LogChunk) => Promise<unknown>,
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
    if (this.lines.length === 0) return this.writing;
    const text = maskText(this.lines.join(''), this.secrets);
    this.lines = [];
    const next = () => this.append({ runId: this.runId, fence: this.fence, seq: null, text }).then(() => undefined);
    // A chunk that could not be written must not keep the next from being.
    this.writing = this.writing.then(next, next);
    return this.writing;
  }
}
