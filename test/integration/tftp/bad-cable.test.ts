/** TFTP over a cable that loses, doubles and reorders, real sockets on loopback; the numbers are in docs/boot-files.md. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createLogger } from '../../../src/shared/logger.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { startLossyRelay } from '../../support/lossy-relay.js';
import { randomOf } from '../../support/random.js';
import { fetchFile } from '../../support/tftp-client.js';

const LOADER = Buffer.from(Array.from({ length: 600_001 }, (_, index) => (index * 31) % 251));
let root: string;
let server: TftpServer;
let port: number;

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'prybar-cable-'));
  await writeFile(path.join(root, 'ipxe.efi'), LOADER);
  server = new TftpServer({ addresses: ['127.0.0.1'], port: 0, root, log: createLogger('test', 'silent') });
  port = await server.start();
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

describe('TFTP over a bad cable', () => {
  it.each([
    ['1 % lost, windowsize 16', { lose: 0.01, double: 0, reorder: 0 }, { blksize: 1_428, windowsize: 16 }],
    ['1 % lost, one block at a time', { lose: 0.01, double: 0, reorder: 0 }, { blksize: 1_428 }],
    [
      '2 % lost, 2 % doubled, 2 % reordered, windowsize 4, as OVMF asks',
      { lose: 0.02, double: 0.02, reorder: 0.02 },
      { tsize: 0, blksize: 1_468, windowsize: 4 },
    ],
    ['5 % doubled, 5 % reordered, windowsize 64', { lose: 0, double: 0.05, reorder: 0.05 }, { blksize: 1_428, windowsize: 64 }],
  ])('brings a loader over byte for byte: %s', async (_how, cable, options) => {
    const relay = await startLossyRelay({ port }, cable, randomOf(7));
    const before = server.counters().retransmits;
    try {
      const { content } = await fetchFile(relay.port, 'ipxe.efi', options);
      expect(content.equals(LOADER)).toBe(true);
      expect(relay.carried.all).toBeGreaterThan(400);
      // What was lost was sent again, and not the whole file over and over.
      expect(server.counters().retransmits - before).toBeLessThan(2 * relay.carried.all);
    } finally {
      relay.close();
    }
  });
});
