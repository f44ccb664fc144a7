/** Keeps the embedded PostgreSQL of `up` running: one that is killed is started again on the same data, port and password. */
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from '../db/embedded.js';

const LOOK_EVERY_MS = 500;

export type EmbeddedDatabase = { url: string; close(): Promise<void> };

/** `onFatal` is told when the server is gone and cannot come back where its clients look for it. */
export async function openEmbeddedDatabase(options: EmbeddedPostgresOptions, onFatal: (text: string) => void): Promise<EmbeddedDatabase> {
  let server = await startEmbeddedPostgres(options);
  const { url } = server;
  let restart = Promise.resolve();
  let isRestarting = false;
  const startAgain = async () => {
    isRestarting = true;
    try {
      options.onStep('PostgreSQL has ended: starting it again');
      server = await startEmbeddedPostgres(options);
      if (server.url !== url) onFatal('PostgreSQL could not have its port again');
    } catch (error) {
      onFatal(`PostgreSQL ended and did not start again: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      isRestarting = false;
    }
  };
  const timer = setInterval(() => {
    if (!isRestarting && !server.isRunning()) restart = startAgain();
  }, LOOK_EVERY_MS);
  return {
    url,
    async close() {
      clearInterval(timer);
      await restart;
      await server.stop();
    },
  };
}
