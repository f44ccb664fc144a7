import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, it } from '@jest/globals';
import { startBootHttps } from '../../../src/bin/boot-https.js';
import { loadConfig } from '../../../src/config/config.js';
import { createLogger } from '../../../src/shared/logger.js';
import { holdTcp } from '../../e2e/support/free-ports.js';
import { waitFor } from '../../support/wait-for.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const gone = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve).on('error', () => undefined));

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
  try {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('this is no handshake\n'));
    socket.on('error', () => undefined);
    await waitFor(() => failed.length > 0, { what: 'the failure to be told' });
    expect(failed[0]).toMatch(/^127\.0\.0\.1 ERR_SSL/);
    socket.destroy();

    // Firmware sends no alert: it goes, as OVMF did, and Node's error then has no address. One that only looked has not failed.
    failed.length = 0;
    const looked = connect({ port, host: '127.0.0.1' }, () => looked.destroy());
    await gone(looked);
    await gone(connectTls({ port, host: '127.0.0.1' }));
    const trusting = connectTls({ port, host: '127.0.0.1', ca: await readFile(path.join(home, 'tls', 'ca.pem')) }, () => trusting.end(REQUEST));
    await gone(trusting.resume());
    const chain: string[] = [];
    const looking = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      chain.push(String(looking.getPeerCertificate(true).issuerCertificate?.subject.CN));
      looking.end(REQUEST);
    });
    await gone(looking.resume());
    // An iPXE that was built with TRUST= knows the authority's fingerprint, and has to be shown it.
    expect(chain).toEqual(['Prybar boot authority']);
    await waitFor(() => failed.length > 0, { what: 'the refusal to be told' });
    expect(failed).toEqual(['127.0.0.1 the machine closed the connection when it was shown our certificate']);
  } finally {
    await server.close();
    await rm(home, { recursive: true });
  }
}, 20_000);
