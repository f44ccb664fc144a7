/** PURE: what becomes of a delivery after an attempt: taken, tried again and when, or dead. */

/** What came of one attempt. `ms` is how long it took. */
export type Attempt =
  | { kind: 'answered'; status: number; retryAfterSeconds: number | null; response: string; ms: number }
  | { kind: 'no-answer'; error: string; ms: number }
  /** We did not speak to it: the address policy says no. */
  | { kind: 'refused'; error: string; ms: number };

export type Verdict = { kind: 'delivered' } | { kind: 'again'; afterMs: number; error: string } | { kind: 'dead'; error: string };

/** Tries before a delivery is dead: with the delays below, about six hours. */
export const ATTEMPTS_MAX = 12;

const FIRST_MS = 5_000;
const FACTOR = 3;
const LONGEST_MS = 3_600_000;

/** Busy or broken for the moment: RFC 9110 section 15.6, 408 and 429. Every other 4xx will say the same again. */
function isPassingStatus(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

/** `attempts` counts this one; `random` in [0, 1) spreads what failed together. */
export function judge(attempt: Attempt, attempts: number, random: number): Verdict {
  if (attempt.kind === 'refused') return { kind: 'dead', error: attempt.error };
  if (attempt.kind === 'answered' && attempt.status >= 200 && attempt.status < 300) return { kind: 'delivered' };
  const error = attempt.kind === 'no-answer' ? attempt.error : `it answered ${attempt.status}`;
  if (attempt.kind === 'answered' && attempt.status < 400)
    return { kind: 'dead', error: `${error}; redirects are not followed: give the webhook the address itself` };
  if (attempt.kind === 'answered' && !isPassingStatus(attempt.status)) return { kind: 'dead', error };
  if (attempts >= ATTEMPTS_MAX) return { kind: 'dead', error: `${error}, ${attempts} times` };
  const asked = attempt.kind === 'answered' ? (attempt.retryAfterSeconds ?? 0) * 1000 : 0;
  return { kind: 'again', afterMs: Math.min(LONGEST_MS, Math.max(asked, delayMs(attempts, random))), error };
}

/** Milliseconds until the next try: 5 s, 15 s, 45 s, ... an hour at most, each shortened by up to a half. */
export function delayMs(attempts: number, random: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * FACTOR ** (attempts - 1)) * (0.5 + random / 2);
}
