/** What a TFTP name leads to: rendered files first, other places, then the directory of loaders. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { FileCache } from '../../../src/shared/file-cache.js';
import { openSource } from '../../../src/tftp/source.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-source-'));
  for (const [folder, file] of [
    ['loaders', 'snponly.efi'],
    ['images', 'linux'],
  ] as const) {
    await mkdir(path.join(directory, folder));
    await writeFile(path.join(directory, folder, file), `${folder}/${file}`);
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function contentOf(name: string): Promise<string | undefined> {
  const source = {
    root: path.join(directory, 'loaders'),
    cache: new FileCache(),
    virtualFiles: async (asked: string, { address }: { address: string }) => (asked === 'grub/grub.cfg' ? `for ${address}` : undefined),
    otherPlaces: (asked: string) =>
      asked.startsWith('boot/files/x/') ? { root: path.join(directory, 'images'), name: asked.slice('boot/files/x/'.length) } : undefined,
  };
  const content = await openSource(source, name, { address: '192.0.2.9', localAddress: '192.0.2.1' });
  if (content === undefined) return undefined;
  await content.load(0, content.sizeBytes);
  const bytes = Buffer.alloc(content.sizeBytes);
  content.copy(bytes, 0, 0, content.sizeBytes);
  content.close();
  return bytes.toString();
}

describe('names of read requests', () => {
  it.each([
    ['grub/grub.cfg', 'for 192.0.2.9'],
    ['/grub/grub.cfg', 'for 192.0.2.9'],
    ['boot/files/x/linux', 'images/linux'],
    ['\\boot\\files\\x\\linux', 'images/linux'],
    ['snponly.efi', 'loaders/snponly.efi'],
    ['boot/files/x/missing', undefined],
    ['boot/files/x/../../loaders/snponly.efi', undefined],
    ['boot/files/y/linux', undefined],
  ])('%s', async (name, content) => {
    expect(await contentOf(name)).toBe(content);
  });
});
