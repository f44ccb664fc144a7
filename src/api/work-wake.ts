/**
 * The doorbell between whoever offers work to a machine's agent and the long polls that wait for it in this process. A
 * ring may come from this process at once; what another process offered is found by one look for all who wait.
 */
import type { Queryable } from '../db/client.js';

export type WorkWake = {
  /** Work may be there for the node. Called after the commit; harmless when nobody waits. */
  wake(nodeId: number): void;
  /** Waits for a ring for the node, for `ms` or for the signal, whichever is first. Never rejects. */
  wait(nodeId: number, ms: number, signal: AbortSignal): Promise<void>;
};

const LOOK_EVERY_MS = 500;

/** A doorbell for this process. It looks into the database only while somebody waits. */
export function createWorkWake(db: { pool: Queryable }, lookEveryMs: number = LOOK_EVERY_MS): WorkWake {
  const waiting = new Map<number, Set<() => void>>();
  let timer: NodeJS.Timeout | undefined;

  function wake(nodeId: number): void {
    for (const ring of waiting.get(nodeId) ?? []) ring();
  }

  async function look(): Promise<void> {
    try {
      for (const nodeId of await nodesWithWork(db.pool, [...waiting.keys()])) wake(nodeId);
    } catch {
      // The database does not answer: those who wait will be told by their own next poll.
    }
    timer = undefined;
    schedule();
  }

  function schedule(): void {
    if (timer !== undefined || waiting.size === 0) return;
    timer = setTimeout(() => void look(), lookEveryMs);
    timer.unref();
  }

  return {
    wake,
    wait(nodeId, ms, signal) {
      return new Promise((resolve) => {
        const rings = waiting.get(nodeId) ?? new Set<() => void>();
        waiting.set(nodeId, rings);
        const done = (): void => {
          clearTimeout(limit);
          signal.removeEventListener('abort', done);
          rings.delete(done);
          if (rings.size === 0 && waiting.get(nodeId) === rings) waiting.delete(nodeId);
          resolve();
        };
        const limit = setTimeout(done, ms);
        rings.add(done);
        signal.addEventListener('abort', done, { once: true });
        schedule();
        if (signal.aborted) done();
      });
    },
  };
}

/** Those of the nodes for which work lies ready, or was taken back: one statement however many wait. Uses agent_work_node_id_status_idx. */
async function nodesWithWork(db: Queryable, nodeIds: number[]): Promise<number[]> {
  if (nodeIds.length === 0) return [];
  const { rows } = await db.query<{ node_id: number }>(
    `SELECT DISTINCT w.node_id FROM agent_work w JOIN runs r ON r.id = w.run_id WHERE w.node_id = ANY($1) AND (w.status = 'offered' AND r.status = 'WAITING' OR w.status = 'revoked')`,
    [nodeIds],
  );
  return rows.map((row) => row.node_id);
}
