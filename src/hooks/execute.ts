/**
 * Runs the hook of one role for some subjects and says how each of them went. A batch that throws is asked again one by
 * one, so that a poisoned subject fails alone.
 */
import { withTransaction, type Db } from '../db/client.js';
import { notify, setCauseDepth } from '../events/outbox.js';
import type { Logger } from '../shared/logger.js';
import type { Hook, HookContext, HookItem } from './hooks.js';
import type { Claimed } from './store.js';

/** How long one call of a hook may take, milliseconds. Shorter than the lease of a delivery. */
const HOOK_TIMEOUT_MS = 60_000;

/** Null: it went well. */
export type Result = { delivery: Claimed; error: string | null };

/** `stop` ends when the process stops: hooks that run then have failed. */
export type ExecuteDeps = { db: Db; log: Logger; stop: AbortSignal; timeoutMs?: number };

/** The deliveries are all of one role, one hook and one cause depth. Never rejects. */
export async function executeHook(deps: ExecuteDeps, hook: Hook, deliveries: readonly Claimed[]): Promise<Result[]> {
  const together = await callHook(deps, hook, deliveries);
  if (together !== undefined) return together;
  const results: Result[] = [];
  for (const delivery of deliveries) {
    const alone = await callHook(deps, hook, [delivery], true);
    results.push(...(alone ?? []));
  }
  return results;
}

/** Undefined: the whole call threw and there are several to try alone. */
async function callHook(deps: ExecuteDeps, hook: Hook, deliveries: readonly Claimed[], isLast = deliveries.length === 1): Promise<Result[] | undefined> {
  const signal = AbortSignal.any([deps.stop, AbortSignal.timeout(deps.timeoutMs ?? HOOK_TIMEOUT_MS)]);
  const depth = Math.max(...deliveries.map((delivery) => delivery.causeDepth));
  const context: HookContext = {
    db: deps.db,
    log: deps.log,
    signal,
    async transaction(work) {
      const result = await withTransaction(deps.db.pool, async (tx) => {
        await setCauseDepth(tx, depth + 1);
        return work(tx);
      });
      notify(deps.db.pool);
      return result;
    },
  };
  try {
    const answers = await untilAborted(hook(deliveries.map(itemOf), context), signal);
    const byId = new Map(answers.map((answer) => [answer.subjectId, answer]));
    return deliveries.map((delivery) => {
      const answer = byId.get(delivery.subjectId);
      if (answer === undefined) return { delivery, error: 'the hook gave no answer for it' };
      return { delivery, error: answer.ok ? null : answer.error };
    });
  } catch (error) {
    if (!isLast) return undefined;
    const message = error instanceof Error ? error.message : String(error);
    return deliveries.map((delivery) => ({ delivery, error: message }));
  }
}

function itemOf(delivery: Claimed): HookItem {
  return { subjectType: delivery.subjectType, subjectId: delivery.subjectId, version: delivery.version, changed: delivery.changed, data: delivery.data };
}

/** A hook that does not heed its signal must not hold the loop: its late answer is ignored. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(new Error('the hook took too long, or the process stopped'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
