/** The process that executes runs, as workers/runs.ts, with its jigs journaled. Wiring only. */
import { createJigs } from '../../../jigs/index.js';
import { isMain, runProcess, type Context, type Part } from '../../../src/bin/context.js';
import { openRoleFunctions } from '../../../src/bin/role-functions.js';
import { startRunsWorker } from '../../../src/runs/worker.js';
import { chaosJig } from './chaos-jig.js';
import { journaled } from './journal.js';

async function startRuns(context: Context): Promise<Part> {
  const { db, backend, doorbell, log, config } = context;
  const roles = await openRoleFunctions(context);
  const jigs = new Map([...createJigs(roles.functions), [chaosJig.name, chaosJig]]);
  const worker = await startRunsWorker({
    pool: db.pool,
    backend,
    doorbell,
    log,
    jigs: journaled(jigs, process.env.PRYBAR_CHAOS_JOURNAL ?? '.'),
    leaseSeconds: config.runLeaseSeconds,
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
