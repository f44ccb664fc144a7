/**
 * Programs and files from Debian's archive without root and without touching the system: apt-get with lists, cache and state
 * in a temporary folder of its own, packages unpacked under .prybar/tools/root. What the system already has is used instead.
 * Sources, keyrings and proxies are the system's own.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { withLock } from './lock.mjs';
import { prybarHome } from './project.mjs';
import { CommandError, run, step } from './step.mjs';

/** @typedef {'redis-server' | 'ipxe' | 'busybox' | 'ipmitool' | 'kea-dhcp4' | 'dhcpd'} ToolName */
/** @typedef {{ path: string, env: NodeJS.ProcessEnv }} Tool `path`: the program, for ipxe the folder of loaders; `env`: to run it with */

const SYSTEM_BINARIES = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];

/** Boot loaders as the Debian packages name them. Both BIOS and UEFI firmware are served from this folder. */
const LOADERS = ['undionly.kpxe', 'ipxe.efi', 'snponly.efi'];

/**
 * package: Debian's name. file: where it lies in the package. isUsable: whether a system-installed one will do.
 * @type {Record<ToolName, { package: string, file: string, isUsable?: (path: string) => Promise<boolean> }>}
 */
const TOOLS = {
  'redis-server': { package: 'redis-server', file: 'usr/bin/redis-server' },
  ipxe: { package: 'ipxe', file: 'usr/lib/ipxe/undionly.kpxe' },
  busybox: { package: 'busybox-static', file: 'bin/busybox', isUsable: async (path) => (await run(path, ['--list'])).split('\n').includes('udhcpc') },
  ipmitool: { package: 'ipmitool', file: 'usr/bin/ipmitool' },
  'kea-dhcp4': { package: 'kea-dhcp4-server', file: 'usr/sbin/kea-dhcp4' },
  dhcpd: { package: 'isc-dhcp-server', file: 'usr/sbin/dhcpd' },
};

/** What Prybar and its tests use at every turn; reference servers of benches are fetched when a bench wants them. @type {ToolName[]} */
export const toolNames = ['redis-server', 'ipxe', 'busybox', 'ipmitool'];
export const loadersDirectory = join(prybarHome, 'loaders');

const toolsHome = join(prybarHome, 'tools');
const unpackedRoot = join(toolsHome, 'root');

/** Libraries of unpacked packages, for programs that were unpacked with them. */
function unpackedEnv() {
  const triplets = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];
  const folders = triplets
    .flatMap((triplet) => [`usr/lib/${triplet}`, `lib/${triplet}`])
    .map((folder) => join(unpackedRoot, folder))
    .filter((folder) => existsSync(folder));
  const inherited = process.env['LD_LIBRARY_PATH'];
  return { ...process.env, LD_LIBRARY_PATH: [...folders, ...(inherited ? [inherited] : [])].join(delimiter) };
}

/** @param {ToolName} name @returns {Promise<Tool | undefined>} */
async function findOnSystem(name) {
  const { file, isUsable } = TOOLS[name];
  const program = file.split('/').pop() ?? '';
  const places = name === 'ipxe' ? [`/${file}`] : [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_BINARIES].map((folder) => join(folder, program));
  const path = places.find((place) => existsSync(place));
  if (!path) return undefined;
  return !isUsable || (await isUsable(path).catch(() => false)) ? { path, env: process.env } : undefined;
}

/** The mark is written after the unpacking, so a half-unpacked package is not taken for a whole one. @param {ToolName} name */
const markOf = (name) => join(toolsHome, `${name}.unpacked`);

/** @param {ToolName} name @returns {Tool | undefined} */
function findUnpacked(name) {
  const path = join(unpackedRoot, TOOLS[name].file);
  return existsSync(markOf(name)) && existsSync(path) ? { path, env: unpackedEnv() } : undefined;
}

/**
 * apt's configuration for private lists. Read after the system's own (-c), which is why it can clear the hooks that distributions
 * hang on an update and that need root.
 * @param {string} workplace
 */
function writeAptConfig(workplace) {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'log']) mkdirSync(join(workplace, folder), { recursive: true });
  const lines = [
    `Dir::State "${workplace}/state";`,
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache "${workplace}/cache";`,
    `Dir::Log "${workplace}/log";`,
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    'APT::Install-Recommends "false";',
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User "root";'] : []), // _apt cannot enter a project under /root
  ];
  const file = join(workplace, 'apt.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** What an installation of the packages would add to this system, themselves included: apt's own resolver decides. @param {string} config @param {string[]} packages */
async function resolveMissing(config, packages) {
  const plan = await run('apt-get', ['-c', config, '--simulate', 'install', '--no-install-recommends', ...packages]);
  return [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)].map(([, name, version]) => `${name}=${version}`);
}

/** @param {string[]} packages @param {(note: string) => void} note @param {(debs: string[]) => Promise<void>} use */
async function download(packages, note, use) {
  // A temporary folder, because its path is plain (apt takes a space in its directories badly) and the lists are 70 MB of no further use.
  const workplace = mkdtempSync(join(tmpdir(), 'prybar-apt-'));
  try {
    const config = writeAptConfig(workplace);
    // One source that fails (somebody's third-party one) must not stop us; it is the reason only when the packages are then unknown.
    const updateError = await run('apt-get', ['-c', config, 'update', '--error-on=any'], { onLine: note }).then(
      () => undefined,
      (error) => error,
    );
    const missing = await resolveMissing(config, packages).catch((error) => {
      throw updateError ?? error;
    });
    // Installed already, yet not usable from where it is (or its file was removed): fetch the package itself.
    const wanted = [...missing, ...packages.filter((name) => !missing.some((entry) => entry.startsWith(`${name}=`)))];
    await run('apt-get', ['-c', config, 'download', ...wanted], { cwd: join(workplace, 'cache'), onLine: note });
    await use(
      readdirSync(join(workplace, 'cache'))
        .filter((file) => file.endsWith('.deb'))
        .map((file) => join(workplace, 'cache', file)),
    );
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** @param {ToolName[]} names @param {(note: string) => void} note */
async function fetchTools(names, note) {
  const packages = names.map((name) => TOOLS[name].package);
  try {
    await download(packages, note, async (debs) => {
      mkdirSync(unpackedRoot, { recursive: true });
      for (const deb of debs) await run('dpkg', ['-x', deb, unpackedRoot]);
    });
  } catch (error) {
    const reason =
      error instanceof CommandError
        ? error.output
            .split('\n')
            .filter((line) => /^(E|Err|W):|Err:/.test(line))
            .slice(0, 4)
            .join('\n') || error.message
        : String(error);
    throw new Error(
      `Prybar needs ${packages.join(', ')} from Debian's archive and could not fetch it:\n${reason}\n` +
        `Fix: make the archive reachable and try again, or install as root: apt-get install ${packages.join(' ')}`,
      { cause: error },
    );
  }
  for (const name of names) writeFileSync(markOf(name), '');
}

/** The loaders in one folder of our own, whichever way they came. `root` is / or where the package was unpacked. @param {string} root */
function gatherLoaders(root) {
  mkdirSync(loadersDirectory, { recursive: true });
  for (const loader of LOADERS) {
    const target = join(loadersDirectory, loader);
    // In the package usr/lib/ipxe/ipxe.efi is a link to /boot/ipxe.efi, which leads nowhere from an unpacked root.
    const source = [join(root, 'usr/lib/ipxe', loader), join(root, 'boot', loader)].find((place) => existsSync(place));
    if (existsSync(target) || !source) continue;
    copyFileSync(source, `${target}.partial`); // a TFTP client must never be given half a loader
    renameSync(`${target}.partial`, target);
  }
}

/**
 * Makes the named tools available and says where they are. Cheap when they are there; otherwise one download for all that
 * are missing, one process at a time. Rejects with what is missing and how to get it when the archive cannot be reached.
 * @template {ToolName} Name
 * @param {Name[]} names
 * @returns {Promise<Record<Name, Tool>>}
 */
export async function ensureTools(names) {
  const find = async (/** @type {ToolName} */ name) => findUnpacked(name) ?? (await findOnSystem(name));
  const areLoadersThere = () => LOADERS.every((loader) => existsSync(join(loadersDirectory, loader)));
  /** @param {ToolName} name */
  const isMissing = async (name) => (name === 'ipxe' && areLoadersThere() ? false : !(await find(name)));
  const listMissing = async () => {
    const answers = await Promise.all(names.map(isMissing));
    return names.filter((_, index) => answers[index]);
  };
  if ((await listMissing()).length > 0) {
    await withLock(`tools ${toolsHome}`, async () => {
      const missing = await listMissing(); // another process may have fetched them while we waited
      if (missing.length > 0) await step(`fetching ${missing.join(', ')} from Debian's archive`, (note) => fetchTools(missing, note));
    });
  }
  const tools = /** @type {Record<Name, Tool>} */ ({});
  for (const name of names) {
    const found = await find(name);
    if (name === 'ipxe') {
      if (found) gatherLoaders(join(found.path, '../../../..'));
      tools[name] = { path: loadersDirectory, env: process.env };
    } else if (found) tools[name] = found;
  }
  return tools;
}

/** The system-wide way, for those who ask for it: apt-get install, as root. @param {ToolName[]} names */
export async function installOnSystem(names) {
  if (process.getuid?.() !== 0) throw new Error('setup --system installs Debian packages for the whole system: run it as root (or leave out --system)');
  const packages = names.map((name) => TOOLS[name].package);
  await step(`installing ${packages.join(', ')}`, async (note) => {
    await run('apt-get', ['update'], { onLine: note });
    await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      onLine: note,
    });
  });
}
