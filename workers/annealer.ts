/** The annealer's process: passes when kicked by the queue, sweeps from its own timer. Wiring only. */
import { Annealer } from '../src/annealer/annealer.js';
import { isMain, runProcess, type Context, type Part } from '../src/bin/context.js';
import { forgetRevisions } from '../src/deployments/retention.js';
import { atMostEvery, forgetEvents } from '../src/events/retention.js';
import { sweepAlive } from '../src/nodes/boot.js';
import { finishDeletions } from '../src/nodes/remove.js';
import { publishServed } from '../src/nodes/served.js';
import { powerAction } from '../src/power/act.js';
import { createBmcLocks } from '../src/power/exclusive.js';
import { startPowerOrders } from '../src/power/orders.js';
import { openSecrets } from '../src/power/secrets.js';
import { annealJob, annealQueue, sweepJob, sweepQueue } from '../src/queue/jobs.js';
import { forgetBootSteps } from '../src/nodes/boot-retention.js';
import { forgetDeliveries } from '../src/webhooks/retention.js';

const LOCK_MS = 60_000;
const FORGET_EVERY_MS = 60_000;
const SCHEDULED_SWEEP_MS = 10_000;
const SCHEDULE_AGAIN_MS = 60_000;

export async function startAnnealer(context: Context): Promise<Part> {
  const { db, log, config, doorbell, backend } = context;
  const annealer = new Annealer({
    db,
    log,
    doorbell,
    aliveGraceSeconds: config.aliveGraceSeconds,
    stopDeadlineSeconds: config.stopDeadlineSeconds,
    retention: { runs: config.runsKeep, days: config.runsKeepDays, logDays: config.logKeepDays },
    sweepMs: config.sweepMs,
    sweepAlive,
    publishServed,
    finishDeletions,
    forget: atMostEvery(FORGET_EVERY_MS, async () => {
      const events = await forgetEvents(db.pool, { keepDays: config.eventsKeepDays, keepMax: config.eventsKeepMax });
      const deliveries = await forgetDeliveries(db.pool, config.webhooksKeepDays);
      const changes = await forgetRevisions(db.pool, { keep: config.revisionsKeep, keepDays: config.revisionsKeepDays });
      return events + deliveries + changes + (await forgetBootSteps(db.pool, { keep: config.bootStepsKeep, keepDays: config.bootStepsKeepDays }));
    }),
  });
  const worker = backend.worker(
    annealQueue,
    async (data) => {
      annealJob.parse(data);
      await annealer.anneal();
    },
    { concurrency: 1, lockMs: LOCK_MS },
  );
  const sweeper = backend.worker(
    sweepQueue,
    async (data) => {
      sweepJob.parse(data);
      await annealer.sweep();
    },
    { concurrency: 1, lockMs: LOCK_MS },
  );
  annealer.start();
  // The timer above needs no queue; this one is for the case that timers of every annealer hang. A store that was flushed
  // has forgotten it: it is said again each minute.
  const schedule = () => doorbell.scheduleSweeps(SCHEDULED_SWEEP_MS).catch((err: unknown) => log.warn({ err }, 'sweeps not scheduled'));
  await schedule();
  const again = setInterval(() => void schedule(), SCHEDULE_AGAIN_MS);
  return {
    async close() {
      clearInterval(again);
      await sweeper.close();
      await worker.close();
      await annealer.close();
    },
  };
}

/** Switches power where the sweep has decided so. */
export async function startPower({ db, log, config }: Context): Promise<Part> {
  const secrets = await openSecrets(config.home);
  const locks = createBmcLocks(db.url);
  const orders = startPowerOrders({ db, log, power: (ask) => powerAction(db, ask, { secrets, locks }) });
  return {
    async close() {
      await orders.close();
      await locks.close();
    },
  };
}

if (isMain(import.meta.url)) await runProcess('annealer', [startAnnealer, startPower]);
