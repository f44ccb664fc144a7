/** The process that executes runs. Wiring only. */
import { createJigs } from '../jigs/index.js';
import { isMain, runProcess, type Context, type Part } from '../src/bin/context.js';
import { openRoleFunctions } from '../src/bin/role-functions.js';
import { startRunsWorker } from '../src/runs/worker.js';

export async function startRuns(context: Context): Promise<Part> {
  const { db, backend, doorbell, log, config } = context;
  const roles = await openRoleFunctions(context);
  const worker = await startRunsWorker({
    pool: db.pool,
    backend,
    doorbell,
    log,
    jigs: createJigs(roles.functions),
    leaseSeconds: config.runLeaseSeconds,
    logLimit: config.runLogBytes,
    fastSlots: config.fastSlots,
  });
  return {
    async close() {
      await worker.close();
      await roles.close();
    },
  };
}

if (isMain(import.meta.url)) await runProcess('runs', [startRuns]);
