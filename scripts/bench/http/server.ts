/** Our boot HTTP alone in a process, for the bench: `server.ts <home> <port>`, the database by DATABASE_URL. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { limitServer } from '../../../src/boot-http/limits.js';
import { createBootHandler } from '../../../src/boot-http/serve.js';
import { createLeaseLookup } from '../../../src/bootenvs/leased.js';
import { loadBootenvs } from '../../../src/bootenvs/registry.js';
import { openDb } from '../../../src/db/client.js';
import { createLogger } from '../../../src/shared/logger.js';

async function serve(home: string, port: number): Promise<void> {
  const db = openDb({ url: process.env['DATABASE_URL'] ?? '', applicationName: 'bench-http', poolSize: 8 });
  const { registry } = await loadBootenvs({ home });
  const handler = createBootHandler({
    db,
    home,
    log: createLogger('bench-http', 'warn'),
    baseUrl: `http://127.0.0.1:${port}`,
    registry: () => registry,
    bootTokenSeconds: 3600,
    installTokenSeconds: 3600,
    macOf: createLeaseLookup(db.pool),
    onEvent: () => undefined,
  });
  const server = createServer((req, res) => void handler(req, res).then((answered) => (answered ? undefined : res.writeHead(404).end())));
  limitServer(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  process.send?.({ kind: 'ready' });
}

const [home = '.', port = '0'] = process.argv.slice(2);
void serve(home, Number(port));
process.once('SIGTERM', () => process.exit(0));
