/**
 * PURE: how long a transfer waits before it sends again, and when it gives up. All times are milliseconds of one steady clock
 * that the caller reads.
 */

export type Patience = {
  /** The client has acknowledged something: it is where it says it is. */
  proven: boolean;
  /** What the client asked for (RFC 2349) is kept to; otherwise the wait follows the path's round trip. */
  readonly fixed: boolean;
  readonly firstWaitMs: number;
  /** Smoothed round trip, undefined before the first. */
  roundTripMs: number | undefined;
  /** When blocks were sent that have not been answered; undefined when the next answer says nothing about the path. */
  sentAt: number | undefined;
  /** When the client was heard or was last sent to again. */
  lastAt: number;
  /** Sent again since the client was heard. */
  silences: number;
  /** When the client was last heard. */
  silentSince: number;
};

/** Before the first ACK the client may be a forged address: one repeat, so that nobody is flooded in our name (attack 5). */
const MAX_REPEATS_UNPROVEN = 1;
/** A client that erases flash or shows a menu may say nothing for a while. */
const GIVE_UP_MS = 25_000;
/** Below this a busy client would be sent everything twice. */
const LEAST_WAIT_MS = 100;
const MOST_WAIT_MS = 4_000;

export function newPatience(firstWaitMs: number, fixed: boolean): Patience {
  return { proven: false, fixed, firstWaitMs, roundTripMs: undefined, sentAt: undefined, lastAt: 0, silences: 0, silentSince: 0 };
}

/** Blocks or the OACK were sent. */
export function noteSent(patience: Patience, now: number): void {
  // What is sent again gives no round trip: nobody knows which copy is answered (Karn).
  patience.sentAt = patience.silences === 0 ? now : undefined;
  if (patience.lastAt !== 0) return;
  patience.lastAt = now;
  patience.silentSince = now;
}

/** The client acknowledged something new. */
export function noteProgress(patience: Patience, now: number): void {
  if (patience.sentAt !== undefined) {
    const roundTripMs = now - patience.sentAt;
    patience.roundTripMs = patience.roundTripMs === undefined ? roundTripMs : patience.roundTripMs * 0.875 + roundTripMs * 0.125;
    patience.sentAt = undefined;
  }
  patience.proven = true;
  patience.silences = 0;
  patience.lastAt = now;
  patience.silentSince = now;
}

/** The wait was over and everything is sent again. */
export function noteSilence(patience: Patience, now: number): void {
  patience.silences += 1;
  patience.lastAt = now;
}

/** What is left of the wait at `now`, or the whole wait; twice as long after each silence, so that a congested path is not made worse. */
export function waitMs(patience: Patience, now = patience.lastAt): number {
  const { fixed, firstWaitMs, roundTripMs, silences } = patience;
  const base = fixed || roundTripMs === undefined ? firstWaitMs : Math.min(firstWaitMs, Math.max(LEAST_WAIT_MS, roundTripMs * 8));
  return Math.min(base * 2 ** Math.min(silences, 10), Math.max(MOST_WAIT_MS, firstWaitMs)) - (now - patience.lastAt);
}

/** Whether the wait that is over now was the last. */
export function isGivenUp(patience: Patience): boolean {
  if (!patience.proven) return patience.silences >= MAX_REPEATS_UNPROVEN;
  return patience.lastAt - patience.silentSince + waitMs(patience) >= Math.max(GIVE_UP_MS, 5 * patience.firstWaitMs);
}
