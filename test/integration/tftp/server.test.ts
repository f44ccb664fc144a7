import { createSocket } from 'node:dgram';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../../src/shared/logger.js';
import { TftpServer, type TftpEvent } from '../../../src/tftp/server.js';

/** A client of its own: reads a file, optionally losing or doubling what it receives and sends. */
function read(port: number, name: string, options: Record<string, string>, faults: { drop?: (n: number) => boolean; doubleAcks?: boolean } = {}): Promise<{ data: Buffer; packets: number; error?: string }> {
  const socket = createSocket('udp4');
  const blockBytes = Number(options.blksize ?? 512);
  const window = Number(options.windowsize ?? 1);
  const parts: Buffer[] = [];
  let expected = 1;
  let packets = 0;
  let seen = 0;
  return new Promise((resolve) => {
    const finish = (error?: string) => {
      socket.close();
      resolve({ data: Buffer.concat(parts), packets, ...(error === undefined ? {} : { error }) });
    };
    const ack = (block: number, to: number) => {
      const packet = Buffer.from([0, 4, (block >> 8) & 255, block & 255]);
      socket.send(packet, to, '127.0.0.1');
      if (faults.doubleAcks) socket.send(packet, to, '127.0.0.1');
    };
    socket.on('message', (bytes, from) => {
      packets += 1;
      if (faults.drop?.(seen++)) return;
      const opcode = bytes.readUInt16BE(0);
      if (opcode === 5) return finish(bytes.subarray(4, -1).toString());
      if (opcode === 6) return ack(0, from.port);
      const block = bytes.readUInt16BE(2);
      if (block !== (expected & 0xffff)) return ack((expected - 1) & 0xffff, from.port);
      const data = bytes.subarray(4);
      parts.push(data);
      expected += 1;
      const isLast = data.length < blockBytes;
      if (isLast || (expected - 1) % window === 0) ack(block, from.port);
      if (isLast) finish();
    });
    const fields = [name, 'octet', ...Object.entries(options).flat()];
    socket.send(Buffer.concat([Buffer.from([0, 1]), Buffer.from(fields.map((field) => `${field}\0`).join(''))]), port, '127.0.0.1');
  });
}

describe('the TFTP server, over real UDP', () => {
  let root: string;
  let server: TftpServer;
  let port: number;
  const file = randomBytes(200_000);
  const events: TftpEvent[] = [];

  beforeAll(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'prybar-tftp-'));
    await writeFile(path.join(root, 'loader.bin'), file);
    await writeFile(path.join(root, 'even.bin'), file.subarray(0, 1024));
    await symlink('/etc/passwd', path.join(root, 'escape'));
    server = new TftpServer({ host: '127.0.0.1', port: 0, root, log: createLogger('test', 'silent'), onEvent: (event) => events.push(event) });
    port = (await server.start()).port;
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true });
  });

  it.each([
    ['without options', {}],
    ['as OVMF asks', { tsize: '0', blksize: '1468', windowsize: '4' }],
    ['as iPXE asks', { blksize: '1432', tsize: '0' }],
    ['with a large window', { blksize: '1024', windowsize: '16' }],
  ])('sends the file byte for byte %s', async (_how, options) => {
    expect((await read(port, 'loader.bin', options)).data.equals(file)).toBe(true);
  });

  it('ends a file that fills its last block with an empty one', async () => {
    const { data, packets } = await read(port, 'even.bin', {});
    expect([data.length, packets]).toEqual([1024, 3]);
  });

  it('sends again what was lost', async () => {
    const { data } = await read(port, 'loader.bin', { blksize: '1468', windowsize: '4', timeout: '1' }, { drop: (n) => n === 7 || n === 40 });
    expect(data.equals(file)).toBe(true);
  });

  it('attack 4: a doubled ACK sends nothing twice', async () => {
    const once = await read(port, 'loader.bin', { blksize: '1468' });
    const doubled = await read(port, 'loader.bin', { blksize: '1468' }, { doubleAcks: true });
    expect(doubled.data.equals(file)).toBe(true);
    expect(doubled.packets).toBe(once.packets);
  });

  it.each(['../loader.bin', '..\\loader.bin', '/../../etc/passwd', 'escape', '%2e%2e/etc/passwd', 'no-such-file', '.', ''])('attack 1: %p is not found, and nothing is read', async (name) => {
    const answer = await read(port, name, {});
    expect(answer.data.length).toBe(0);
    expect(answer.error).toMatch(/not found|missing/);
  });

  it('tells each step of a transfer', async () => {
    events.length = 0;
    await read(port, 'loader.bin', { blksize: '1468', windowsize: '4' });
    expect(events.map((event) => [event.kind, event.detail]).slice(0, 3)).toEqual([['tftp-start', '200000 bytes, blocks of 1468, window 4'], ['tftp-progress', '40 %'], ['tftp-progress', '80 %']]);
  });
});
