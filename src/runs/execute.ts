/**
 * Executes runs in a worker process: job -> start -> jig -> settle. The handler of a job resolves only after its outcome
 * is committed (engine-rules 12). What the jig throws becomes a failure with a code; nothing of it ends the process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../db/client.js';
import { hasStop, type AgentPort, type JigContext, type JigOutcome, type JigRegistry } from '../jigs/contract.js';
import { isPassing } from '../db/passing.js';
import { safeOutcome } from '../noderoles/outcome.js';
import { settle, type Settlement } from '../noderoles/settle.js';
import type { Ring, RunJob } from '../queue/jobs.js';
import type { Logger } from '../shared/logger.js';
import { agentPort } from './agent-work.js';
import { Deadline } from './deadline.js';
import type { Hold } from './hold.js';
import { failureClass, failureOf } from '../noderoles/failure-class.js';
import { LeaseKeeper } from './lease.js';
import { withCheckedWall, withoutSecrets } from './checked-outcome.js';
import { appendRunLogs, LogSink, type LogChunk } from './log.js';
import { Pump } from './pump.js';
import { startRuns, type StartAnswer, type StartedRun } from './start.js';
import { ABORT_GRACE_MS, contextOf, endOf, type Turn } from './turn.js';
import { undo } from './undo.js';
import { beginUnabortable, endUnabortable } from './unabortable.js';

export type ExecutorOptions = {
  pool: Pool;
  jigs: JigRegistry;
  /** Name of this worker, unique among those alive. */
  worker: string;
  leaseSeconds: number;
  /** Makes rings after commit. */
  ring: (rings: Ring[]) => Promise<void>;
  /** A settle looks only at the machines it touched and left room for others; its runs were of these classes. */
  onRoom?: (jobClasses: string[]) => void;
  /** Asks the annealer for a pass; without it the next sweep does. */
  kick?: () => Promise<void>;
  /** Characters of log that one turn of a run may write, default four million. */
  logLimit?: number;
  /** How many noderoles a settle may claim in its own commit. */
  claimPerSettle: number;
  /** For how long a busy worker gathers what it starts and settles before it asks the database. Milliseconds, default 0. */
  gatherMs?: number;
  /** How long a jig whose signal was aborted may take to stop. Milliseconds, default 10 000. */
  abortGraceMs?: number;
  log: Logger;
};

type Settling = Settlement & { jobClass: string };

/** An answer of start, and when it was asked for, monotonic: its lease is at most that old. */
type Started = { answer: StartAnswer; sinceMs: number };

const BATCH = 500;
/** A batch of so many is of a worker that has more to come. */
const BUSY_FROM = 4;
const MAX_TRIES = 60;
const LOG_LIMIT = 4_000_000;
const SETTLED = 'settled' as const;
const pause = (tries: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.min(2000, 20 * 2 ** Math.min(tries, 7)) * (0.5 + Math.random() / 2)));

/** One per worker process: its pumps and its leases. */
export class Executor {
  readonly leases: LeaseKeeper;
  private readonly starts: Pump<RunJob, Started>;
  private readonly settles: Pump<Settling, typeof SETTLED>;
  private readonly logs: Pump<LogChunk, boolean>;

  constructor(private readonly options: ExecutorOptions) {
    const { pool, log } = options;
    this.leases = new LeaseKeeper(pool, options.leaseSeconds, log);
    const onError = (what: string) => (error: unknown, tries: number) => {
      log.warn({ err: error, tries }, `${what} batch failed`);
      if (isPassing(error)) return tries < MAX_TRIES ? ('again' as const) : ('reject' as const);
      return 'split' as const;
    };
    // Single ones go at once: only who is busy gains by waiting.
    const { gatherMs = 0 } = options;
    const gather = async (taken: number) => {
      if (gatherMs > 0 && taken >= BUSY_FROM) await sleep(gatherMs);
    };
    this.starts = new Pump({ maxBatch: BATCH, pause, gather, onError: onError('start'), run: (jobs) => this.start(jobs) });
    this.settles = new Pump({
      maxBatch: BATCH,
      pause,
      gather,
      onError: onError('settle'),
      run: async (batch) => {
        const rings = await settle(pool, batch, options.claimPerSettle);
        // The commit stands whether or not the rings are heard: a lost one costs a sweep.
        if (rings.length > 0) await options.ring(rings).catch((err: unknown) => log.warn({ err, rings: rings.length }, 'rings lost'));
        if (rings.length < batch.length) options.onRoom?.([...new Set(batch.map((item) => item.jobClass))]);
        return batch.map(() => SETTLED);
      },
    });
    this.logs = new Pump({ maxBatch: BATCH, pause, onError: onError('log'), run: (chunks) => appendRunLogs(pool, chunks) });
  }

  /** Handles one job of a class to its end. Never throws for what the jig did; throws when the outcome could not be settled. */
  async handle(job: RunJob, jobClass = 'fast'): Promise<void> {
    const { answer, sinceMs } = await this.starts.add(job);
    switch (answer.kind) {
      case 'dropped':
        return undo(job, { ...this.options, leases: this.leases, openLog: (turn) => this.openLog(turn) });
      case 'skip':
      case 'supersede':
        return this.settle({ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind }, jobClass });
      case 'run':
        return this.execute(answer.run, sinceMs, jobClass);
    }
  }

  /** Waits for what is under way to be settled. */
  async idle(): Promise<void> {
    await this.starts.idle();
    await this.settles.idle();
  }

  private async start(jobs: RunJob[]): Promise<Started[]> {
    const sinceMs = performance.now();
    const { pool, worker, leaseSeconds, jigs } = this.options;
    const answers = await startRuns(pool, jobs, worker, leaseSeconds, (jig, role) => hasStop(jigs, jig, role));
    return answers.map((answer) => ({ answer, sinceMs }));
  }

  private async execute(run: StartedRun, sinceMs: number, jobClass: string): Promise<void> {
    const hold = this.leases.hold(run.runId, run.fence, sinceMs);
    const sink = this.openLog(run);
    try {
      const outcome = await this.callJig(run, hold, sink);
      const log = await this.lastWords(run, sink);
      // Also when the run was taken away: the late result proves that this executor has stopped. One that has not
      // stopped proves nothing: then the end of the lease decides.
      if (outcome === 'still running') return;
      const ignored = outcome === 'still running after its time';
      const settlement: Settling = {
        runId: run.runId,
        fence: run.fence,
        outcome: ignored ? tooLong(run) : withoutSecrets(outcome, run.secrets),
        jobClass,
        log,
      };
      if (ignored) settlement.stillRunning = true;
      if (run.wakeReason === 'deadline' && settlement.outcome.kind === 'fail') settlement.undo = hasStop(this.options.jigs, run.jig, run.role.name);
      await this.settle(settlement);
    } finally {
      this.leases.release(run.runId, run.fence);
    }
  }

  private async settle(settlement: Settling): Promise<void> {
    try {
      await this.settles.add(settlement);
    } catch (error) {
      if (isPassing(error)) throw error;
      // Poison: the database refuses this very outcome. The run must end all the same.
      const message = error instanceof Error ? error.message : String(error);
      await this.settles.add({
        ...settlement,
        outcome: { kind: 'fail', code: 'internal-error', message: `the outcome could not be stored: ${message}`, retryable: false },
      });
    }
  }

  private async callJig(run: StartedRun, hold: Hold, sink: LogSink): Promise<Settlement['outcome'] | StillRunning> {
    const jig = this.options.jigs.get(run.jig);
    if (!jig)
      return { kind: 'fail', code: 'no-jig', message: `there is no jig '${run.jig}'; known are ${[...this.options.jigs.keys()].join(', ')}`, retryable: false };
    // Stopped for so long between start and here that the machine may be another's by now.
    if (hold.lost) return { kind: 'lost', message: String(hold.lost) };
    if (run.wakeReason === 'unexpected-boot' && run.expectedBoot?.otherwise === 'fail') return strangeBoot(run);
    let timedOut = false;
    const time = new Deadline(run.role.timeoutSeconds * 1000, () => {
      timedOut = true;
      hold.stop(new Error(`no outcome within ${run.role.timeoutSeconds} s`));
    });
    const turn = contextOf(run, {
      hold,
      log: this.options.log,
      mayAct: () => this.leases.isCertain(run.runId, run.fence),
      write: (text) => sink.write(text),
    });
    const context: JigContext = Object.assign(turn, {
      wake: toWake(run.wakeReason),
      agent: agentPort(this.options.pool, run) satisfies AgentPort,
      unabortable: <T>(what: string, work: () => Promise<T>) => this.unabortable(run, { what, work, time }),
    });
    const grace = this.options.abortGraceMs ?? ABORT_GRACE_MS;
    const ended = await endOf(() => jig.run(context), hold, grace).finally(() => time.stop());
    if (ended.kind === 'returned') return timedOut && !hold.lost ? tooLong(run) : withCheckedWall(run, safeOutcome(ended.value));
    if (ended.kind === 'ignored') context.logger.error({ graceMs: grace }, 'jig ignores its signal');
    if (hold.lost) return ended.kind === 'ignored' ? 'still running' : { kind: 'lost', message: String(hold.lost) };
    if (timedOut && ended.kind === 'ignored') return 'still running after its time';
    return timedOut ? tooLong(run) : toFailure(ended.kind === 'threw' ? ended.error : undefined);
  }

  private async unabortable<T>(run: StartedRun, step: { what: string; work: () => Promise<T>; time: Deadline }): Promise<T> {
    await beginUnabortable(this.options.pool, run, step.what);
    step.time.hold();
    try {
      return await step.work();
    } finally {
      // The look that follows at the lease aborts the signal; nothing the jig returns counts any more.
      await endUnabortable(this.options.pool, run).catch((err: unknown) => this.options.log.warn({ err, runId: run.runId }, 'the end of a step was not told'));
      step.time.release();
    }
  }

  /** What a jig wrote last goes with its outcome; what is more than a chunk is written before. */
  private async lastWords({ runId }: StartedRun, sink: LogSink): Promise<string | null> {
    const { written, last } = sink.end();
    await written.catch((err: unknown) => this.options.log.warn({ err, runId }, 'log not written'));
    return last;
  }

  private openLog({ runId, fence, secrets }: Turn): LogSink {
    return new LogSink((chunk) => this.logs.add(chunk), { runId, fence, secrets, limit: this.options.logLimit ?? LOG_LIMIT });
  }
}

/** A jig that does not heed its signal: its run was taken away, or its time is over and it has failed. */
type StillRunning = 'still running' | 'still running after its time';

const tooLong = (run: StartedRun): JigOutcome => ({
  kind: 'fail',
  code: 'timeout',
  message: `no outcome within ${run.role.timeoutSeconds} s`,
  retryable: true,
});

function toWake(reason: string | null): JigContext['wake'] {
  return reason === 'fact' || reason === 'deadline' || reason === 'unexpected-boot' ? reason : null;
}

function strangeBoot(run: StartedRun): JigOutcome {
  return {
    kind: 'fail',
    code: 'unexpected-boot',
    message: `the machine booted into something else than ${run.expectedBoot?.class ?? 'what'} was expected; look at the machine, then retry`,
    retryable: false,
  };
}

function toFailure(error: unknown): JigOutcome {
  const { code, message, retryable } = failureOf(error);
  return { kind: 'fail', code, message, retryable: failureClass(retryable === undefined ? { code } : { code, retryable }) !== 'final' };
}
