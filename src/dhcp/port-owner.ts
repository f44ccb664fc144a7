/**
 * Who else listens on a UDP port. Linux lets a second server bind 67 with SO_REUSEADDR and says nothing, and two
 * DHCP servers on one port each hear half of the clients (netboot-rules 2).
 */
import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process that holds a UDP port. */
export type PortOwner = { readonly pid: number; readonly name: string };

/** Field positions in /proc/net/udp, counted from 0. See proc(5). */
const LOCAL_ADDRESS_FIELD = 1;
const INODE_FIELD = 9;

/**
 * Processes other than this one that hold the UDP port on any address. Sockets that this process holds too (inherited
 * from a launcher or from systemd) are not counted. A socket whose process may not be looked into comes as pid 0.
 * Empty where there is no /proc.
 */
export async function findUdpOwners(port: number): Promise<PortOwner[]> {
  const inodes = await inodesOnPort(port);
  for (const inode of await socketInodesOf('self')) inodes.delete(inode);
  if (inodes.size === 0) return [];
  const owners: PortOwner[] = [];
  for (const pid of await processIds()) {
    for (const inode of await socketInodesOf(String(pid))) {
      if (!inodes.delete(inode)) continue;
      owners.push({ pid, name: await processName(pid) });
    }
  }
  return inodes.size > 0 ? [...owners, { pid: 0, name: 'a process that only root may see' }] : owners;
}

/** `dnsmasq (pid 812)`, for messages. */
export function describeOwners(owners: readonly PortOwner[]): string {
  return owners.map((owner) => (owner.pid === 0 ? owner.name : `${owner.name} (pid ${owner.pid})`)).join(', ');
}

async function inodesOnPort(port: number): Promise<Set<string>> {
  // A socket on [::] has the port of every IPv4 address too; a machine may be without IPv6.
  const tables = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((file) => readFile(file, 'utf8').catch(() => '')));
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const line of tables.join('').split('\n')) {
    const fields = line.trim().split(/\s+/);
    const inode = fields[INODE_FIELD];
    if (inode !== undefined && fields[LOCAL_ADDRESS_FIELD]?.endsWith(suffix) === true) inodes.add(inode);
  }
  return inodes;
}

async function processIds(): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function socketInodesOf(pid: string): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set<string>();
  // A process that ended, or one of another user, has nothing we can read.
  for (const fd of await readdir(folder).catch(() => [])) {
    const target = await readlink(`${folder}/${fd}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  return inodes;
}

async function processName(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'unknown');
  return name.trim();
}
