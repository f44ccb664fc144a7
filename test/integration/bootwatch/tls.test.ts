import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { startBootHttps } from '../../../src/bin/boot-https.js';
import { loadConfig } from '../../../src/config/config.js';
import { createLogger } from '../../../src/shared/logger.js';
import { holdTcp } from '../../e2e/support/free-ports.js';
import { waitFor } from '../../support/wait-for.js';

it('tells of a TLS handshake that fails, and whose it was', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'prybar-tls-'));
  const held = await holdTcp();
  const { port } = held;
  await held.close();
  const failed: string[] = [];
  const config = loadConfig({ PRYBAR_HOME: home, PRYBAR_BOOT_HOST: '127.0.0.1', PRYBAR_BOOT_HTTPS_PORT: String(port) });
  const server = await startBootHttps(
    config,
    (_req, res) => res.end(),
    createLogger('tls', 'silent'),
    (address, reason) => failed.push(`${address} ${reason}`),
  );
  const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('this is no handshake\n'));
  socket.on('error', () => undefined);
  await waitFor(() => failed.length > 0, { what: 'the failure to be told' });
  expect(failed[0]).toMatch(/^127\.0\.0\.1 ERR_SSL/);
  socket.destroy();
  await server.close();
  await rm(home, { recursive: true });
}, 20_000);
