/**
 * The jig of the chaos: the work of a real one without a machine. What it does follows from its inputs and from the run's
 * number, so a history can be read back: `chaos: { delayMs, failTimes, failOn, waitSeconds, keeps, stamp }`.
 */
import type { Jig, JigContext, JigOutcome } from '../../../src/jigs/contract.js';

type Told = { delayMs?: number; failPercent?: number; fail?: string; waitSeconds?: number; keeps?: 'node' | 'nothing'; stamp?: boolean };

export const chaosJig: Jig = { name: 'test', description: 'delays, fails, waits as its inputs say', run };

/** A number of 0 to 99 that only the run decides. */
const dice = (run: number) => (Math.imul(run, 2654435761) >>> 0) % 100;

async function run(ctx: JigContext): Promise<JigOutcome> {
  const told = (ctx.inputs.chaos ?? {}) as Told;
  if (told.delayMs) await until(ctx.signal, (told.delayMs * (50 + dice(ctx.run.id))) / 100);
  if (told.fail !== undefined) return { kind: 'fail', code: 'told-to-fail', message: told.fail, retryable: false };
  if (told.failPercent !== undefined && dice(ctx.run.id) < told.failPercent)
    return { kind: 'fail', code: 'bad-luck', message: 'this run had bad luck', retryable: true };
  if (told.waitSeconds !== undefined && ctx.wake === null)
    return { kind: 'wait', key: `timer:${ctx.run.id}`, minGeneration: 1, deadlineSeconds: told.waitSeconds, keeps: told.keeps ?? 'node', memo: {} };
  // A stamp is another wall each time, which pokes what reads it; else the wall follows the data.
  return { kind: 'done', wall: { v: ctx.inputs.v ?? 0, ...(told.stamp ? { run: ctx.run.id } : {}) } };
}

function until(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => (signal.removeEventListener('abort', abort), resolve()), ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
