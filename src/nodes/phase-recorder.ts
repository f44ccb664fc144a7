/**
 * Remembers boot steps on a server's packet path and writes them in small batches, each of which holds the event loop for less
 * than a millisecond. Never throws, never waits.
 */
import type { Db } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import type { PhaseSeen } from './boot-phases.js';
import { recordPhases } from './phase.js';
import { StepFlood } from './step-flood.js';

/** A datacenter that is powered on at once: 5,000 machines with one exchange each. Beyond it the oldest are forgotten. */
const REMEMBERED_MAX = 20_000;
const BATCH_MAX = 100;
/** After a full batch: 4,000 steps a second, ten minutes' boots of 100,000 machines. */
const PAUSE_MS = 25;
/** In a flood: 1,000 a second. Most of what is said then is left out anyway, and the servers need the time. */
const FLOOD_PAUSE_MS = 100;

export type PhaseRecorder = {
  /** Remembers a step. */
  record(seen: PhaseSeen): void;
  /** Whether a step of this machine would be remembered now: servers then save themselves the work of making one. */
  wants(mac: string): boolean;
  /** How many were forgotten because the database was too slow or away. */
  forgotten(): number;
  /** Writes what is left and stops. */
  close(): Promise<void>;
};

/** A recorder that writes at most every `flushMs`. */
export function createPhaseRecorder(db: Db, options: { log?: Logger; flushMs?: number } = {}): PhaseRecorder {
  const flushMs = options.flushMs ?? 100;
  const remembered: PhaseSeen[] = [];
  const flood = new StepFlood(REMEMBERED_MAX, () => remembered);
  let forgotten = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  /** Writes the oldest batch; false when the database did not take it. */
  async function flush(): Promise<boolean> {
    const batch = remembered.splice(0, BATCH_MAX);
    try {
      await recordPhases(db, batch);
      return true;
    } catch (error) {
      // The timeline is for people; a boot goes on without it.
      forgotten += batch.length;
      options.log?.warn({ err: error, count: batch.length }, 'boot steps not written');
      return false;
    }
  }

  function schedule(afterMs: number): void {
    if (timer !== undefined || writing !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      const pauseMs = remembered.length < BATCH_MAX ? flushMs : flood.isOn() ? FLOOD_PAUSE_MS : PAUSE_MS;
      writing = flush().then(() => {
        writing = undefined;
        if (remembered.length > 0) schedule(pauseMs);
      });
    }, afterMs);
    timer.unref();
  }

  return {
    record(seen) {
      const leftOut = flood.takeLeftOut(seen.mac);
      remembered.push(leftOut === 0 ? seen : afterGap(seen, leftOut));
      if (remembered.length > REMEMBERED_MAX) {
        remembered.splice(0, BATCH_MAX);
        forgotten += BATCH_MAX;
      }
      schedule(flushMs);
    },
    wants: (mac) => flood.admits(mac, remembered.length),
    forgotten: () => forgotten,
    async close() {
      clearTimeout(timer);
      await writing;
      clearTimeout(timer);
      while (remembered.length > 0) if (!(await flush())) return;
    },
  };
}

/** Who reads the timeline is told that it has a gap here. */
function afterGap(seen: PhaseSeen, steps: number): PhaseSeen {
  return { ...seen, detail: `${seen.detail} (${steps} more steps before this one, too many at once to be kept)`, data: { ...seen.data, not_kept: steps } };
}
