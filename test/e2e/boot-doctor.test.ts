/**
 * Every seeded fault through the simulator against the boot process, those included that take half a minute to show. The
 * bar: at least 27 of thirty named right, none named wrong with certainty. Prints the table.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FAULTS } from '../support/boot-faults.js';
import { isRight, isWrongWithCertainty, trialTable, tryFaults } from '../support/boot-fault-trial.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';

let servers: TestServers;
beforeAll(async () => {
  servers = await startTestServers();
});
afterAll(() => servers.stop());

describe('the boot doctor on every seeded fault', () => {
  it('names nine of ten right, and none wrong with certainty', async () => {
    const trials = await tryFaults(FAULTS);
    const right = trials.filter(isRight).length;
    process.stderr.write(`${trialTable(trials)}\n${right} of ${trials.length} right\n`);
    expect(trials.length).toBeGreaterThanOrEqual(30);
    expect(trials.filter(isWrongWithCertainty)).toEqual([]);
    expect(right).toBeGreaterThanOrEqual(Math.ceil(trials.length * 0.9));
  }, 150_000);
});
