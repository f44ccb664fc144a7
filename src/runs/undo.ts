/** The last turn of a run that was cancelled, in the worker: its jig's `onStop` is called (engine-rules 17; stop.ts writes it down). */
import type { JigRegistry } from '../jigs/contract.js';
import type { Pool } from '../db/client.js';
import { failureOf } from '../noderoles/failure-class.js';
import type { RunJob } from '../queue/jobs.js';
import type { Logger } from '../shared/logger.js';
import { Deadline } from './deadline.js';
import type { Hold } from './hold.js';
import type { LeaseKeeper } from './lease.js';
import type { LogSink } from './log.js';
import { endStop, STOP_TIMEOUT_MS, takeStop, type StoppingRun } from './stop.js';
import { ABORT_GRACE_MS, contextOf, endOf, type Turn } from './turn.js';

export type UndoDeps = {
  pool: Pool;
  jigs: JigRegistry;
  worker: string;
  leaseSeconds: number;
  leases: LeaseKeeper;
  openLog: (turn: Turn) => LogSink;
  kick?: (() => Promise<void>) | undefined;
  abortGraceMs?: number | undefined;
  log: Logger;
};

/** A job that starts nothing may be for the undoing of a run that was cancelled; if it is not, nothing happens. */
export async function undo(job: RunJob, deps: UndoDeps): Promise<void> {
  const { pool, worker, leaseSeconds, leases, log } = deps;
  const sinceMs = performance.now();
  const run = await takeStop(pool, job, worker, leaseSeconds);
  if (run === null) return;
  const hold = leases.hold(run.runId, run.fence, sinceMs);
  const sink = deps.openLog(run);
  try {
    const outcome = await callOnStop(run, hold, sink, deps);
    await sink.close().catch((err: unknown) => log.warn({ err, runId: run.runId }, 'log not written'));
    if (outcome !== 'still running') await endStop(pool, run, outcome);
  } finally {
    leases.release(run.runId, run.fence);
  }
  // The machine may be free now.
  await deps.kick?.().catch(() => undefined);
}

async function callOnStop(run: StoppingRun, hold: Hold, sink: LogSink, { jigs, leases, log, abortGraceMs = ABORT_GRACE_MS }: UndoDeps) {
  const jig = jigs.get(run.jig);
  if (jig?.onStop === undefined) return { note: 'there was nothing to undo' };
  const time = new Deadline(STOP_TIMEOUT_MS, () => hold.stop(new Error(`not undone within ${STOP_TIMEOUT_MS / 1000} s`)));
  const turn = contextOf(run, { hold, log, mayAct: () => leases.isCertain(run.runId, run.fence), write: (text) => sink.write(text) });
  const context = Object.assign(turn, { reason: run.reason });
  const ended = await endOf(async () => jig.onStop?.(context), hold, abortGraceMs).finally(() => time.stop());
  if (ended.kind === 'ignored') return 'still running' as const;
  return ended.kind === 'returned' ? toStopped(ended.value) : { error: failureOf(ended.error).message };
}

/** What `onStop` returned, as far as it is what it should be. */
function toStopped(value: unknown): { note?: string; proof?: string } {
  const text = (key: 'note' | 'proof') => {
    const found: unknown = typeof value === 'object' && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined;
    return typeof found === 'string' && found !== '' ? { [key]: found.slice(0, 1000).replaceAll('\u0000', '') } : {};
  };
  return { ...text('note'), ...text('proof') };
}
