import { setTimeout as sleep } from 'node:timers/promises';

/** Between two looks, milliseconds: a reload is noticed this late at most. */
const LOOK_MS = 20;

/** Looks until it is so; false when it is not in time. What the look throws ends it. */
export async function until(timeoutMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = performance.now() + timeoutMs; ; await sleep(LOOK_MS)) {
    if (await isSo()) return true;
    if (performance.now() >= deadline) return false;
  }
}
