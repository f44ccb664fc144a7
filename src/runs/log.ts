/** A run's log: text appended in chunks while the run goes on, numbered, kept until a minute after its end (engine-rules 20). */
import { maskText } from '../attribs/secrets.js';
import type { Queryable } from '../db/client.js';

/** One chunk is at most this long; a run keeps at most 10,000 of them (prisma/functions/35_logs.sql). Characters. */
const CHUNK_LIMIT = 16_384;
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
    text: 'SELECT append_logs AS run_id FROM append_logs($1, $2, $3, $4)',
    values: [
      chunks.map((chunk) => chunk.runId),
      chunks.map((chunk) => chunk.fence),
      chunks.map((chunk) => chunk.seq),
      chunks.map((chunk) => oneChunk(chunk.text)),
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

/** No NUL: text refuses it. Escape sequences stay: whoever shows the log makes them harmless. */
const clean = (text: string): string => (text.includes('\u0000') ? text.replaceAll('\u0000', '\uFFFD') : text);

/** No chunk beyond its limit. */
function oneChunk(text: string): string {
  const whole = clean(text);
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

  /** `writeChunk` writes a chunk, together with those of other runs. */
  constructor(
    private readonly writeChunk: (chunk: LogChunk) => Promise<unknown>,
    private readonly options: LogSinkOptions,
  ) {}

  write(text: string): void {
    const line = text.endsWith('\n') ? text : `${text}\n`;
    this.kept += line.length;
    if (this.kept > this.options.limit) return this.leaveOut(line);
    this.lines.push(line);
    this.timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS);
  }

  /**
   * The turn is over: the end of a log that was too long, and all that is gathered. `last` is what is left to write, one chunk;
   * the others are `written`. Most logs are one chunk: it goes with the outcome and costs no statement of its own.
   */
  end(): { written: Promise<void>; last: string | null } {
    if (this.tail.length > 0) {
      if (this.dropped > 0) this.lines.push(`[prybar: ${this.dropped} characters of the log are left out here: its limit is ${this.options.limit}]\n`);
      this.lines.push(...this.tail);
      this.tail = [];
    }
    const chunks = this.take();
    const last = chunks.pop() ?? null;
    return { written: this.append(chunks), last };
  }

  /** As `end`, with nothing left to write. */
  close(): Promise<void> {
    const { last } = this.end();
    return this.append(last === null ? [] : [last]);
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
    return this.append(this.take());
  }

  private take(): string[] {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.lines.length === 0) return [];
    const text = clean(maskText(this.lines.join(''), this.options.secrets));
    this.lines = [];
    const chunks = [];
    for (let at = 0; at < text.length; at += CHUNK_LIMIT) chunks.push(text.slice(at, at + CHUNK_LIMIT));
    return chunks;
  }

  private append(chunks: string[]): Promise<void> {
    const { runId, fence } = this.options;
    for (const text of chunks) {
      const write = () => this.writeChunk({ runId, fence, seq: null, text }).then(() => undefined);
      // A chunk that could not be written must not keep the next from being.
      this.writing = this.writing.then(write, write);
    }
    return this.writing;
  }
}
