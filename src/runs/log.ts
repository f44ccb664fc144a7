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

export type LogSinkOptions = {
  runId: number;
  fence: number;
  /** Strings that the log leaves out. */
  secrets: readonly string[];
  /** Characters that one turn may write; what is longer loses its middle. */
  limit: number;
};

const TAIL_LIMIT = 16_000;

/**
 * Gathers a jig's lines and hands them on a few times a second; one chunk at a time, so that they are numbered in order. Never
 * holds more than its limit: the beginning and the end are kept, and between them a mark says how much is left out.
 */
export class LogSink {
  private kept = 0;
  private dropped = 0;
  private tail: string[] = [];
  private tailLength = 0;
  private lines: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  /** `append` writes a chunk, together with those of other runs. */
  constructor(
    private readonly append: (chunk: LogChunk) => Promise<unknown>,
    private readonly options: LogSinkOptions,
  ) {}

  write(text: string): void {
    const line = text.endsWith('\n') ? text : `${text}\n`;
    this.kept += line.length;
    if (this.kept > this.options.limit) return this.leaveOut(line);
    this.lines.push(line);
    this.timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS);
  }

  /** The turn is over: the end of a log that was too long, and all that is gathered. */
  end(): Promise<void> {
    if (this.tail.length > 0) {
      if (this.dropped > 0) this.lines.push(`[prybar: ${this.dropped} characters of the log are left out here: its limit is ${this.options.limit}]\n`);
      this.lines.push(...this.tail);
      this.tail = [];
    }
    return this.flush();
  }

  private leaveOut(line: string): void {
    // The end of a line, copied: a slice would keep the whole alive.
    const end = line.length <= TAIL_LIMIT ? line : Buffer.from(line.slice(-TAIL_LIMIT)).toString();
    this.dropped += line.length - end.length;
    this.tail.push(end);
    this.tailLength += end.length;
    while (this.tailLength - (this.tail[0]?.length ?? 0) >= TAIL_LIMIT) {
      const gone = this.tail.shift()?.length ?? 0;
      this.tailLength -= gone;
      this.dropped += gone;
    }
  }

  /** Writes what is gathered; a log that cannot be written does not fail its run. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.lines.length === 0) return this.writing;
    const { runId, fence, secrets } = this.options;
    const text = maskText(this.lines.join(''), secrets);
    this.lines = [];
    for (let at = 0; at < text.length; at += CHUNK_LIMIT) {
      const write = () => this.append({ runId, fence, seq: null, text: text.slice(at, at + CHUNK_LIMIT) }).then(() => undefined);
      // A chunk that could not be written must not keep the next from being.
      this.writing = this.writing.then(write, write);
    }
    return this.writing;
  }
}
