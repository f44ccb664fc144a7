import { setTimeout as delay } from 'node:timers/promises';

/** Waits `milliseconds`; rejects with the signal's reason the moment the machine loses power. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal });
}
