/** Bootenvs as files: users' own, changed while Prybar runs, checked, and their images brought to their place. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { checkBootenvs } from '../../../src/bootenvs/check.js';
import { importImage, type ImportWish } from '../../../src/bootenvs/import-image.js';
import { openLiveRegistry } from '../../../src/bootenvs/live-registry.js';
import { builtinCatalog, loadBootenvs } from '../../../src/bootenvs/registry.js';
import { openDb } from '../../../src/db/client.js';
import { createLogger } from '../../../src/shared/logger.js';
import { buildIso } from '../../support/iso-image.js';
import { createTestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'prybar-catalog-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const YAML = `name: mine
description: my own
kind: installer
archs: [x86_64]
kernel: linux
initrds: [initrd]
kernel_args: console=ttyS0 role={{ params.role | cmdline }}
answers: { ks.cfg: mine.liquid }
params: { role: web }
iso: { linux: casper/vmlinuz, initrd: casper/initrd.img }
`;

async function writeBootenv(yaml = YAML, template = '# {{ node.name }}\n'): Promise<string> {
  const folder = path.join(home, 'bootenvs', 'mine');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'bootenv.yml'), yaml);
  await writeFile(path.join(folder, 'mine.liquid'), template);
  return folder;
}

describe('bootenvs check', () => {
  it('finds every built-in bootenv in order, with every architecture it names', async () => {
    const items = await checkBootenvs({ home });
    expect(items.map((item) => item.name)).toEqual(['debian-12', 'discovery', 'image', 'local', 'maintenance', 'rocky-9', 'ubuntu-24.04']);
    expect(items.filter((item) => !item.valid)).toEqual([]);
  });

  it.each([
    ['an undefined variable', YAML, '{{ node.nothing }}', /ks\.cfg does not render: undefined variable/],
    ['a variable of one branch alone', YAML, '{% if params.root_password_hash %}{{ nothing }}{% endif %}', /undefined variable: nothing/],
    ['a broken template', YAML, '{% if %}', /line:1/],
    ['an unknown field', `${YAML}kernal: x\n`, '', /bootenv\.yml: .*kernal/],
    ['a kernel with a path', YAML.replace('kernel: linux', 'kernel: ../../linux'), '', /kernel: letters, digits/],
    ['another name than its folder', YAML.replace('name: mine', 'name: other'), '', /is not the folder's name/],
    ['an answer file of no known format', YAML.replace('ks.cfg', 'answers.conf'), '', /its format does not follow from the name/],
    ['attack 25: a template above its folder', YAML.replace('mine.liquid', '../../secret'), '', /letters, digits/],
    ['attack 25: a template by an absolute path', YAML.replace('mine.liquid', '/etc/passwd'), '', /letters, digits/],
    ['attack 25: a template by URL', YAML.replace('mine.liquid', 'http://192.0.2.1/x'), '', /letters, digits/],
    ['a YAML bomb', `a: &a [x, x]\nb: [*a, *a]\n${YAML}`, '', /./],
  ])('names %s', async (_what, yaml, template, problem) => {
    const folder = await writeBootenv(yaml, template);
    for (const directory of [path.dirname(folder), folder]) {
      const [item] = await checkBootenvs({ home, directory });
      expect(item).toMatchObject({ name: 'mine', valid: false });
      expect(item?.problems.join()).toMatch(problem);
    }
  });

  it('attack 25: follows no link out of the folder', async () => {
    const folder = await writeBootenv();
    await rm(path.join(folder, 'mine.liquid'));
    await symlink('/etc/hostname', path.join(folder, 'mine.liquid'));
    expect((await checkBootenvs({ home, directory: folder }))[0]?.problems.join()).toMatch(/no such file in the folder/);
  });

  it('says which folder is not there', async () => {
    await expect(checkBootenvs({ home, directory: '/nonexistent' })).rejects.toMatchObject({ code: 'validation-failed' });
  });
});

describe('live registry', () => {
  it('has a changed, a new and a removed bootenv without a restart, and tells the database', async () => {
    const database = await createTestDatabase();
    const db = openDb({ url: database.url, applicationName: 'live-registry', poolSize: 2, prismaPoolSize: 1 });
    const live = await openLiveRegistry({ home, pool: db.pool, log: createLogger('test', 'silent'), everyMs: 20 });
    try {
      expect(live.current().has('mine')).toBe(false);
      await writeBootenv();
      await waitFor(() => live.current().get('mine')?.definition.params['role'] === 'web', { what: 'the new bootenv' });
      await writeBootenv(YAML.replace('role: web', 'role: database'));
      await waitFor(() => live.current().get('mine')?.definition.params['role'] === 'database', { what: 'the changed bootenv' });
      expect(live.current().get('mine')?.available).toBe(false);
      await mkdir(path.join(home, 'images', 'mine'), { recursive: true });
      for (const file of ['linux', 'initrd']) await writeFile(path.join(home, 'images', 'mine', file), 'payload');
      await waitFor(() => live.current().get('mine')?.available === true, { what: 'its images' });
      expect(await db.prisma.bootenv.findUnique({ where: { name: 'mine' } })).toMatchObject({ available: true });
      await writeBootenv(YAML, '{{ broken');
      await waitFor(() => live.current().get('mine') === undefined, { what: 'the broken one to go' });
      expect(live.current().has('local')).toBe(true);
      await waitFor(async () => (await db.prisma.bootenv.findUnique({ where: { name: 'mine' } }))?.available === false, { what: 'the database' });
    } finally {
      await live.close();
      await db.close();
      await database.drop();
    }
  });
});

describe('bootenvs import', () => {
  const kernel = Buffer.from('a kernel of its own');
  const initrd = Buffer.alloc(3_000_000, 3);
  const iso = buildIso('casper', [
    { name: 'VMLINUZ.;1', data: kernel },
    { name: 'INITRD.IMG;1', data: initrd },
  ]);
  const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  async function wish(more: Partial<ImportWish>): Promise<ImportWish> {
    await writeBootenv();
    const { registry } = await loadBootenvs({ home, catalogs: [builtinCatalog(), path.join(home, 'bootenvs')] });
    const definition = registry.get('mine')?.definition;
    if (definition === undefined) throw new Error('no bootenv');
    const from = path.join(home, 'mine.iso');
    await writeFile(from, iso);
    return { home, definition, from, sha256: sumOf(iso), signal: new AbortController().signal, ...more };
  }
  const imageFiles = async () => (await readdir(path.join(home, 'images', 'mine')).catch(() => [])).toSorted((one, other) => (one < other ? -1 : 1));
  const imageOf = (file: string) => readFile(path.join(home, 'images', 'mine', file));

  it('takes kernel and initrd out of an ISO image', async () => {
    const progress: number[] = [];
    const placed = await importImage(await wish({ onProgress: (bytes) => progress.push(bytes) }));
    expect(placed.map(({ file, bytes }) => [file, bytes])).toEqual([
      ['linux', kernel.length],
      ['initrd', initrd.length],
    ]);
    expect((await imageOf('linux')).equals(kernel)).toBe(true);
    expect((await imageOf('initrd')).equals(initrd)).toBe(true);
    expect(progress.at(-1)).toBe(iso.length);
    expect(await imageFiles()).toEqual(['initrd', 'linux']);
  });

  it('takes one file from a web server', async () => {
    const server = createServer((_req, res) => res.end(kernel)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/linux`;
    await importImage(await wish({ from, as: 'linux', sha256: sumOf(kernel).toUpperCase() }));
    await expect(importImage(await wish({ from: `${from}x`, as: 'linux', sha256: sumOf(initrd) }))).rejects.toThrow(/sha256: .* has [0-9a-f]{64}/);
    server.close();
    expect(await imageFiles()).toEqual(['linux']);
  });

  it.each([
    ['a wrong checksum', { sha256: '0'.repeat(64) }, /sha256: .*another file, or it arrived broken/],
    ['no checksum', { sha256: '' }, /sha256: the SHA-256 of the file, 64 hex digits/],
    ['a file that is not there', { from: '/nonexistent.iso' }, /from: \/nonexistent\.iso cannot be read \(ENOENT\)/],
    ['a directory', { from: '/tmp' }, /from: \/tmp is no file/],
    ['another name than the bootenv has', { as: '../../etc/passwd' }, /as: mine has linux, initrd/],
    ['a server that is away', { from: 'http://127.0.0.1:1/x.iso' }, /url: .* cannot be reached/],
  ])('attack 48: leaves what is there after %s', async (_what, more, problem) => {
    await importImage(await wish({}));
    await expect(importImage(await wish(more))).rejects.toThrow(problem);
    expect((await imageOf('linux')).equals(kernel)).toBe(true);
    expect(await imageFiles()).toEqual(['initrd', 'linux']);
  });

  it('attack 48: changes nothing when the image lacks one of the files', async () => {
    const half = buildIso('casper', [{ name: 'VMLINUZ.;1', data: Buffer.from('another kernel') }]);
    const given = await wish({});
    await importImage(given);
    await writeFile(given.from, half);
    await expect(importImage({ ...given, sha256: sumOf(half) })).rejects.toThrow(/iso: the image has no casper\/initrd\.img/);
    expect((await imageOf('linux')).equals(kernel)).toBe(true);
  });

  it('stops when it is told to', async () => {
    await expect(importImage(await wish({ signal: AbortSignal.abort(new Error('stopped')) }))).rejects.toThrow('stopped');
    expect(await imageFiles()).toEqual([]);
  });
});
