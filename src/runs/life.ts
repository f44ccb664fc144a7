/**
 * Life of a run, one attempt: the table of its status, PURE. As with a noderole's (src/noderoles/state.ts) the same rules
 * stand as SQL for batches (start, settle, claim, end_run, wake, sweep); the simulation runs on this table and replays what
 * it did against that SQL.
 *
 * QUEUED   claimed, its job is under way to a worker. Nobody has begun.
 * RUNNING  an executor holds `fence` and a lease. Each start consumes the fence before, so one job starts once.
 * WAITING  nobody executes it; a fact or the deadline wakes it. It keeps its slot or not, as its wait says.
 * WAKING   woken; without a slot it has to be claimed again, with one its job is under way.
 * STOPPING taken from its executor, whose fence is worth nothing now. The slot stays until the stop is proven.
 * ENDED    for good.
 *
 * Times are milliseconds of one clock, the database's.
 */
export type RunStatus = 'QUEUED' | 'RUNNING' | 'WAITING' | 'WAKING' | 'STOPPING' | 'ENDED';

export type RunLife = {
  status: RunStatus;
  fence: number;
  dispatch: number;
  holdsSlot: boolean;
  /** When the ring for the present dispatch was made; null: it is decided and not made, or there is none to make. */
  rungAt: number | null;
  leaseUntil: number | null;
  /** What it will end as; set while STOPPING. */
  stopOutcome: string | null;
  outcome: string | null;
};

export type RunEvent =
  /** A job that carries `fence`. */
  | { kind: 'start'; fence: number; now: number; leaseMs: number }
  | { kind: 'renew'; fence: number; now: number; leaseMs: number }
  /** Its executor says that it waits; `isTrue`: what it waits for has come already. */
  | { kind: 'wait'; fence: number; keeps: 'node' | 'nothing'; isTrue: boolean; atAgent: boolean; now: number }
  /** Its executor says how it ended; `atAgent`: the agent of the machine has work of it in hand. */
  | { kind: 'end'; fence: number; outcome: string; atAgent: boolean }
  /** What it waits for has come, or the deadline has. */
  | { kind: 'wake' }
  /** The claim gives a woken run its slot back. */
  | { kind: 'take-slot'; now: number }
  /** A ring that is decided, or older than `olderThanMs`, is made (again). */
  | { kind: 'ring'; now: number; olderThanMs: number }
  /** Cancelled, taken back, or lost. */
  | { kind: 'stop'; outcome: string }
  | { kind: 'lease-over'; now: number }
  /** Nothing of it is anywhere any more: its lease has been over for the margin. */
  | { kind: 'prove'; now: number; marginMs: number };

/** A new run, as the claim inserts it. */
export const newRun = (now: number): RunLife => ({
  status: 'QUEUED',
  fence: 1,
  dispatch: 1,
  holdsSlot: true,
  rungAt: now,
  leaseUntil: null,
  stopOutcome: null,
  outcome: null,
});

const ended = (run: RunLife, outcome: string | null): RunLife => ({ ...run, status: 'ENDED', outcome, leaseUntil: null });

/** The table. Null: the event changes nothing (a stale job, a late result, one who came second). */
export function nextRun(run: RunLife, event: RunEvent): RunLife | null {
  const { status } = run;
  switch (event.kind) {
    case 'start':
      if ((status !== 'QUEUED' && status !== 'WAKING') || run.fence !== event.fence) return null;
      return { ...run, status: 'RUNNING', fence: run.fence + 1, rungAt: null, leaseUntil: event.now + event.leaseMs };

    case 'renew':
      return status === 'RUNNING' && run.fence === event.fence ? { ...run, leaseUntil: event.now + event.leaseMs } : null;

    case 'wait': {
      if (status !== 'RUNNING' || run.fence !== event.fence) return provenByItself(run, event);
      const holdsSlot = event.keeps === 'node';
      const rings = event.isTrue && holdsSlot;
      return {
        ...run,
        status: event.isTrue ? 'WAKING' : 'WAITING',
        holdsSlot,
        leaseUntil: null,
        dispatch: rings ? run.dispatch + 1 : run.dispatch,
        rungAt: rings ? event.now : null,
      };
    }

    case 'end':
      if (status !== 'RUNNING' || run.fence !== event.fence) return provenByItself(run, event);
      // What the agent is at is not over because the run is: the machine is kept until it has let go.
      return event.atAgent ? { ...run, status: 'STOPPING', fence: run.fence + 1, leaseUntil: null, stopOutcome: event.outcome } : ended(run, event.outcome);

    case 'wake':
      return status === 'WAITING' ? { ...run, status: 'WAKING', rungAt: null } : null;

    case 'take-slot':
      return status === 'WAKING' && !run.holdsSlot ? { ...run, holdsSlot: true, dispatch: run.dispatch + 1, rungAt: event.now } : null;

    case 'ring':
      if ((status !== 'QUEUED' && status !== 'WAKING') || !run.holdsSlot) return null;
      return run.rungAt === null || run.rungAt < event.now - event.olderThanMs ? { ...run, dispatch: run.dispatch + 1, rungAt: event.now } : null;

    case 'stop':
      if (status === 'STOPPING' || status === 'ENDED') return null;
      // Nobody has begun it, or nothing of it runs anywhere: no stop is to be proven.
      if (status === 'QUEUED' || (status !== 'RUNNING' && !run.holdsSlot)) return ended({ ...run, fence: run.fence + 1 }, event.outcome);
      return { ...run, status: 'STOPPING', fence: run.fence + 1, stopOutcome: event.outcome };

    case 'lease-over':
      return status === 'RUNNING' && run.leaseUntil !== null && run.leaseUntil < event.now ? nextRun(run, { kind: 'stop', outcome: 'lease-lost' }) : null;

    case 'prove':
      return status === 'STOPPING' && (run.leaseUntil === null || run.leaseUntil < event.now - event.marginMs) ? ended(run, run.stopOutcome) : null;
  }
}

/**
 * A result of the executor that was running when the run was stopped: it has stopped itself. Only a run that was RUNNING
 * then had one; for a run that was waiting it is a result sent again, and says nothing about the machine. Nor does it while
 * the agent has not let go of what was taken back.
 */
function provenByItself(run: RunLife, { fence, atAgent }: { fence: number; atAgent: boolean }): RunLife | null {
  return run.status === 'STOPPING' && run.fence === fence + 1 && run.leaseUntil !== null && !atAgent ? ended(run, run.stopOutcome) : null;
}
