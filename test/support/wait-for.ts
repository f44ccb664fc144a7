import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface WaitForOptions {
  /** What is awaited, for the message: "every noderole to be ACTIVE". */
  what: string;
  /** Default 10 000. */
  timeoutMs?: number;
  /** Time between two looks, default 25. */
  everyMs?: number;
}

/**
 * Looks until `condition` answers something truthy, and returns that. An error it throws counts as "not yet". After the
 * timeout rejects with what was awaited and the last answer, so that the failure can be read without a debugger.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitForOptions): Promise<NonNullable<T>> {
  const { what, timeoutMs = 10_000, everyMs = 25 } = options;
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${inspect(last, { depth: 4 })}`, { cause: last });
    await sleep(everyMs);
  }
}
