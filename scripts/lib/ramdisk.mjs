/**
 * The ramdisk of discovery, maintenance and image: busybox, a kernel's drivers and our agent in sh (src/bootenvs/ramdisk),
 * packed as an initramfs. Everything comes from Debian's archive; nothing is compiled, nothing needs root.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FILE, FOLDER, LINK, packCpio } from './cpio.mjs';
import { unpackPackages } from './debian-archive.mjs';
import { chooseModules, parseDependencies } from './kernel-modules.mjs';
import { inProject, prybarHome } from './project.mjs';
import { run, step } from './step.mjs';

/** @typedef {'generic' | 'cloud'} Flavour generic: real machines; cloud: virtual ones, smaller and faster to start */

/** @type {Record<Flavour, string>} */
const KERNELS = { generic: 'linux-image-amd64', cloud: 'linux-image-cloud-amd64' };

export const flavours = /** @type {Flavour[]} */ (Object.keys(KERNELS));

/** Bootenvs that start this ramdisk; what each does is on the kernel line. */
const BOOTENVS = ['discovery', 'maintenance', 'image'];

/** Folders above the paths, each once, the outer before the inner. @param {string[]} paths */
function foldersOf(paths) {
  /** @type {Set<string>} */
  const folders = new Set();
  for (const path of paths) {
    for (let folder = dirname(path); folder !== '.' && folder !== '/'; folder = dirname(folder)) folders.add(folder);
  }
  return [...folders].sort((one, other) => one.split('/').length - other.split('/').length || (one < other ? -1 : 1));
}

/** @param {string} root where the packages are unpacked @returns {Promise<{ version: string, files: import('./cpio.mjs').Entry[] }>} */
async function kernelFiles(root) {
  const version = readdirSync(join(root, 'lib/modules'))[0];
  if (version === undefined) throw new Error('the kernel package has no modules');
  const modules = join(root, 'lib/modules', version);
  // busybox's depmod: kmod need not be on this machine.
  await run(join(root, 'bin/busybox'), ['depmod', '-b', root, version]);
  const dependencies = parseDependencies(readFileSync(join(modules, 'modules.dep'), 'utf8'));
  const chosen = chooseModules(dependencies);
  const kept = new Set(chosen);
  const names = new Set(chosen.map((path) => moduleName(path)));
  const place = join('lib/modules', version);
  const table = chosen.map((path) => `${path}: ${(dependencies.get(path) ?? []).filter((need) => kept.has(need)).join(' ')}`.trimEnd());
  const aliases = readFileSync(join(modules, 'modules.alias'), 'utf8')
    .split('\n')
    .filter((line) => names.has(line.split(' ').at(-1) ?? ''));
  return {
    version,
    files: [
      ...chosen.map((path) => ({ name: join(place, path), mode: FILE | 0o644, data: readFileSync(join(modules, path)) })),
      { name: join(place, 'modules.dep'), mode: FILE | 0o644, data: Buffer.from(`${table.join('\n')}\n`) },
      { name: join(place, 'modules.alias'), mode: FILE | 0o644, data: Buffer.from(`${aliases.join('\n')}\n`) },
      { name: join(place, 'modules.symbols'), mode: FILE | 0o644, data: Buffer.alloc(0) },
    ],
  };
}

/** `kernel/fs/ext4/ext4.ko` -> `ext4`; the kernel writes a dash as an underscore. @param {string} path */
const moduleName = (path) => (path.split('/').pop() ?? '').replace(/\.ko.*$/, '').replaceAll('-', '_');

/** Our programs, with the rights they have in the sources. @returns {import('./cpio.mjs').Entry[]} */
function ownFiles() {
  const folder = inProject('src/bootenvs/ramdisk');
  return readdirSync(folder)
    .sort()
    .map((name) => ({
      name: name === 'init' ? 'init' : join('prybar', name),
      mode: FILE | (/\.(sh|awk)$/.test(name) ? 0o644 : 0o755),
      data: readFileSync(join(folder, name)),
    }));
}

/** Written beside its place and moved there: a machine never gets half a kernel. @param {string} file @param {Buffer} data */
function place(file, data) {
  writeFileSync(`${file}.part`, data);
  renameSync(`${file}.part`, file);
}

/** The same bytes under another name, without a second copy where the disk allows it. @param {string} from @param {string} to */
function share(from, to) {
  rmSync(`${to}.part`, { force: true });
  try {
    linkSync(from, `${to}.part`);
  } catch {
    copyFileSync(from, `${to}.part`);
  }
  renameSync(`${to}.part`, to);
}

/**
 * Fetches kernel and busybox, packs the ramdisk, and places both for every bootenv that starts it.
 * @param {Flavour} flavour
 * @returns {Promise<{ version: string, kernel: string, initrd: string }>} where discovery's are
 */
export async function buildImages(flavour) {
  const workplace = mkdtempSync(join(tmpdir(), 'prybar-ramdisk-'));
  try {
    await step(`fetching ${KERNELS[flavour]} and busybox-static from Debian's archive`, (note) =>
      unpackPackages([KERNELS[flavour], 'busybox-static'], workplace, { note, alone: true }),
    );
    return await step('packing the ramdisk', async () => pack(workplace));
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** @param {string} root */
async function pack(root) {
  const kernel = await kernelFiles(root);
  const files = [
    { name: 'bin/busybox', mode: FILE | 0o755, data: readFileSync(join(root, 'bin/busybox')) },
    { name: 'bin/sh', mode: LINK | 0o777, data: Buffer.from('busybox') },
    ...ownFiles(),
    ...kernel.files,
  ];
  const folders = foldersOf(files.map((file) => file.name)).map((name) => ({ name, mode: FOLDER | 0o755 }));
  const initrd = gzipSync(packCpio([...folders, ...files]), { level: 6 });
  const vmlinuz = readFileSync(join(root, 'boot', `vmlinuz-${kernel.version}`));
  const [first = '', ...others] = BOOTENVS.map((bootenv) => join(prybarHome, 'images', bootenv));
  for (const folder of [first, ...others]) mkdirSync(folder, { recursive: true });
  place(join(first, 'linux'), vmlinuz);
  place(join(first, 'initrd.gz'), initrd);
  for (const folder of others) for (const name of ['linux', 'initrd.gz']) share(join(first, name), join(folder, name));
  return { version: kernel.version, kernel: join(first, 'linux'), initrd: join(first, 'initrd.gz') };
}

/** Whether real images lie there; the simulated rack's stand-ins are smaller than any kernel. */
export function areImagesBuilt() {
  const file = join(prybarHome, 'images', 'discovery', 'linux');
  return existsSync(file) && statSync(file).size > 1_000_000;
}
