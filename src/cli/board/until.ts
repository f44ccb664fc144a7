/** The loop of everything that watches a deployment: step, show, judge. Shell; the judgement is outcome.ts's. */
import type { BoardFeed } from './feed.js';
import { judge, type Verdict } from './outcome.js';

export type End = 'active' | 'stuck' | 'timeout' | 'stopped';

export type UntilOptions = {
  feed: BoardFeed;
  /** Shows what the feed knows now. Called at most four times a second, and once more at the end. */
  show: () => Promise<void>;
  /** Nodes that must have noderoles before the deployment can be done. */
  expectNodes: number;
  /** False: only the signal ends it. */
  untilActive: boolean;
  timeoutSeconds: number;
  signal: AbortSignal;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
};

/** Four frames a second at most. */
const FRAME_MS = 250;

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

/** Resolves with how it ended. Throws ClientError when the server refuses the token. */
export async function waitForEnd(options: UntilOptions): Promise<End> {
  const { feed, show, signal, now, expectNodes } = options;
  const deadline = now() + options.timeoutSeconds * 1000;
  let suspect: Verdict = 'going';
  while (!signal.aborted) {
    await feed.step();
    await show();
    if (options.untilActive) {
      const judged = judge(feed.state(), expectNodes);
      if (judged !== 'going' && judged === suspect) {
        // Twice the same, and a fresh snapshot agrees: events alone could be a moment behind or ahead.
        await feed.refresh();
        if (judge(feed.state(), expectNodes) === judged) {
          await show();
          return judged;
        }
      }
      suspect = judged;
      if (now() >= deadline) return 'timeout';
    }
    await pause(FRAME_MS, signal);
  }
  return 'stopped';
}
