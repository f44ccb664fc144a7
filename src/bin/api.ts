/** The process that serves the REST API, the web page and the node callbacks. Wiring only. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createApp } from '../api/app.js';
import { kickAfter } from '../api/kick.js';
import { createWorkWake } from '../api/work-wake.js';
import { createEventFeed } from '../events/feed.js';
import { powerAction } from '../power/act.js';
import { createBmcLocks } from '../power/exclusive.js';
import { openSecrets } from '../power/secrets.js';
import { ConfigError } from '../shared/errors.js';
import { isMain, runProcess, type Context, type Part } from './context.js';
import { prepareInstallation } from './installation.js';
import { roleCode } from './role-code.js';
import { VERSION } from './version.js';

export async function startApi(context: Context): Promise<Part> {
  const { db, config, log, backend } = context;
  const feed = createEventFeed(db, { log });
  await feed.start();
  const secrets = await openSecrets(config.home);
  const locks = createBmcLocks(db.url);
  const wakeWork = createWorkWake(db);
  const { app, close } = createApp({
    db,
    config,
    feed,
    log,
    version: VERSION,
    databaseKind: process.env.PRYBAR_EMBEDDED === '1' ? 'embedded' : 'external',
    queueInfo: {
      backend: backend.kind,
      isReady: () =>
        backend.ping().then(
          () => true,
          () => false,
        ),
    },
    queueBackend: backend,
    wakeWork,
    power: (action) => powerAction(db, action, { secrets, locks }),
    secrets,
    roleCode: roleCode(context),
  });
  const server = createServer((req, res) => {
    kickAfter(() => context.doorbell.kick(), req, res);
    app(req, res);
  });
  server.listen(config.port, config.host);
  await once(server, 'listening').catch((cause: unknown) => {
    throw new ConfigError(
      `PRYBAR_PORT: cannot listen on ${config.host}:${config.port} (${cause instanceof Error ? cause.message : String(cause)})`,
      'stop what uses the port, or set PRYBAR_PORT to another',
      { cause },
    );
  });
  return {
    async close() {
      const closed = close();
      server.close();
      server.closeIdleConnections();
      // Streams have been told to end; what still hangs is cut.
      setTimeout(() => server.closeAllConnections(), 1000).unref();
      await once(server, 'close');
      await closed;
      await feed.close();
      await locks.close();
    },
  };
}

if (isMain(import.meta.url))
  await runProcess('api', [async (context) => (await prepareInstallation(context, { rack: false }), { close: async () => undefined }), startApi]);
