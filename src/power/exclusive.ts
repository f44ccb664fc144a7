/**
 * One command at a time for a BMC, in this process and in others, with time between two. Inside the process a chain of
 * promises; across processes a session-level advisory lock on one connection of its own, so that slow BMCs hold no
 * connections of the pool. When that connection breaks its locks are gone: a command under way is finished, and the node's
 * run slot still keeps two jigs apart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** First key of the two-key advisory locks: the letters `pbmc`. */
const LOCK_SPACE = 0x70626d63;
const LOCK_RETRY_MS = 200;

export type BmcLocks = {
  /** Runs `work` alone for this node. Rejects with the signal's reason when it ends while waiting. */
  exclusively<T>(nodeId: number, spacingMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

export function createBmcLocks(url: string): BmcLocks {
  const tails = new Map<number, Promise<unknown>>();
  const endedAt = new Map<number, number>();
  let connection: Promise<pg.Client> | undefined;
  let asking: Promise<unknown> = Promise.resolve();

  function connect(): Promise<pg.Client> {
    if (connection !== undefined) return connection;
    const client = new pg.Client({
      connectionString: url,
      application_name: 'prybar power',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    const drop = () => (connection = undefined);
    client.on('error', drop);
    client.on('end', drop);
    const opening = client.connect().then(() => client);
    opening.catch(drop);
    connection = opening;
    return opening;
  }

  /** One query at a time: a pg client takes no second one while it is at the first. */
  function ask(client: pg.Client, text: string, nodeId: number): Promise<boolean> {
    const mine = asking.then(async () => (await client.query<{ got: boolean }>(text, [LOCK_SPACE, nodeId])).rows[0]?.got === true);
    asking = mine.catch(() => undefined);
    return mine;
  }

  async function lock(nodeId: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const client = await connect();
      if (await ask(client, 'SELECT pg_try_advisory_lock($1, $2) AS got', nodeId)) return;
      await sleep(LOCK_RETRY_MS, undefined, { signal });
    }
  }

  async function unlock(nodeId: number): Promise<void> {
    // A broken connection has given its locks back already.
    await connection?.then((client) => ask(client, 'SELECT pg_advisory_unlock($1, $2) AS got', nodeId)).catch(() => undefined);
  }

  async function alone<T>(nodeId: number, spacingMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    await lock(nodeId, signal);
    try {
      const wait = (endedAt.get(nodeId) ?? Number.NEGATIVE_INFINITY) + spacingMs - performance.now();
      if (wait > 0) await sleep(wait, undefined, { signal });
      return await work();
    } finally {
      endedAt.set(nodeId, performance.now());
      await unlock(nodeId);
    }
  }

  return {
    exclusively(nodeId, spacingMs, signal, work) {
      const before = tails.get(nodeId) ?? Promise.resolve();
      const mine = before.then(
        () => alone(nodeId, spacingMs, signal, work),
        () => alone(nodeId, spacingMs, signal, work),
      );
      const tail = mine
        .catch(() => undefined)
        .finally(() => {
          if (tails.get(nodeId) === tail) tails.delete(nodeId);
        });
      tails.set(nodeId, tail);
      return mine;
    },
    async close() {
      await Promise.all(tails.values());
      await connection?.then((client) => client.end()).catch(() => undefined);
    },
  };
}
