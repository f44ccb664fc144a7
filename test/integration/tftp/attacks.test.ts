/** Attacks 3 to 5 on the TFTP server, from many addresses of the loopback. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createLogger } from '../../../src/shared/logger.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { ack, fetchFile, next, openClient, refused, request } from '../../support/tftp-client.js';
import { waitFor } from '../../support/wait-for.js';

const LOADER = Buffer.alloc(50_000, 7);
let root: string;
let server: TftpServer;
let port: number;

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'prybar-attacks-'));
  for (let file = 0; file < 5; file += 1) await writeFile(path.join(root, `file${file}`), LOADER);
  server = new TftpServer({ addresses: ['127.0.0.1'], port: 0, root, log: createLogger('test', 'silent'), limits: { maxTransfers: 150 } });
  port = await server.start();
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

/** Ends the transfer with an ERROR, so that it does not count for the next test. */
async function leave(client: Socket, peer: number): Promise<void> {
  await new Promise((resolve) => {
    client.send(Buffer.from('\0\x05\0\0enough\0', 'latin1'), peer, '127.0.0.1', resolve);
  });
  client.close();
}

const optionsOf = (oack: Buffer | undefined): Record<string, string> => {
  const texts = (oack ?? Buffer.alloc(2)).toString('latin1', 2).split('\0');
  return Object.fromEntries(texts.flatMap((text, index) => (index % 2 === 0 && text !== '' ? [[text, texts[index + 1] ?? '']] : [])));
};

describe('attack 3: option abuse', () => {
  it.each([
    [{ blksize: 0 }, {}],
    [{ blksize: 7 }, {}],
    [{ blksize: 8, tsize: 0 }, { blksize: '8' }],
    [{ blksize: 65_464 }, { blksize: '65464' }],
    [{ blksize: 65_465 }, {}],
    [{ windowsize: 0 }, {}],
    [{ windowsize: 65_535 }, { windowsize: '64' }],
    [{ tsize: -1 }, {}],
    [{ tsize: '99999999999999999999' }, {}],
    [{ timeout: 0 }, {}],
    [{ timeout: 256 }, {}],
    [{ blksize: '0x200' }, {}],
    [{ blksize: '1e3' }, {}],
    [{ unknown: 'x', BLKSIZE: 1_000 }, { blksize: '1000' }],
  ])('%j is bounded: the answer grants %j', async (asked, granted) => {
    const client = await openClient();
    const reply = next(client);
    client.send(request('file0', asked), port, '127.0.0.1');
    const first = (await reply)?.bytes;
    if (Object.keys(granted).length === 0) expect(first?.readUInt16BE(0)).toBe(3);
    else expect(optionsOf(first)).toMatchObject(granted);
    await leave(client, (await reply)?.from.port ?? 0);
  });

  it('a repeated option counts once, and a request of 60 KB is none', async () => {
    const client = await openClient();
    const reply = next(client);
    client.send(Buffer.from('\0\x01file0\0octet\0blksize\x00600\0blksize\x00700\0', 'latin1'), port, '127.0.0.1');
    expect(optionsOf((await reply)?.bytes)).toEqual({ blksize: '600' });
    const { malformed } = server.counters();
    client.send(request('file0', { blksize: '9'.repeat(60_000) }), port, '127.0.0.1');
    await waitFor(() => server.counters().malformed === malformed + 1, { what: 'the long request to be counted' });
    await leave(client, (await reply)?.from.port ?? 0);
  });
});

describe('attack 4: transfers that are left half open', () => {
  it('an ACK from a spoofed address moves nothing', async () => {
    const [client, stranger] = [await openClient(), await openClient('127.0.0.66')];
    const reply = next(client);
    client.send(request('file0'), port, '127.0.0.1');
    const peer = (await reply)?.from.port ?? 0;
    await refused(stranger, peer, ack(1));
    const second = next(client);
    client.send(ack(1), peer, '127.0.0.1');
    expect((await second)?.bytes.readUInt16BE(2)).toBe(2);
    await leave(client, peer);
    stranger.close();
  });

  it('10,000 requests of 25 addresses hold eight transfers each and no more than the cap in all, memory stays flat', async () => {
    await waitFor(() => server.counters().active === 0, { what: 'earlier transfers to end' });
    const sockets: Socket[] = [];
    for (let address = 0; address < 25; address += 1) for (let count = 0; count < 80; count += 1) sockets.push(await openClient(`127.0.2.${address + 1}`));
    const before = server.counters();
    const heapBefore = process.memoryUsage().rss;
    let sentAtMost = 0;
    for (const socket of sockets) for (let file = 0; file < 5; file += 1) socket.send(request(`file${file}`, { windowsize: 64 }), port, '127.0.0.1');
    await waitFor(
      () => {
        const { active, requests } = server.counters();
        sentAtMost = Math.max(sentAtMost, active);
        return requests - before.requests > 2_000 && active <= 150;
      },
      { what: 'the requests to be taken' },
    );
    expect(sentAtMost).toBeLessThanOrEqual(150);
    expect(server.counters().dropped).toBeGreaterThan(before.dropped);
    await waitFor(() => server.counters().active === 0, { what: 'the half-open transfers to end', timeoutMs: 15_000 });
    expect(process.memoryUsage().rss - heapBefore).toBeLessThan(64 * 1024 * 1024);
    for (const socket of sockets) socket.close();
    expect((await fetchFile(port, 'file1', { blksize: 1_468 })).content.equals(LOADER)).toBe(true);
  });
});

describe('attack 5: amplification', () => {
  it('an address that never answers gets two small packets for a request, whatever window it asked for', async () => {
    const { timeouts } = server.counters();
    const client = await openClient('127.0.0.88');
    let bytes = 0;
    let packets = 0;
    client.on('message', (packet) => {
      bytes += packet.length;
      packets += 1;
    });
    client.send(request('file0', { windowsize: 64, blksize: 1_468 }), port, '127.0.0.1');
    await waitFor(() => server.counters().timeouts === timeouts + 1, { what: 'the transfer to be given up' });
    expect([packets, bytes < 100]).toEqual([2, true]);
    client.close();
  });
});
