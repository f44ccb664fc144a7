/** The process that gives events their position and delivers them to role hooks. Wiring only. */
import { isMain, runProcess, type Context, type Part } from '../src/bin/context.js';
import { roleHooks } from '../src/bin/role-hooks.js';
import { createEventFeed } from '../src/events/feed.js';
import { createHookDispatcher } from '../src/hooks/dispatch.js';

export async function startHooks(context: Context): Promise<Part> {
  const { db, log } = context;
  const feed = createEventFeed(db, { log });
  await feed.start();
  const dispatcher = createHookDispatcher(db, { roles: roleHooks(context), log, feed });
  dispatcher.start();
  return {
    async close() {
      await dispatcher.close();
      await feed.close();
    },
  };
}

if (isMain(import.meta.url)) await runProcess('hooks', [startHooks]);
