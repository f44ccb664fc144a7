/** HTTPS boot with our own authority: certificates that OpenSSL, Node and curl accept, made once, renewed in time. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { ensureIdentity, readAuthority } from '../../../src/boot-http/authority.js';
import { limitServer } from '../../../src/boot-http/limits.js';
import { waitFor } from '../../support/wait-for.js';

const NOW = new Date();
const DAY_MS = 86_400_000;
let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'prybar-tls-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const serial = (pem: string) => new X509Certificate(pem).serialNumber;

/** The status of a request to the server, or the code of what the client refuses it for. */
async function ask(identity: { key: string; cert: string }, ca: string, host = '127.0.0.1'): Promise<number | string> {
  const server = createServer(identity, (_req, res) => res.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      request({ host: '127.0.0.1', port, ca, servername: host === '127.0.0.1' ? '' : host, agent: false }, (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      })
        .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        .end();
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('HTTPS boot', () => {
  it('is made once, with keys that only their owner reads', async () => {
    const first = await ensureIdentity(home, ['127.0.0.1', 'boot.example.internal'], NOW);
    const second = await ensureIdentity(home, ['127.0.0.1', 'boot.example.internal'], NOW);
    expect(second).toEqual(first);
    for (const name of ['ca.key', 'server.key']) expect((await stat(path.join(home, 'tls', name))).mode & 0o777).toBe(0o600);
    expect((await readAuthority(home))?.ca).toBe(true);
  });

  it('is trusted by who trusts the authority, for its names alone', async () => {
    const identity = await ensureIdentity(home, ['127.0.0.1', 'boot.example.internal'], NOW);
    expect(await ask(identity, identity.ca)).toBe(200);
    expect(await ask(identity, identity.ca, 'boot.example.internal')).toBe(200);
    expect(await ask(identity, identity.ca, 'other.example.internal')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    const stranger = await mkdtemp(path.join(os.tmpdir(), 'prybar-tls-'));
    expect(await ask(identity, (await ensureIdentity(stranger, ['127.0.0.1'], NOW)).ca)).toMatch(/CERT|VERIFY|SIGNATURE/);
    await rm(stranger, { recursive: true, force: true });
  });

  it('is renewed before it ends, for new names, and when its key is gone; the authority stays', async () => {
    const names = ['127.0.0.1', 'boot.example.internal'];
    const first = await ensureIdentity(home, names, NOW);
    const early = await ensureIdentity(home, names, new Date(NOW.getTime() + 300 * DAY_MS));
    expect(serial(early.cert)).toBe(serial(first.cert));
    const late = await ensureIdentity(home, names, new Date(NOW.getTime() + 310 * DAY_MS));
    expect(serial(late.cert)).not.toBe(serial(first.cert));
    const renamed = await ensureIdentity(home, [...names, '10.0.0.1'], NOW);
    expect(new X509Certificate(renamed.cert).checkIP('10.0.0.1')).toBe('10.0.0.1');
    await writeFile(path.join(home, 'tls', 'server.key'), 'damaged');
    const repaired = await ensureIdentity(home, names, NOW);
    expect(serial(repaired.cert)).not.toBe(serial(renamed.cert));
    expect(repaired.ca).toBe(first.ca);
    expect(await readFile(path.join(home, 'tls', 'ca.pem'), 'utf8')).toBe(first.ca);
  });

  it('attack 6: makes room by the silent connections alone, over TLS as well', async () => {
    const identity = await ensureIdentity(home, ['127.0.0.1'], NOW);
    let finish: (() => void) | undefined;
    const server = createServer(identity, (req, res) => {
      if (req.url === '/slow') finish = () => res.end('done');
      else res.end('ok');
    });
    limitServer(server, { maxConnections: 2 });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const sockets: Socket[] = [];
    const open = async (path?: string) => {
      const socket = connect({ host: '127.0.0.1', port, ca: identity.ca });
      sockets.push(socket);
      const client = { heard: '', isCut: false };
      socket.on('data', (bytes) => (client.heard += String(bytes))).on('error', () => undefined);
      socket.on('close', () => (client.isCut = true));
      await once(socket, 'secureConnect');
      if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return client;
    };
    try {
      const slow = await open('/slow');
      await waitFor(() => finish !== undefined, { what: 'the slow request' });
      const silent = await open();
      const machine = await open('/');
      await waitFor(() => machine.heard.includes('200 OK') && silent.isCut, { what: 'room for the machine' });
      expect(slow.isCut).toBe(false);
      finish?.();
      await waitFor(() => slow.heard.includes('done'), { what: 'the slow answer' });
    } finally {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    }
  });
});
