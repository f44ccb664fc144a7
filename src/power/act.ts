/**
 * A power action, carried through: one at a time for a BMC, tried again when the BMC did not answer, and done only when
 * the BMC says that the power is as it should be.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../db/client.js';
import { recordPowerLoss } from '../nodes/alive.js';
import { recordNodeStep } from '../nodes/phase.js';
import { AppError } from '../shared/errors.js';
import { readBmc, recordPower } from './bmcs.js';
import { openDriver } from './drivers.js';
import type { BmcLocks } from './exclusive.js';
import { notObeyed, type BmcAddress, type MachineRef, type NextBoot, type PowerDriver, type PowerState, type PowerTiming, type PowerVerb } from './power.js';
import type { Secrets } from './secrets.js';

export type PowerAsk = {
  nodeId: number;
  action: PowerVerb;
  /** What it shall boot then, once; null leaves it to the machine. */
  nextBoot: NextBoot | null;
  signal: AbortSignal;
  /** Asked just before each command is sent: false when the machine may be another's by now (engine-rules 1). */
  mayAct?: () => boolean;
};

export type PowerDeps = {
  secrets: Pick<Secrets, 'decrypt'>;
  locks: BmcLocks;
  /** For tests. */
  openDriver?: (bmc: BmcAddress, machine: MachineRef, beforeSend?: () => void) => { driver: PowerDriver; timing: PowerTiming };
};

/** Tries of one command, and the wait before the second, doubled before each further one. */
const TRIES = 3;
const RETRY_FIRST_MS = 500;

/**
 * Carries out the action and returns when the BMC agrees. Cycling a machine that is off turns it on. Safe to repeat: a
 * machine that is on or off already is left alone, a cycle cycles again. Throws what `power.ts` names, AppError `no-bmc`.
 */
export async function powerAction(db: Db, ask: PowerAsk, deps: PowerDeps): Promise<void> {
  const { bmc, machine, bootId } = await readBmc(db, deps.secrets, ask.nodeId);
  const beforeSend = () => requireOurs(ask);
  const { driver, timing } = (deps.openDriver ?? openDriver)(bmc, machine, beforeSend);
  try {
    const power = await deps.locks.exclusively(ask.nodeId, timing.spacingMs, ask.signal, async () => {
      // Written before it is sent: what the machine does next comes after it on the timeline.
      await recordNodeStep(db, ask.nodeId, stepOf(ask));
      return carryOut({ driver, timing, bmc, ask });
    });
    await recordPower(db, ask.nodeId, { power });
  } catch (error) {
    if (!ask.signal.aborted) await recordPower(db, ask.nodeId, { error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
  if (ask.action !== 'on') await recordPowerLoss(db, ask.nodeId, bootId);
}

/** What the BMC says now; kept in the node's row. */
export async function readPower(db: Db, ask: { nodeId: number; signal: AbortSignal }, deps: PowerDeps): Promise<PowerState> {
  const { bmc, machine } = await readBmc(db, deps.secrets, ask.nodeId);
  const { driver, timing } = (deps.openDriver ?? openDriver)(bmc, machine);
  const power = await deps.locks.exclusively(ask.nodeId, timing.spacingMs, ask.signal, () => again(() => driver.status(ask.signal), ask.signal));
  await recordPower(db, ask.nodeId, { power });
  return power;
}

function stepOf({ action, nextBoot }: PowerAsk) {
  const detail = nextBoot === null ? '' : `next boot: ${nextBoot}`;
  return { kind: `power-${action}`, phase: null, detail, at: new Date(), data: { next_boot: nextBoot } };
}

type Work = { driver: PowerDriver; timing: PowerTiming; bmc: BmcAddress; ask: PowerAsk };

async function carryOut({ driver, timing, bmc, ask }: Work): Promise<PowerState> {
  const { signal, nextBoot } = ask;
  const before = await again(() => driver.status(signal), signal);
  // BMCs refuse to cycle a machine that is off (IPMI 2.0 section 28.3).
  const verb = ask.action === 'cycle' && before === 'off' ? 'on' : ask.action;
  if (nextBoot !== null) await again(() => (requireOurs(ask), driver.setNextBoot(nextBoot, signal)), signal);
  // Even then the command carries the next boot, where a driver sends both at once.
  if (verb === before && nextBoot === null) return before;
  await again(() => (requireOurs(ask), driver[verb](signal)), signal);
  return verify(driver, timing, { bmc, wanted: verb === 'off' ? 'off' : 'on', signal });
}

/** Whoever slept through his lease sends nothing any more: somebody else may have begun on the machine. */
function requireOurs(ask: PowerAsk): void {
  if (ask.mayAct?.() === false)
    throw new AppError('lease-over', 409, false, `node ${ask.nodeId}: the lease of the run is over; ${ask.action} was not sent to the BMC`);
}

async function verify(driver: PowerDriver, timing: PowerTiming, ask: { bmc: BmcAddress; wanted: PowerState; signal: AbortSignal }): Promise<PowerState> {
  const end = performance.now() + timing.verifyTimeoutMs;
  for (;;) {
    const seen = await again(() => driver.status(ask.signal), ask.signal);
    if (seen === ask.wanted) return seen;
    if (performance.now() >= end) throw notObeyed(ask.bmc, ask.wanted, seen);
    await sleep(timing.verifyEveryMs, undefined, { signal: ask.signal });
  }
}

/** Once more after a failure that may pass; refused credentials do not. */
async function again<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= TRIES || (error instanceof AppError && !error.retryable)) throw error;
      await sleep(RETRY_FIRST_MS * 2 ** (attempt - 1), undefined, { signal });
    }
  }
}
