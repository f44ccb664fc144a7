/**
 * Hears hints on a channel (engine-rules 23): a connection of its own, kept alive, reopened when it breaks. After every
 * (re)connection the hint is given once, because nothing is delivered while nobody listens. Hints may come in any number;
 * whoever follows polls as well.
 */
import pg from 'pg';
import type { Logger } from '../shared/logger.js';

const KEEPALIVE_MS = 5_000;
const RECONNECT_MS = 1_000;

export type Listener = { close(): Promise<void> };

/** Listens on `channel` (a plain identifier) until closed. `onHint` must not throw. */
export function listen(url: string, channel: string, onHint: () => void, log?: Logger): Listener {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let opening: Promise<void> = Promise.resolve();

  async function open(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'prybar listen',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    let isLost = false;
    const lose = (error?: Error) => {
      if (isLost) return;
      isLost = true;
      clearInterval(timer);
      fresh.end().catch(() => undefined); // the connection is broken already
      if (client === fresh) client = undefined;
      if (isClosed) return;
      log?.warn({ err: error, channel }, 'listening interrupted');
      timer = setTimeout(() => void (opening = open()), RECONNECT_MS);
      timer.unref();
    };
    fresh.on('error', lose);
    fresh.on('end', () => lose());
    fresh.on('notification', onHint);
    try {
      await fresh.connect();
      await fresh.query(`LISTEN ${channel}`);
      if (isClosed) return lose();
      client = fresh;
      onHint();
      timer = setInterval(() => void fresh.query('SELECT 1').catch(lose), KEEPALIVE_MS);
      timer.unref();
    } catch (error) {
      lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  opening = open();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await opening;
      clearInterval(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
