/**
 * One reader of the event stream over server-sent events (WHATWG HTML, section 9.2). It is never waited for: a reader that
 * does not keep up is dropped with `reset`, comes back and reads everything anew.
 */
import type { Response } from 'express';
import { formatCursor, WHOLE_BATCH } from '../events/cursor.js';
import type { PublishedEvent } from '../events/events.js';
import type { EventFeed } from '../events/feed.js';
import type { DomainEvent } from './schemas.js';

/** Proxies and clients take a connection for dead after 30 to 60 s of silence. */
const HEARTBEAT_MS = 15_000;
/** How long a full socket may stay full. */
const DRAIN_MS = 10_000;
/** A dropped reader that does not even read the end is cut off. */
const CUT_OFF_MS = 5_000;

export type StreamInput = {
  feed: EventFeed;
  res: Response;
  /** Cursor the reader holds; undefined: from now on. */
  cursor: string | undefined;
  /** Aborts on shutdown. */
  closing: AbortSignal;
  /** Asked with every heartbeat: a token that was revoked ends the stream (attack 39). */
  isStillAllowed: () => Promise<boolean>;
  /** Milliseconds; for tests. */
  timing?: { heartbeatMs: number; drainMs: number };
};

/** Writes events until the reader goes, the server closes, or the reader has to be dropped. Resolves then. */
export async function streamEvents({ feed, res, cursor, closing, isStillAllowed, timing }: StreamInput): Promise<void> {
  const resumed = cursor === undefined ? undefined : await feed.resume(cursor);
  if (res.destroyed || closing.aborted) return;
  const head = { pos: feed.position(), n: WHOLE_BATCH };
  const headId = (): string => formatCursor({ epoch: feed.epoch(), pos: feed.position(), n: WHOLE_BATCH });
  res.status(200).set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
  res.socket?.setNoDelay(true);
  // An id without data is no event, but the reader keeps it: it can come back here before the first event.
  if (cursor !== undefined && resumed === undefined) res.write(resetMessage(headId()));
  else if (cursor === undefined) res.write(`id: ${headId()}\n\n`);
  else res.write(': go on\n\n');

  await new Promise<void>((resolve) => {
    let isOver = false;
    const stop = (lastWords: string): void => {
      if (isOver) return;
      isOver = true;
      unsubscribe();
      clearInterval(heartbeat);
      closing.removeEventListener('abort', onClosing);
      res.end(lastWords);
      setTimeout(() => res.destroy(), CUT_OFF_MS).unref();
      resolve();
    };
    const onClosing = (): void => stop(': the server stops\n\n');
    const heartbeat = setInterval(() => {
      void isStillAllowed().then(
        (isAllowed) => (isAllowed ? isOver || res.write(':\n\n') : stop('')),
        // The database does not answer: whether the token still holds will be asked again.
        () => isOver || res.write(':\n\n'),
      );
    }, timing?.heartbeatMs ?? HEARTBEAT_MS);
    const unsubscribe = feed.subscribe(resumed ?? head, async (events) => {
      if (isOver) return;
      const hasRoom = res.write(events.map((event) => messageOf(feed, event)).join(''));
      if (!hasRoom && !(await drained(res, timing?.drainMs ?? DRAIN_MS))) stop(resetMessage(headId()));
    });
    res.on('close', () => stop(''));
    closing.addEventListener('abort', onClosing, { once: true });
    if (closing.aborted) onClosing();
  });
}

function resetMessage(id: string): string {
  return `id: ${id}\nevent: reset\ndata: {}\n\n`;
}

/** The same event goes to every reader: written out once. */
const written = new WeakMap<PublishedEvent, string>();

function messageOf(feed: EventFeed, event: PublishedEvent): string {
  const known = written.get(event);
  if (known !== undefined) return known;
  const body: DomainEvent = {
    kind: event.kind,
    subject_type: event.subjectType,
    subject_id: event.subjectId,
    version: event.version,
    at: event.at.toISOString(),
    data: event.data,
  };
  const message = `id: ${feed.idOf(event)}\nevent: ${event.kind}\ndata: ${JSON.stringify(body)}\n\n`;
  written.set(event, message);
  return message;
}

/** Whether the socket took everything in time. */
function drained(res: Response, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (isDrained: boolean) => (): void => {
      clearTimeout(timer);
      res.off('drain', onDrain);
      res.off('close', onClose);
      resolve(isDrained);
    };
    const onDrain = finish(true);
    const onClose = finish(false);
    const timer = setTimeout(onClose, withinMs);
    res.on('drain', onDrain);
    res.on('close', onClose);
  });
}
