/** The process that gives events their position and delivers them to role hooks and to webhooks. Wiring only. */
import { isMain, runProcess, type Context, type Part } from '../src/bin/context.js';
import { roleHooks } from '../src/bin/role-hooks.js';
import { openHints } from '../src/events/hints.js';
import { createHookDispatcher } from '../src/hooks/dispatch.js';
import { VERSION } from '../src/bin/version.js';
import { publishServed } from '../src/nodes/served.js';
import { openSecrets } from '../src/power/secrets.js';
import { createWebhookDispatcher } from '../src/webhooks/dispatch.js';

export async function startHooks(context: Context): Promise<Part> {
  const { db, log, doorbell, config } = context;
  // Both read the events by themselves, each those it wants.
  const feed = openHints(db.url, log);
  const dispatcher = createHookDispatcher(db, {
    roles: roleHooks(context),
    log,
    feed,
    // A hook may just have changed what boot servers answer; who waits for that should not wait for a sweep.
    afterRound: async () => {
      if ((await publishServed(db)) > 0) await doorbell.kick();
    },
  });
  dispatcher.start();
  const webhooks = createWebhookDispatcher(db, { box: await openSecrets(config.home), allow: config.webhookAllow, log, version: VERSION, feed });
  webhooks.start();
  return {
    async close() {
      await webhooks.close();
      await dispatcher.close();
      await feed.close();
    },
  };
}

if (isMain(import.meta.url)) await runProcess('hooks', [startHooks]);
