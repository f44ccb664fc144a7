/**
 * Programs and files from Debian's archive without root and without touching the system (debian-archive.mjs), unpacked under
 * .prybar/tools/root. What the system already has is used instead.
 */
import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackPackages } from './debian-archive.mjs';
import { withLock } from './lock.mjs';
import { prybarHome } from './project.mjs';
import { run, step } from './step.mjs';

/** @typedef {'redis-server' | 'grub-mkimage' | 'ipxe' | 'busybox' | 'ipmitool' | 'kea-dhcp4' | 'dhcpd' | 'tftpd-hpa' | 'atftpd' | 'nginx' | 'wrk' | LabToolName} ToolName */
/** @typedef {'dhclient' | 'dhcpcd' | 'perfdhcp' | 'nmap' | 'scapy' | 'dhcrelay' | 'atftp' | 'tftp' | 'curl' | 'dnsmasq' | 'dig' | 'kdig' | 'dnsperf' | 'qemu' | 'qemu-arm' | 'ovmf' | 'ovmf-ia32' | 'aavmf' | 'ipxe-qemu' | 'grub-modules'} LabToolName independent clients and emulated machines of test/e2e/lab */
/** @typedef {{ path: string, env: NodeJS.ProcessEnv }} Tool `path`: the program, for ipxe the folder of loaders; `env`: to run it with */

const SYSTEM_BINARIES = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];

/** npm puts its packages' programs first in PATH: its `dhcp` has a `dhcpd` of its own. @param {string} folder */
const isOfSystem = (folder) => !folder.includes('node_modules');

/** Boot loaders as the Debian packages name them. Both BIOS and UEFI firmware are served from this folder. */
const LOADERS = ['undionly.kpxe', 'ipxe.efi', 'snponly.efi'];

/**
 * package: Debian's name. file: where it lies in the package. isUsable: whether a system-installed one will do. apart: it has
 * files of the same name as another's, and gets a root of its own.
 * @type {Record<ToolName, { package: string, file: string, isUsable?: (path: string) => Promise<boolean>, apart?: boolean }>}
 */
const TOOLS = {
  'redis-server': { package: 'redis-server', file: 'usr/bin/redis-server' },
  ipxe: { package: 'ipxe', file: 'usr/lib/ipxe/undionly.kpxe' },
  busybox: { package: 'busybox-static', file: 'bin/busybox', isUsable: async (path) => (await run(path, ['--list'])).split('\n').includes('udhcpc') },
  ipmitool: { package: 'ipmitool', file: 'usr/bin/ipmitool' },
  'grub-mkimage': { package: 'grub-common', file: 'usr/bin/grub-mkimage' },
  'kea-dhcp4': { package: 'kea-dhcp4-server', file: 'usr/sbin/kea-dhcp4' },
  dhcpd: { package: 'isc-dhcp-server', file: 'usr/sbin/dhcpd' },
  'tftpd-hpa': {
    package: 'tftpd-hpa',
    file: 'usr/sbin/in.tftpd',
    apart: true,
    isUsable: async (path) => (await run(path, ['--version'])).includes('tftp-hpa'),
  },
  atftpd: { package: 'atftpd', file: 'usr/sbin/atftpd', apart: true },
  nginx: { package: 'nginx-light', file: 'usr/sbin/nginx' },
  wrk: { package: 'wrk', file: 'usr/bin/wrk' },
  dhclient: { package: 'isc-dhcp-client', file: 'sbin/dhclient' },
  dhcpcd: { package: 'dhcpcd-base', file: 'usr/sbin/dhcpcd' },
  perfdhcp: { package: 'kea-admin', file: 'usr/sbin/perfdhcp' },
  nmap: { package: 'nmap', file: 'usr/bin/nmap' },
  scapy: { package: 'python3-scapy', file: 'usr/bin/scapy' },
  dhcrelay: { package: 'isc-dhcp-relay', file: 'usr/sbin/dhcrelay' },
  atftp: { package: 'atftp', file: 'usr/bin/atftp' },
  tftp: { package: 'tftp-hpa', file: 'usr/bin/tftp' },
  curl: { package: 'curl', file: 'usr/bin/curl' },
  dig: { package: 'bind9-dnsutils', file: 'usr/bin/dig' },
  kdig: { package: 'knot-dnsutils', file: 'usr/bin/kdig' },
  dnsmasq: { package: 'dnsmasq-base', file: 'usr/sbin/dnsmasq' },
  dnsperf: { package: 'dnsperf', file: 'usr/bin/dnsperf' },
  qemu: { package: 'qemu-system-x86', file: 'usr/bin/qemu-system-x86_64' },
  'qemu-arm': { package: 'qemu-system-arm', file: 'usr/bin/qemu-system-aarch64' },
  ovmf: { package: 'ovmf', file: 'usr/share/OVMF/OVMF_CODE_4M.fd' },
  'ovmf-ia32': { package: 'ovmf-ia32', file: 'usr/share/OVMF/OVMF32_CODE_4M.secboot.fd' },
  aavmf: { package: 'qemu-efi-aarch64', file: 'usr/share/AAVMF/AAVMF_CODE.fd' },
  'grub-modules': { package: 'grub-efi-amd64-bin', file: 'usr/lib/grub/x86_64-efi/moddep.lst' },
  'ipxe-qemu': { package: 'ipxe-qemu', file: 'usr/lib/ipxe/qemu/pxe-virtio.rom' },
};

/** What Prybar and its tests use at every turn; the rest is fetched when a bench or the lab wants it. @type {ToolName[]} */
export const toolNames = ['redis-server', 'ipxe', 'busybox', 'ipmitool'];
export const loadersDirectory = join(prybarHome, 'loaders');

const toolsHome = join(prybarHome, 'tools');
const unpackedRoot = join(toolsHome, 'root');

/** Where the tool's package is unpacked. @param {ToolName} name */
const rootOf = (name) => (TOOLS[name].apart ? join(toolsHome, 'apart', name) : unpackedRoot);

/** Libraries of unpacked packages, for programs that were unpacked with them. @param {string} root */
function unpackedEnv(root) {
  const triplets = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];
  const folders = triplets
    .flatMap((triplet) => [`usr/lib/${triplet}`, `lib/${triplet}`])
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder));
  const inherited = process.env['LD_LIBRARY_PATH'];
  return { ...process.env, LD_LIBRARY_PATH: [...folders, ...(inherited ? [inherited] : [])].join(delimiter) };
}

/** @param {ToolName} name @returns {Promise<Tool | undefined>} */
async function findOnSystem(name) {
  const { file, isUsable } = TOOLS[name];
  const program = file.split('/').pop() ?? '';
  const places = !file.includes('bin/')
    ? [`/${file}`]
    : [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_BINARIES].filter(isOfSystem).map((folder) => join(folder, program));
  const path = places.find((place) => existsSync(place));
  if (!path) return undefined;
  return !isUsable || (await isUsable(path).catch(() => false)) ? { path, env: process.env } : undefined;
}

/** The mark is written after the unpacking, so a half-unpacked package is not taken for a whole one. @param {ToolName} name */
const markOf = (name) => join(toolsHome, `${name}.unpacked`);

/** @param {ToolName} name @returns {Tool | undefined} */
function findUnpacked(name) {
  const path = join(rootOf(name), TOOLS[name].file);
  return existsSync(markOf(name)) && existsSync(path) ? { path, env: unpackedEnv(rootOf(name)) } : undefined;
}

/** @param {ToolName[]} names @param {(note: string) => void} note */
async function fetchTools(names, note) {
  for (const root of new Set(names.map(rootOf))) {
    const packages = names.filter((name) => rootOf(name) === root).map((name) => TOOLS[name].package);
    await unpackPackages(packages, root, { note });
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
