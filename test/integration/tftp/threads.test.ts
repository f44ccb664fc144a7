/** Large files are carried by threads of the TFTP server; clients, the live view and the end of a transfer must not tell the difference. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:dgram';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LiveTransfers } from '../../../src/nodes/transfers.js';
import { createLogger } from '../../../src/shared/logger.js';
import { openInside } from '../../../src/shared/safe-path.js';
import type { TransferEnd } from '../../../src/tftp/carrier.js';
import type { TftpEvent } from '../../../src/tftp/events.js';
import { SharedCounts } from '../../../src/tftp/lane-messages.js';
import { Lane } from '../../../src/tftp/lane.js';
import { agreeOptions } from '../../../src/tftp/options.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { ack, fetchFile, next, openClient, request } from '../../support/tftp-client.js';
import { waitFor } from '../../support/wait-for.js';

const KERNEL = Buffer.from(Array.from({ length: 700_001 }, (_, index) => (index * 31 + (index >> 9)) % 251));
const OPTIONS = { blksize: 1_428, windowsize: 8, tsize: 0 };
let root: string;
let port: number;
let server: TftpServer;
const events: TftpEvent[] = [];
const transfers = new LiveTransfers();

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'prybar-threads-'));
  await writeFile(path.join(root, 'kernel'), KERNEL);
  await writeFile(path.join(root, 'small'), KERNEL.subarray(0, 5_000));
  server = new TftpServer({
    addresses: ['127.0.0.1'],
    port: 0,
    root,
    log: createLogger('test', 'silent'),
    transfers,
    onEvent: (event) => events.push(event),
    limits: { maxTransfersPerAddress: 4 },
    threads: 2,
  });
  port = await server.start();
  // The first one does not wait for the threads.
  expect(server.counters().threads).toBe(0);
  expect((await fetchFile(port, 'kernel', OPTIONS)).content.equals(KERNEL)).toBe(true);
  await waitFor(() => server.counters().threads === 2, { what: 'the threads', timeoutMs: 15_000 });
});

afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

/** Asks for the file and acknowledges the OACK and the first window. */
async function begin(file: string, socket: Socket): Promise<number> {
  socket.send(request(file, OPTIONS), port, '127.0.0.1');
  const peer = (await next(socket))?.from.port ?? 0;
  socket.send(ack(0), peer, '127.0.0.1');
  await next(socket);
  socket.send(ack(8), peer, '127.0.0.1');
  return peer;
}

async function openFiles(): Promise<number> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return links.filter((link) => link === path.join(root, 'kernel')).length;
}

describe('TFTP transfers carried by threads', () => {
  it('arrive whole at several clients at once, with what was lost sent again', async () => {
    const before = server.counters();
    const fetched = await Promise.all(
      Array.from({ length: 4 }, (_, client) => fetchFile(port, 'kernel', { ...OPTIONS, timeout: 1 }, (packet) => packet % 97 === client + 40)),
    );
    for (const { content } of fetched) expect(content.equals(KERNEL)).toBe(true);
    await waitFor(() => server.counters().done === before.done + 4, { what: 'the ends' });
    expect(server.counters().retransmits).toBeGreaterThan(before.retransmits);
    expect(server.counters().bytes).toBe(before.bytes + 4 * KERNEL.length);
    const told = events.filter((event) => event.kind === 'tftp-done').at(-1);
    expect(told?.facts).toMatchObject({ file: 'kernel', size: KERNEL.length, bytes: KERNEL.length, answered: true, silent: false });
  });

  it('are seen while they run, and end when the client says so, with nothing left open', async () => {
    const socket = await openClient();
    const peer = await begin('kernel', socket);
    const live = await waitFor(() => transfers.running().find(({ bytes }) => bytes === 8 * OPTIONS.blksize), { what: 'the transfer in sight' });
    expect(live).toMatchObject({ file: 'kernel', sizeBytes: KERNEL.length, windowBlocks: 8, state: 'running' });
    socket.send(Buffer.from('\0\x05\0\0enough\0', 'latin1'), peer, '127.0.0.1');
    await waitFor(() => server.counters().active === 0, { what: 'the end' });
    expect(live).toMatchObject({ state: 'aborted', reason: 'client error 0: enough', bytes: 8 * OPTIONS.blksize });
    await waitFor(async () => (await openFiles()) === 0, { what: 'the file to be closed' });
    socket.close();
  });

  it('attack 4: count for the cap of an address as all others do', async () => {
    const sockets = await Promise.all(Array.from({ length: 6 }, () => openClient('127.0.0.6')));
    const { dropped } = server.counters();
    for (const socket of sockets) socket.send(request('kernel', OPTIONS), port, '127.0.0.1');
    await waitFor(() => server.counters().dropped === dropped + 2 && server.counters().active === 4, { what: 'the cap' });
    for (const [index, socket] of sockets.entries()) socket.send(request(`none-${index}`), port, '127.0.0.1');
    await waitFor(() => server.counters().active === 0, { what: 'the end of what each port began anew' });
    for (const socket of sockets) socket.close();
  });

  it('have failed when their thread is gone', async () => {
    const lane = new Lane(createLogger('test', 'silent'));
    await waitFor(() => lane.isReady(), { what: 'the thread', timeoutMs: 15_000 });
    const client = await openClient();
    const file = await openInside(root, 'kernel');
    if (file === undefined) throw new Error('no file');
    const ends: TransferEnd[] = [];
    const agreed = agreeOptions(new Map(), file.sizeBytes, { maxBlockBytes: 1_428, maxWindowBlocks: 1 });
    const route = { client: client.address(), localAddress: '127.0.0.1', agreed };
    const carrier = lane.carrier(route, file, new SharedCounts(), { onProgress: () => undefined, onEnd: (end) => ends.push(end) });
    await carrier.start();
    expect((await next(client))?.bytes.length).toBe(516);
    await lane.close();
    expect(ends).toMatchObject([{ outcome: 'failed', bytes: 0, answered: false }]);
    expect(lane.isReady()).toBe(false);
    await carrier.abort('aborted', 'nothing is left to end');
    client.close();
  });

  it('end with a word to the client when the server stops', async () => {
    const socket = await openClient();
    const heard: string[] = [];
    await begin('kernel', socket);
    socket.on('message', (bytes) => bytes[1] === 5 && heard.push(bytes.subarray(4, -1).toString()));
    await server.close();
    await waitFor(() => heard.length > 0, { what: 'the word' });
    expect(heard).toEqual(['the server stops']);
    expect(server.counters()).toMatchObject({ active: 0, threads: 0 });
    expect((await openFiles()) === 0).toBe(true);
    socket.close();
  });
});
