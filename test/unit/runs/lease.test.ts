import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import type { Queryable } from '../../../src/db/client.js';
import { LeaseKeeper } from '../../../src/runs/lease.js';

const LEASE_SECONDS = 30;
const log = pino({ level: 'silent' });

/** A database that renews what `renews` says; its answers can fail or never come. */
class Leases {
  asked: { ids: number[]; fences: number[] }[] = [];
  mode: 'answer' | 'fail' | 'hang' = 'answer';
  taken = new Set<number>();

  get db(): Queryable {
    const query = async (_text: string, [ids, fences]: [number[], number[]]) => {
      this.asked.push({ ids, fences });
      if (this.mode === 'fail') throw new Error('the database is away');
      if (this.mode === 'hang') return new Promise<never>(() => undefined);
      return { rows: ids.filter((id) => !this.taken.has(id)).map((id) => ({ id })) };
    };
    return { query } as unknown as Queryable;
  }
}

describe('leases', () => {
  let leases: Leases;
  let keeper: LeaseKeeper;
  beforeEach(() => {
    jest.useFakeTimers();
    leases = new Leases();
    keeper = new LeaseKeeper(leases.db, LEASE_SECONDS, log);
  });
  afterEach(() => {
    keeper.stop();
    jest.useRealTimers();
  });
  const seconds = (n: number) => jest.advanceTimersByTimeAsync(n * 1000);

  it('are renewed together, and hold as long as they are', async () => {
    const one = keeper.hold(1, 11);
    const two = keeper.hold(2, 12);
    await seconds(120);
    expect(leases.asked.length).toBeGreaterThanOrEqual(120 / (LEASE_SECONDS / 3));
    expect(leases.asked.at(-1)).toEqual({ ids: [1, 2], fences: [11, 12] });
    expect([one.signal.aborted, two.signal.aborted]).toEqual([false, false]);
  });

  it('rule 4: one that a renewal does not find aborts its run, and no other', async () => {
    const one = keeper.hold(1, 11);
    const two = keeper.hold(2, 12);
    leases.taken.add(1);
    await seconds(3);
    expect([one.signal.aborted, two.signal.aborted]).toEqual([true, false]);
    expect(String(one.signal.reason)).toContain('taken away');
  });

  it('rule 1: a process that was stopped and goes on asks the clock, before any timer has told its jig to stop', async () => {
    const { signal } = keeper.hold(1, 11);
    await seconds(1);
    expect(keeper.isCertain(1, 11)).toBe(true);
    // The clock goes on while no timer fires: SIGSTOP, then SIGCONT.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 25_000);
    expect([keeper.isCertain(1, 11), signal.aborted]).toEqual([false, false]);
    clock.mockRestore();
  });

  it('rule 1: a run whose start was asked for too long ago begins aborted', () => {
    const { signal } = keeper.hold(1, 11, performance.now() - 25_000);
    expect([keeper.isCertain(1, 11), signal.aborted]).toEqual([false, true]);
    expect(keeper.isCertain(1, 10)).toBe(false);
  });

  it.each(['fail', 'hang'] as const)('rule 1: when renewals %s, the run stops before its lease is over', async (mode) => {
    const { signal } = keeper.hold(1, 11);
    await seconds(10);
    leases.mode = mode;
    await seconds(LEASE_SECONDS * 0.5);
    expect(signal.aborted).toBe(false);
    await seconds(LEASE_SECONDS * 0.5 - 2);
    expect(signal.aborted).toBe(true);
    expect(String(signal.reason)).toContain('could not be renewed');
  });

  it('renewals that fail for a while and come back lose nothing', async () => {
    const { signal } = keeper.hold(1, 11);
    leases.mode = 'fail';
    await seconds(LEASE_SECONDS / 2);
    leases.mode = 'answer';
    await seconds(60);
    expect(signal.aborted).toBe(false);
  });

  // The event loop was blocked between the start's commit and this: the lease is older than it looks from here.
  it('rule 1: count from when start was asked, not from when it was heard', async () => {
    leases.mode = 'fail';
    const { signal } = keeper.hold(1, 11, performance.now() - 20_000);
    await seconds(7);
    expect(signal.aborted).toBe(true);
  });

  // A run that waits and is woken at once is started again in this process before its first turn has let go of it.
  it('letting go of an earlier turn keeps the lease of the next', async () => {
    keeper.hold(1, 11);
    const { signal: next } = keeper.hold(1, 12);
    keeper.release(1, 11);
    await seconds(3);
    expect(leases.asked.at(-1)).toEqual({ ids: [1], fences: [12] });
    leases.taken.add(1);
    await seconds(3);
    expect(next.aborted).toBe(true);
  });

  it('are no longer renewed when let go, and the timer ends with the last', async () => {
    keeper.hold(1, 11);
    keeper.release(1, 11);
    await seconds(60);
    expect(leases.asked).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('abort all at once when the process closes', () => {
    const signals = [keeper.hold(1, 11).signal, keeper.hold(2, 12).signal];
    keeper.abortAll('closing');
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });
});
