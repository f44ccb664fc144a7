/** The boot doctor against the real services and machines with a fault each; those that take half a minute are in test/e2e. */
import { describe, expect, it } from '@jest/globals';
import { CAUSES } from '../../../src/bootwatch/diagnose.js';
import { FAULTS } from '../../support/boot-faults.js';
import { isRight, isWrongWithCertainty, trialTable, tryFaults } from '../../support/boot-fault-trial.js';
import { CASES } from '../../unit/bootwatch/diagnose-cases.js';

it('every cause of the doctor has a fault or a case that is tried', () => {
  const ids = CAUSES.map((cause) => cause.id);
  const tried = new Set([...CASES.map(([id]) => id), ...FAULTS.map((fault) => fault.cause)]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => !tried.has(id))).toEqual([]);
});

describe('the boot doctor on seeded faults', () => {
  it('names each fault that shows within seconds, and none wrong with certainty', async () => {
    const trials = await tryFaults(FAULTS.filter((fault) => fault.isSlow !== true));
    if (!trials.every(isRight)) process.stderr.write(`${trialTable(trials)}\n`);
    expect(trials.filter(isWrongWithCertainty)).toEqual([]);
    expect(trials.filter((trial) => !isRight(trial))).toEqual([]);
  }, 60_000);
});
