/**
 * The doorbell between whoever offers work to a machine's agent and the long polls that wait for it in this process.
 * Only a hint: a poll looks into the database by itself as well, so a ring that is lost costs at most that long.
 */

export type WorkWake = {
  /** Work may be there for the node. Called after the commit. */
  wake(nodeId: number): void;
  /** Waits for a ring for the node, for `ms` or for the signal, whichever is first. Never rejects. */
  wait(nodeId: number, ms: number, signal: AbortSignal): Promise<void>;
};

/** A doorbell for this process. */
export function createWorkWake(): WorkWake {
  const waiting = new Map<number, Set<() => void>>();
  return {
    wake(nodeId) {
      for (const ring of waiting.get(nodeId) ?? []) ring();
    },
    wait(nodeId, ms, signal) {
      return new Promise((resolve) => {
        const rings = waiting.get(nodeId) ?? new Set<() => void>();
        waiting.set(nodeId, rings);
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          rings.delete(done);
          if (rings.size === 0 && waiting.get(nodeId) === rings) waiting.delete(nodeId);
          resolve();
        };
        const timer = setTimeout(done, ms);
        rings.add(done);
        signal.addEventListener('abort', done, { once: true });
        if (signal.aborted) done();
      });
    },
  };
}
