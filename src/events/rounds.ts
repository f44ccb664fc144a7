/**
 * A loop over rows that are due: one round at a time, from a timer and from hints; asked for during a round, one more
 * follows. A round that fails is logged and loses nothing, because what it works on are rows: the next poll tries again.
 */
import type { Logger } from '../shared/logger.js';
import type { Hints } from './hints.js';

export type Rounds = {
  start(): void;
  /** Asks for a round. */
  kick(): void;
  /** Runs rounds until none asks for another and nothing that they began, which is in `busy`, goes on. */
  drain(busy: ReadonlyMap<unknown, Promise<void>>): Promise<void>;
  /** No further round begins; resolves when the last one is over. */
  close(): Promise<void>;
};

/** `what` names the round in the log. Without `feed` there are no hints, only polls. */
export function createRounds(options: { what: string; run: () => Promise<void>; log: Logger; feed?: Hints | undefined; pollMs: number }): Rounds {
  let timer: NodeJS.Timeout | undefined;
  let stopHints: (() => void) | undefined;
  let round: Promise<void> | undefined;
  let isAgain = false;
  let isClosed = false;

  function kick(): void {
    if (isClosed) return;
    if (round === undefined) round = loop();
    else isAgain = true;
  }

  async function loop(): Promise<void> {
    do {
      isAgain = false;
      try {
        await options.run();
      } catch (error) {
        if (!isClosed) options.log.warn({ err: error }, `${options.what} round failed`);
        break;
      }
    } while (isAgain && !isClosed);
    round = undefined;
  }

  return {
    start() {
      timer = setInterval(kick, options.pollMs);
      stopHints = options.feed?.onHint(kick);
      kick();
    },
    kick,
    async drain(busy) {
      do {
        kick();
        await round;
        await Promise.all(busy.values());
      } while (round !== undefined || busy.size > 0);
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      stopHints?.();
      await round;
    },
  };
}
