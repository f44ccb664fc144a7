/**
 * Scripted outcomes for tests and drills: reads `test` of its inputs and does as told. Every key is optional.
 *   delayMs      works that long first                    log          a line to log
 *   failTimes    fails (retryable) in that many attempts  fail         fails for good with this message
 *   hang         never returns (until aborted)            waitSeconds  waits that long without a worker
 *   wall         what it leaves
 */
import { z } from 'zod';
import type { Jig, JigContext, JigOutcome } from '../../src/jigs/contract.js';

const script = z.object({
  delayMs: z.number().int().min(0).max(600_000).optional(),
  failTimes: z.number().int().min(0).optional(),
  fail: z.string().optional(),
  hang: z.boolean().optional(),
  waitSeconds: z.number().min(0).optional(),
  keeps: z.enum(['node', 'nothing']).default('node'),
  log: z.string().optional(),
  wall: z.record(z.string(), z.json()).optional(),
});

export const test: Jig = {
  name: 'test',
  description: 'does what its inputs tell it to: delay, fail, hang, wait',
  run,
};

async function run(ctx: JigContext): Promise<JigOutcome> {
  const parsed = script.safeParse(ctx.inputs.test ?? {});
  if (!parsed.success)
    return {
      kind: 'fail',
      code: 'bad-inputs',
      message: `test: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
      retryable: false,
    };
  const told = parsed.data;
  if (told.log !== undefined) ctx.log(told.log);
  if (told.hang) await until(ctx.signal);
  if (told.delayMs) await until(ctx.signal, told.delayMs);
  if (told.fail !== undefined) return { kind: 'fail', code: 'told-to-fail', message: told.fail, retryable: false };
  if (told.failTimes !== undefined && ctx.run.attempt <= told.failTimes)
    return { kind: 'fail', code: 'told-to-fail', message: `attempt ${ctx.run.attempt} of ${told.failTimes} that fail`, retryable: true };
  if (told.waitSeconds !== undefined && ctx.wake === null)
    return { kind: 'wait', key: `timer:${ctx.run.id}`, minGeneration: 1, deadlineSeconds: told.waitSeconds, keeps: told.keeps, memo: {} };
  return { kind: 'done', ...(told.wall === undefined ? {} : { wall: told.wall }) };
}

/** Resolves after `ms`; rejects when aborted. Without `ms` only the abort ends it. */
function until(signal: AbortSignal, ms?: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
