/** The event stream as an async iterable that reconnects by itself and goes on where it was cut. */
import { eventSchema, type DomainEvent } from '../api/schemas.js';
import { addressOf, authorization, ClientError, noAnswer, refusal, type ClientOptions } from './request.js';
import { createSseParser, type SseMessage, type SseParser } from './sse.js';

/**
 * One event; `id` is a cursor to go on after it. `reset` says that events were missed (the cursor was too old): read
 * everything again, then go on.
 */
export type ApiEvent = ({ type: 'event'; id: string } & DomainEvent) | { type: 'reset'; id: string };

export type EventsOptions = {
  /** Cursor to begin after: an event's `id` or a matrix's `pos`. Unset: from now on. */
  after?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Told when the stream opens and when it was lost and is tried again. */
  onConnection?: ((state: 'open' | 'lost') => void) | undefined;
};

const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 10_000;
/** The server writes at least a comment every 15 s; three missed ones mean a dead connection. */
const SILENCE_MS = 45_000;

/** Follows `/api/v2/events` until `signal` aborts. Throws ClientError only when asking again cannot help (401, 403, 400). */
export async function* followEvents(options: ClientOptions, events: EventsOptions): AsyncGenerator<ApiEvent, void, undefined> {
  let after = events.after;
  let backoffMs = FIRST_BACKOFF_MS;
  const isStopped = (): boolean => events.signal?.aborted === true;
  while (!isStopped()) {
    const parser = createSseParser(after);
    try {
      for await (const message of connection(options, events, parser)) {
        backoffMs = FIRST_BACKOFF_MS;
        const event = readEvent(message);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      if (isStopped()) return;
      if (error instanceof ClientError && isFinal(error.status)) throw error;
      // Anything else is a broken connection or a server that restarts: asked again below.
    }
    after = parser.lastId() ?? after;
    if (isStopped()) return;
    events.onConnection?.('lost');
    await pause(backoffMs * (0.5 + Math.random() / 2), events.signal);
    backoffMs = Math.min(backoffMs * 2, LAST_BACKOFF_MS);
  }
}

/** A request that is wrong stays wrong; 408 and 429 do not. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** One connection: its messages until it ends. The parser outlives it, because its last id is where to go on. */
async function* connection(options: ClientOptions, events: EventsOptions, parser: SseParser): AsyncGenerator<SseMessage, void, undefined> {
  const silence = new AbortController();
  const signal = events.signal === undefined ? silence.signal : AbortSignal.any([silence.signal, events.signal]);
  let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const after = parser.lastId();
    const url = addressOf(options.baseUrl, '/api/v2/events', { after });
    const headers = { accept: 'text/event-stream', ...authorization(options) };
    const response = await (options.fetch ?? globalThis.fetch)(url, { headers, signal }).catch((cause: unknown) => {
      throw noAnswer(url, cause, events.signal);
    });
    if (!response.ok) throw await refusal(response);
    if (response.body === null) return;
    events.onConnection?.('open');
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
        yield* parser.feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      // Ends the request when the consumer stops early; a connection that is already broken has nothing to cancel.
      await reader.cancel().catch(() => undefined);
    }
  } finally {
    clearTimeout(watchdog);
  }
}

function readEvent(message: SseMessage): ApiEvent | undefined {
  if (message.event === 'reset') return { type: 'reset', id: message.id };
  let body: unknown;
  try {
    body = JSON.parse(message.data);
  } catch {
    // A newer server may send what we do not know; an event is a hint, so leaving it out is safe.
    return undefined;
  }
  const parsed = eventSchema.safeParse(body);
  return parsed.success ? { type: 'event', id: message.id, ...parsed.data } : undefined;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
    if (signal?.aborted === true) done();
  });
}
