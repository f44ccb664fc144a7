/** Hints that there are new events, for whoever reads them by itself: the feed without its reading. */
import type { Logger } from '../shared/logger.js';
import type { EventFeed } from './feed.js';
import { listen } from './listen.js';
import { EVENTS_CHANNEL } from './outbox.js';

/** What a loop over rows needs of a feed. */
export type Hints = Pick<EventFeed, 'onHint'>;

/** Listens from now on. Who follows polls as well: a hint may be lost. */
export function openHints(url: string, log?: Logger): Hints & { close(): Promise<void> } {
  const callbacks = new Set<() => void>();
  const listener = listen(
    url,
    EVENTS_CHANNEL,
    () => {
      for (const callback of callbacks) callback();
    },
    log,
  );
  return {
    onHint(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    close: () => listener.close(),
  };
}
