/** The process that executes runs. Wiring only. */
import { createJigs } from '../jigs/index.js';
import { isMain, runProcess, type Context, type Part } from '../src/bin/context.js';
import { roleFunctions } from '../src/bin/role-functions.js';
import { startRunsWorker } from '../src/runs/worker.js';

export function startRuns(context: Context): Promise<Part> {
  const { db, backend, doorbell, log, config } = context;
  return startRunsWorker({ pool: db.pool, backend, doorbell, log, jigs: createJigs(roleFunctions(context)), leaseSeconds: config.runLeaseSeconds, fastSlots: config.fastSlots });
}

if (isMain(import.meta.url)) await runProcess('runs', [startRuns]);
