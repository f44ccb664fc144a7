/** Files by TFTP, fetched byte for byte by independent clients. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { runIn } from './support/command.js';
import { addLoader, addNetwork } from './support/service.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import { fetchBy, TFTP_CLIENTS } from './support/tftp-clients.js';
import type { World, Port } from './support/world.js';

/** One byte, whole blocks of 512 (an empty one ends the file), a loader, a larger one. */
const SIZES = { byte: 1, 'whole-blocks': 512 * 40, loader: 173_791, larger: 500_001 };

let lan: Lan | undefined;
let world: World | undefined;
let client: Port;
let folder: string;
const files = new Map<string, Buffer>();

beforeAll(async () => {
  lan = await openLan('TFTP by independent clients', async ({ world, site }) => {
    client = await world.addHost('client', 'lan', { address: '10.77.0.50/24' });
    folder = mkdtempSync(path.join(tmpdir(), 'prybar-tftp-'));
    for (const [name, size] of Object.entries(SIZES)) files.set(name, addLoader(site.home, name, size));
    await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
  });
  if (lan === undefined) return;
  world = lan.world;
}, 120_000);

afterAll(async () => {
  await lan?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const digest = (bytes: Buffer | undefined): string =>
  `${bytes?.length} ${createHash('sha256')
    .update(bytes ?? '')
    .digest('hex')}`;

describe.each(TFTP_CLIENTS)('%s', (name) => {
  it.each(Object.keys(SIZES))('fetches %s byte for byte', async (file) => {
    if (world === undefined) return;
    expect(digest(await fetchBy(name, client.ns, SERVER, file, folder))).toBe(digest(files.get(file)));
  });

  it('is told that a file is not there', async () => {
    if (world === undefined) return;
    await expect(fetchBy(name, client.ns, SERVER, 'no-such-loader', folder)).rejects.toThrow(/not found|ended with/i);
  });
});

describe('attack 2: a client that writes', () => {
  it('is refused, and nothing is written', async () => {
    if (world === undefined) return;
    const { busybox } = await ensureTools(['busybox']);
    const { status, stderr } = await runIn(client.ns, [busybox.path, 'tftp', '-p', '-l', busybox.path, '-r', 'planted', SERVER], { env: busybox.env });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/read only/);
    await expect(fetchBy('curl', client.ns, SERVER, 'planted', folder)).rejects.toThrow();
  });
});
