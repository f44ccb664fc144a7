/** The table of power drivers: one line each. */
import { AppError } from '../shared/errors.js';
import { IPMI_TIMING, ipmiDriver, programAfter } from './ipmi.js';
import type { BmcAddress, MachineRef, PowerDriver, PowerTiming } from './power.js';
import { SIMULATED_TIMING, simulatedDriver } from './simulated.js';

const DRIVERS: Record<string, { open: (bmc: BmcAddress, machine: MachineRef, beforeSend?: () => void) => PowerDriver; timing: PowerTiming } | undefined> = {
  ipmi: { open: (bmc, machine, beforeSend) => ipmiDriver(bmc, machine, programAfter(beforeSend)), timing: IPMI_TIMING },
  simulated: { open: (bmc, machine) => simulatedDriver(bmc, machine.serial), timing: SIMULATED_TIMING },
};

/** The driver for a BMC and its timing. `beforeSend` throws to keep a command from being sent. Throws AppError `no-such-driver`. */
export function openDriver(bmc: BmcAddress, machine: MachineRef, beforeSend?: () => void): { driver: PowerDriver; timing: PowerTiming } {
  const entry = Object.hasOwn(DRIVERS, bmc.driver) ? DRIVERS[bmc.driver] : undefined;
  if (entry === undefined) throw new AppError('no-such-driver', 422, false, `no power driver '${bmc.driver}'; there are: ${Object.keys(DRIVERS).join(', ')}`);
  return { driver: entry.open(bmc, machine, beforeSend), timing: entry.timing };
}
