/**
 * How often an address may present a wrong token: a guard against noise (a script with an old token, a scanner), not
 * against guessing, which 256 random bits take care of. A valid token is never refused because of its address.
 */

export type FailedAuth = {
  /** Counts one failure. Returns 0, or the seconds until the address may fail again. */
  fail(address: string): number;
};

const WINDOW_MS = 60_000;
const ADDRESSES_KEPT = 10_000;

/** `limit` failures a minute per address; `now` is the clock in milliseconds. */
export function createFailedAuth(limit: number, now: () => number = Date.now): FailedAuth {
  const windows = new Map<string, { startedAt: number; failures: number }>();
  return {
    fail(address) {
      const at = now();
      let window = windows.get(address);
      if (window === undefined || at - window.startedAt >= WINDOW_MS) {
        window = { startedAt: at, failures: 0 };
        windows.delete(address);
        windows.set(address, window);
        // A Map keeps insertion order: the first key is the oldest window.
        if (windows.size > ADDRESSES_KEPT) windows.delete(windows.keys().next().value ?? '');
      }
      window.failures += 1;
      return window.failures > limit ? Math.ceil((window.startedAt + WINDOW_MS - at) / 1000) : 0;
    },
  };
}
