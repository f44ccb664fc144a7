/** Attack 6: clients that are slow, idle, or too many. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { BOOT_SERVER_OPTIONS, limitServer, type HttpLimits } from '../../../src/boot-http/limits.js';
import { waitFor } from '../../support/wait-for.js';

let server: Server;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function start(limits: Partial<HttpLimits>, options = {}, answer: RequestListener = (_req, res) => res.end('ok')): Promise<number> {
  server = createServer({ ...BOOT_SERVER_OPTIONS, ...options }, answer);
  limitServer(server, limits);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

type Client = { socket: Socket; isCut: boolean; heard: string };

function open(port: number, from: string, words = ''): Client {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  const client = { socket, isCut: false, heard: '' };
  sockets.push(socket);
  socket.on('error', () => undefined).on('close', () => (client.isCut = true));
  socket.on('data', (bytes) => (client.heard += String(bytes)));
  if (words !== '') socket.write(words);
  return client;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

describe('attack 6: slow and idle clients of boot HTTP', () => {
  it('one address cannot take the connections of all others', async () => {
    const port = await start({ maxConnectionsPerAddress: 20 });
    const greedy = Array.from({ length: 300 }, () => open(port, '127.0.0.6', GET));
    await waitFor(() => greedy.filter(({ isCut }) => isCut).length === 280, { what: 'the connections that are too many to be cut' });
    const other = open(port, '127.0.0.7', GET);
    await waitFor(() => other.heard.includes('200 OK'), { what: 'another machine to be answered' });
  });

  it('idle keep-alives are cut, and then there is room again', async () => {
    const port = await start({ maxConnections: 50 });
    server.keepAliveTimeout = 200;
    const idle = Array.from({ length: 50 }, (_, index) => open(port, `127.0.0.${(index % 5) + 10}`, GET));
    await waitFor(() => idle.every(({ heard }) => heard.includes('200 OK')), { what: 'every client to be answered' });
    await waitFor(() => idle.every(({ isCut }) => isCut), { what: 'the idle ones to be cut' });
    const other = open(port, '127.0.0.20', GET);
    await waitFor(() => other.heard.includes('200 OK'), { what: 'another machine to be answered' });
  });

  it('when all connections are taken, the one that is silent for longest makes room at once; a request under way does not', async () => {
    let finish: () => void = () => undefined;
    const port = await start({ maxConnections: 20 }, {}, (req, res) => {
      if (req.url === '/slow') finish = () => res.end('done');
      else res.end('ok');
    });
    const slow = open(port, '127.0.0.40', 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    const idle = Array.from({ length: 19 }, (_, index) => open(port, `127.0.0.${index + 41}`, index % 2 === 0 ? GET : 'GET / HTTP/1.1\r\nX-Slow: '));
    await waitFor(() => idle.filter(({ heard }) => heard.includes('200 OK')).length === 10, { what: 'the idle ones to be answered' });
    const machine = open(port, '127.0.0.70', GET);
    await waitFor(() => machine.heard.includes('200 OK'), { what: 'a machine to be let in', timeoutMs: 2_000 });
    expect([idle.filter(({ isCut }) => isCut).length, slow.isCut]).toEqual([1, false]);
    finish();
    await waitFor(() => slow.heard.includes('done'), { what: 'the slow answer' });
  });

  it('a head that never ends is answered 408 and cut', async () => {
    const port = await start({}, { connectionsCheckingInterval: 100 });
    server.headersTimeout = 300;
    const slow = open(port, '127.0.0.30', 'GET / HTTP/1.1\r\nX-Slow: ');
    const drip = setInterval(() => (slow.socket.destroyed ? undefined : slow.socket.write('x')), 50);
    await waitFor(() => slow.isCut, { what: 'the slow client to be cut' });
    clearInterval(drip);
    expect(slow.heard).toMatch(/^HTTP\/1.1 408/);
  });

  it('a head of 100 KB is refused', async () => {
    const port = await start({});
    const large = open(port, '127.0.0.31', `GET / HTTP/1.1\r\nX-Large: ${'x'.repeat(100_000)}\r\n\r\n`);
    await waitFor(() => large.isCut, { what: 'the client to be cut' });
    expect(large.heard).toMatch(/^(HTTP\/1.1 431|$)/);
  });
});
