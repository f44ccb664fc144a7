/**
 * One follower of the outbox per process: it reads each new position once and hands it to every subscriber, in order,
 * none left out. Subscribers that begin earlier, or fall behind, read their own pages until they have caught up. A slow
 * subscriber holds back nobody but itself.
 */
import type { Db } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import type { PublishedEvent } from './events.js';
import { listen, type Listener } from './listen.js';
import { EVENTS_CHANNEL } from './outbox.js';
import { currentPosition, oldestPosition, readEpoch, readEvents } from './read.js';
import { formatCursor, parseCursor } from './cursor.js';

/** Gets events in order, one call at a time; the next call waits until this one is done. */
export type Subscriber = (events: PublishedEvent[]) => void | Promise<void>;

/** `n`: the last event of `pos` that was seen; without it, all of `pos` was. */
export type From = number | { pos: number; n: number };

export type EventFeed = {
  /** Opens the connection and finds the present position. Call once. */
  start(): Promise<void>;
  /** Everything after `from`, then whatever comes. Returns the function that ends it. */
  subscribe(from: From, deliver: Subscriber): () => void;
  /** The last position this process has read. */
  position(): number;
  epoch(): string;
  /** The SSE id of an event. */
  idOf(event: PublishedEvent): string;
  /** Where to go on from a client's cursor; undefined when it is malformed, of another epoch, or older than what is kept: the client must reload. */
  resume(cursor: string): Promise<{ pos: number; n: number } | undefined>;
  /** Calls back on every hint and after every poll that found something; for loops that have their own reading. */
  onHint(callback: () => void): () => void;
  close(): Promise<void>;
};

const POLL_MS = 500;
const BATCHES_PER_PAGE = 500;
/** Kept in memory for subscribers that are a little behind; older ones read the table. */
const KEPT_EVENTS = 5_000;

type Subscription = { after: number; skip: { pos: number; n: number } | undefined; deliver: Subscriber; isBusy: boolean; isEnded: boolean };

export function createEventFeed(db: Db, options: { log?: Logger; pollMs?: number } = {}): EventFeed {
  const subscriptions = new Set<Subscription>();
  const hints = new Set<() => void>();
  const pollMs = options.pollMs ?? POLL_MS;
  let kept: PublishedEvent[] = [];
  /** `kept` holds every event after this position up to `position`. */
  let keptAfter = 0;
  let position = 0;
  let epoch = '';
  let listener: Listener | undefined;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> | undefined;
  let isAgain = false;
  let isClosed = false;

  function remember(events: PublishedEvent[], lastPos: number): void {
    kept.push(...events);
    position = lastPos;
    if (kept.length <= KEPT_EVENTS * 2) return;
    const cut = kept[kept.length - KEPT_EVENTS]?.pos ?? position;
    kept = kept.filter((event) => event.pos > cut);
    keptAfter = cut;
  }

  async function readOn(): Promise<void> {
    do {
      isAgain = false;
      try {
        const page = await readEvents(db.pool, position, BATCHES_PER_PAGE);
        if (page.lastPos > position) {
          remember(page.events, page.lastPos);
          isAgain = true;
          for (const subscription of subscriptions) void pump(subscription);
        }
      } catch (error) {
        if (!isClosed) options.log?.warn({ err: error }, 'events not read; trying again');
        return;
      }
    } while (isAgain && !isClosed);
  }

  function kick(): void {
    if (isClosed) return;
    for (const hint of hints) hint();
    if (reading !== undefined) {
      isAgain = true;
      return;
    }
    reading = readOn().finally(() => (reading = undefined));
  }

  async function pump(subscription: Subscription): Promise<void> {
    if (subscription.isBusy) return;
    subscription.isBusy = true;
    try {
      while (!subscription.isEnded && !isClosed && subscription.after < position) await deliverNext(subscription);
    } catch (error) {
      // The same events are delivered again at the next poll.
      if (!isClosed && !subscription.isEnded) options.log?.warn({ err: error }, 'events not delivered; trying again');
    } finally {
      subscription.isBusy = false;
    }
  }

  async function deliverNext(subscription: Subscription): Promise<void> {
    const page =
      subscription.after >= keptAfter
        ? { events: kept.filter((event) => event.pos > subscription.after), lastPos: position }
        : await readEvents(db.pool, subscription.after, BATCHES_PER_PAGE);
    const skip = subscription.skip;
    const events = skip === undefined ? page.events : page.events.filter((event) => event.pos !== skip.pos || event.n > skip.n);
    if (events.length > 0 && !subscription.isEnded) await subscription.deliver(events);
    // A page of the table without events means that the positions up to ours were removed by retention.
    subscription.after = page.lastPos > subscription.after ? page.lastPos : Math.max(keptAfter, subscription.after);
    subscription.skip = undefined;
  }

  return {
    async start() {
      epoch = await readEpoch(db.pool);
      position = await currentPosition(db.pool);
      keptAfter = position;
      listener = listen(db.url, EVENTS_CHANNEL, kick, options.log);
      timer = setInterval(() => {
        kick();
        for (const subscription of subscriptions) void pump(subscription);
      }, pollMs);
      timer.unref();
    },
    subscribe(from, deliver) {
      const subscription: Subscription =
        typeof from === 'number'
          ? { after: from, skip: undefined, deliver, isBusy: false, isEnded: false }
          : { after: from.pos - 1, skip: from, deliver, isBusy: false, isEnded: false };
      subscriptions.add(subscription);
      void pump(subscription);
      return () => {
        subscription.isEnded = true;
        subscriptions.delete(subscription);
      };
    },
    position: () => position,
    epoch: () => epoch,
    idOf: (event) => formatCursor({ epoch, pos: event.pos, n: event.n }),
    async resume(text) {
      const cursor = parseCursor(text);
      if (cursor === undefined || cursor.epoch !== epoch) return undefined;
      const newest = await currentPosition(db.pool);
      const oldest = await oldestPosition(db.pool);
      if (cursor.pos > newest || (oldest !== null && cursor.pos < oldest - 1)) return undefined;
      return { pos: cursor.pos, n: cursor.n };
    },
    onHint(callback) {
      hints.add(callback);
      return () => hints.delete(callback);
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      for (const subscription of subscriptions) subscription.isEnded = true;
      await listener?.close();
      await reading;
    },
  };
}
