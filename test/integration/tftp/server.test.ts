/** The TFTP server over real UDP on loopback, with a client that can lose packets. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LiveTransfers } from '../../../src/nodes/transfers.js';
import { createLogger } from '../../../src/shared/logger.js';
import type { TftpEvent } from '../../../src/tftp/events.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { ack, fetchFile as fetchFrom, next, openClient, refused, request } from '../../support/tftp-client.js';
import { waitFor } from '../../support/wait-for.js';

const LOADER = Buffer.from(Array.from({ length: 100_003 }, (_, index) => (index * 31) % 251));
let directory: string;
let server: TftpServer;
let port: number;
const events: TftpEvent[] = [];
const transfers = new LiveTransfers();

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-tftp-'));
  await mkdir(path.join(directory, 'loaders', 'sub'), { recursive: true });
  await writeFile(path.join(directory, 'loaders', 'undionly.kpxe'), LOADER);
  await writeFile(path.join(directory, 'loaders', 'even'), LOADER.subarray(0, 1_024));
  await writeFile(path.join(directory, 'loaders', 'empty'), '');
  await writeFile(path.join(directory, 'loaders', 'text'), 'one\ntwo\r\n');
  await writeFile(path.join(directory, 'loaders', 'sub', 'ipxe.efi'), 'efi');
  await writeFile(path.join(directory, 'secret'), 'secret');
  await symlink(path.join(directory, 'secret'), path.join(directory, 'loaders', 'link'));
  server = new TftpServer({
    addresses: ['127.0.0.1'],
    port: 0,
    root: path.join(directory, 'loaders'),
    log: createLogger('test', 'silent'),
    transfers,
    onEvent: (event) => events.push(event),
    macOf: async (address) => (address === '127.0.0.9' ? '52:54:00:00:00:09' : null),
    limits: { maxTransfersPerAddress: 3 },
  });
  port = await server.start();
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const fetchFile = (file: string, ...more: Parameters<typeof fetchFrom> extends [number, string, ...infer Rest] ? Rest : never) =>
  fetchFrom(port, file, ...more);

describe('TFTP server', () => {
  it.each([
    ['without options (RFC 1350)', {}],
    ['as iPXE asks', { blksize: 1_432, tsize: 0 }],
    ['as OVMF asks', { tsize: 0, blksize: 1_468, windowsize: 4 }],
    ['with the largest window', { blksize: 1_468, windowsize: 64 }],
    ['with tiny blocks', { blksize: 8, windowsize: 64 }],
  ])('serves a loader byte for byte %s', async (_how, options) => {
    const fetched = await fetchFile('undionly.kpxe', options);
    expect(fetched.content.equals(LOADER)).toBe(true);
    if ('tsize' in options) expect(fetched.options['tsize']).toBe(String(LOADER.length));
  });

  it.each(['/undionly.kpxe', '\\undionly.kpxe', 'undionly.kpxe\u00ff', 'undionly.kpxe '])('netboot rule 3: resolves %j, as old ROMs ask', async (file) => {
    expect((await fetchFile(file, { blksize: 1_468 })).content.length).toBe(LOADER.length);
  });

  it('ends files of a multiple of the block size, and empty ones', async () => {
    expect((await fetchFile('even')).content.length).toBe(1_024);
    expect((await fetchFile('empty')).content.length).toBe(0);
  });

  it('recovers from lost blocks inside windows', async () => {
    const fetched = await fetchFile('undionly.kpxe', { blksize: 1_024, windowsize: 16, timeout: 1 }, (packet) => packet % 23 === 5);
    expect(fetched.content.equals(LOADER)).toBe(true);
  });

  it('recovers from a lost first block by its timer', async () => {
    const fetched = await fetchFile('even', {}, (packet) => packet === 1);
    expect(fetched.content.length).toBe(1_024);
  });

  it('attack 4: sends each block once when every ACK comes twice', async () => {
    const socket = await openClient();
    socket.send(request('undionly.kpxe'), port, '127.0.0.1');
    const seen = new Map<number, number>();
    await new Promise<void>((resolve) => {
      socket.on('message', (bytes, from) => {
        const block = bytes.readUInt16BE(2);
        seen.set(block, (seen.get(block) ?? 0) + 1);
        socket.send(ack(block), from.port, from.address);
        socket.send(ack(block), from.port, from.address);
        if (bytes.length < 516) resolve();
      });
    });
    expect(Math.max(...seen.values())).toBe(1);
    socket.close();
  });

  it.each([
    '../secret',
    '..\\secret',
    '/../secret',
    'sub/../../secret',
    'sub/..%2f..%2fsecret',
    '%2e%2e/secret',
    'link',
    '.',
    'sub',
    'UNDIONLY.KPXE',
    '/etc/passwd',
    'undionly.kpxe/',
  ])('attack 1: finds nothing under %j', async (file) => {
    expect((await fetchFile(file)).error).toBe('1 file not found');
  });

  it('attack 2: refuses to write, whatever the name', async () => {
    const socket = await openClient();
    socket.send(request('new', {}, 2), port, '127.0.0.1');
    const reply = await next(socket);
    expect(reply?.bytes.readUInt16BE(2)).toBe(2);
    socket.close();
  });

  it('serves text in netascii (RFC 1350 section 1) and refuses mode mail', async () => {
    const socket = await openClient();
    socket.send(request('text', {}, 1, 'NetASCII'), port, '127.0.0.1');
    expect((await next(socket))?.bytes.toString('latin1', 4)).toBe('one\r\ntwo\r\u0000\r\n');
    socket.send(request('even', {}, 1, 'mail'), port, '127.0.0.1');
    expect((await next(socket))?.bytes.readUInt16BE(0)).toBe(5);
    socket.close();
  });

  it('netboot rule 3: answers from the address that was asked, and grants what the MTU of its link carries whole', async () => {
    const two = new TftpServer({ addresses: ['127.0.0.1', '127.0.0.2'], port: 0, root: path.join(directory, 'loaders'), log: createLogger('test', 'silent') });
    const listening = await two.start();
    const socket = await openClient();
    for (const address of ['127.0.0.2', '127.0.0.1']) {
      socket.send(request('even', { blksize: 65_464 }), listening, address);
      const answer = await next(socket);
      // The loopback's MTU is 65,536 on Linux.
      expect([answer?.from.address, answer?.bytes.toString()]).toEqual([address, '\u0000\u0006blksize\u000065464\u0000']);
      socket.send(Buffer.from('\u0000\u0005\u0000\u0000enough\u0000'), answer?.from.port ?? 0, address);
    }
    socket.close();
    await two.close();
  });

  it('netboot rule 3: takes an ERROR after the OACK for a size probe, not for a failure', async () => {
    const before = server.counters();
    const socket = await openClient();
    socket.send(request('even', { tsize: 0 }), port, '127.0.0.1');
    const reply = await next(socket);
    socket.send(Buffer.from('\u0000\u0005\u0000\u0008probe\0', 'latin1'), reply?.from.port ?? 0, '127.0.0.1');
    await waitFor(() => server.counters().probes === before.probes + 1, { what: 'the counters' });
    expect(server.counters().failed).toBe(before.failed);
    socket.close();
  });

  it('lets the kernel refuse a stranger and goes on with the transfer', async () => {
    const socket = await openClient();
    const stranger = await openClient();
    socket.send(request('even'), port, '127.0.0.1');
    const first = await next(socket);
    await refused(stranger, first?.from.port ?? 0, ack(1));
    socket.send(ack(1), first?.from.port ?? 0, '127.0.0.1');
    expect((await next(socket))?.bytes.readUInt16BE(2)).toBe(2);
    socket.send(ack(2), first?.from.port ?? 0, '127.0.0.1');
    await next(socket);
    socket.send(ack(3), first?.from.port ?? 0, '127.0.0.1');
    await waitFor(() => server.counters().active === 0, { what: 'the transfer to end' });
    socket.close();
    stranger.close();
  });

  it('repeats by its timer what found the port of the client closed', async () => {
    const socket = await openClient();
    const client = socket.address().port;
    socket.send(request('even'), port, '127.0.0.1');
    const first = await next(socket);
    // Closed before the server reads the ACK: block 2 is answered with ICMP "port unreachable".
    const closed = once(socket, 'close');
    socket.send(ack(1), first?.from.port ?? 0, '127.0.0.1', () => socket.close());
    await closed;
    await waitFor(() => transfers.running()[0]?.bytes === 512, { what: 'block 2 to be sent' });
    const again = createSocket('udp4');
    again.bind(client, '127.0.0.1');
    const second = await next(again);
    expect(second?.bytes.readUInt16BE(2)).toBe(2);
    again.send(ack(2), second?.from.port ?? 0, '127.0.0.1');
    expect((await next(again))?.bytes.readUInt16BE(2)).toBe(3);
    again.send(ack(3), second?.from.port ?? 0, '127.0.0.1');
    await waitFor(() => server.counters().active === 0, { what: 'the transfer to end' });
    again.close();
  });

  it('attack 5: sends at most two packets to an address that never answers', async () => {
    const failed = server.counters().timeouts;
    const socket = await openClient('127.0.0.8');
    let packets = 0;
    socket.on('message', () => (packets += 1));
    socket.send(request('undionly.kpxe', { windowsize: 64, blksize: 1_468 }), port, '127.0.0.1');
    await waitFor(() => server.counters().timeouts === failed + 1, { what: 'the counters', timeoutMs: 10_000 });
    expect(packets).toBeLessThanOrEqual(2);
    socket.close();
  });

  it('lets one address hold no more than its share of transfers', async () => {
    await waitFor(() => server.counters().active === 0, { what: 'the counters', timeoutMs: 15_000 });
    const sockets = await Promise.all(Array.from({ length: 10 }, () => openClient('127.0.0.7')));
    const before = server.counters();
    for (const socket of sockets) socket.send(request('undionly.kpxe'), port, '127.0.0.1');
    await waitFor(() => server.counters().dropped === before.dropped + 7, { what: 'the counters' });
    await waitFor(() => server.counters().active === 3, { what: 'the transfers to be under way' });
    expect((await fetchFile('even')).content.length).toBe(1_024);
    for (const socket of sockets) socket.close();
    await waitFor(() => server.counters().active === 0, { what: 'the counters', timeoutMs: 15_000 });
  });

  it('survives noise', async () => {
    const socket = await openClient();
    for (let length = 1; length < 200; length += 1) socket.send(Buffer.alloc(length, length), port, '127.0.0.1');
    await waitFor(() => server.counters().malformed >= 150, { what: 'the counters' });
    expect((await fetchFile('even')).content.length).toBe(1_024);
    socket.close();
  });

  it('tells the start and the end of a transfer with the MAC of its address', async () => {
    await fetchFile('sub/ipxe.efi', {}, undefined, '127.0.0.9');
    await waitFor(() => events.some((event) => event.kind === 'tftp-done' && event.mac === '52:54:00:00:00:09'), { what: 'the counters' });
    expect(events.some((event) => event.kind === 'tftp-start' && event.mac === '52:54:00:00:00:09')).toBe(true);
  });
});
