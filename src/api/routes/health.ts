/** `/healthz`: the process lives. `/readyz`: it can do its work. Neither needs a token, neither tells a secret. */
import { Router } from 'express';
import type { Db } from '../../db/client.js';
import type { QueueInfo } from '../deps.js';

/** A check that takes longer counts as failed: whoever asks (a load balancer, a script) has a limit of its own. */
const CHECK_MS = 2_000;

export function healthRouter({ db, queueInfo }: { db: Db; queueInfo: QueueInfo }): Router {
  const router = Router();
  router.get('/healthz', (_req, res) => {
    res.set('Cache-Control', 'no-store').json({ ok: true });
  });
  router.get('/readyz', async (_req, res) => {
    const [migrations, queue] = await Promise.all([answers(checkMigrations(db)), answers(queueInfo.isReady())]);
    const database = migrations || (await answers(db.pool.query('SELECT 1').then(() => true)));
    const ok = database && queue && migrations;
    res
      .status(ok ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ ok, database, queue, migrations });
  });
  return router;
}

/** Whether every migration that began has finished, and the engine's functions are installed. */
async function checkMigrations(db: Db): Promise<boolean> {
  const { rows } = await db.pool.query<{ ready: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM _prisma_migrations WHERE finished_at IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL)
            AND EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'raise_fact') AS ready`,
  );
  return rows[0]?.ready === true;
}

/** True when the check says so in time. A check that fails is the answer "no": the log of its own domain has the reason. */
async function answers(check: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), CHECK_MS)));
  try {
    return await Promise.race([check.catch(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
