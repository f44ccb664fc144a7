/**
 * PURE: the files of dnsmasq that Prybar writes: hosts (dhcp-hostsfile) and options by tag (dhcp-optsfile), both read again
 * upon SIGHUP. One machine is one line, so one change is one line. Format: dnsmasq(8), --dhcp-host, --dhcp-option, --dhcp-optsfile.
 *
 * With tags a line says what its machine boots, and the site's own configuration may use them too. Without, every machine
 * that has a line is given the loader, and Prybar's script sends it to its disk. There is a choice because dnsmasq (2.86 to
 * 2.90, seen on Debian 12) ends with a segmentation fault at the SIGHUP that follows its answer to a machine whose line has a
 * tag: `dhcp_netid_free` frees what the answer has chained to the tag (https://github.com/imp/dnsmasq/pull/20).
 */
import { LOADERS_BY_ARCH, scriptUrl, type BootPlace, type HostRecord } from './host-records.js';

const HEAD = '# Written by Prybar. Changes made here are lost.\n';

export type DnsmasqOptions = BootPlace & {
  /** The host lines carry tags. */
  tags: boolean;
  /** Machines that dnsmasq has no host line for boot discovery. */
  discoverUnknown: boolean;
  /** A machine that boots its disk gets the loader all the same, and leaves by Prybar's script. */
  loaderForLocal: boolean;
};

/** The hosts file. A line's text depends on its machine alone, so unchanged machines have unchanged lines. */
export function dnsmasqHosts(hosts: readonly HostRecord[], withTags: boolean): string {
  return HEAD + hosts.map((host) => `${hostLine(host, withTags)}\n`).join('');
}

function hostLine(host: HostRecord, withTags: boolean): string {
  const tags = !withTags || host.boot === 'none' ? [] : ['prybar', `prybar-${host.boot}`, `prybar-env-${host.bootenv ?? ''}`];
  return [
    host.mac,
    // Firmware, loader and system of one machine send different client ids: it is its MAC (netboot-rules 5).
    'id:*',
    ...tags.map((tag) => `set:${tag}`),
    ...(host.address === null ? [] : [host.address]),
    ...(host.hostname === null ? [] : [host.hostname]),
  ].join(',');
}

/** The options file. A machine without a boot file goes on to its disk, also while Prybar is away. */
export function dnsmasqOptionsFile(options: DnsmasqOptions): string {
  const machines = options.tags ? ['tag:prybar-network', ...(options.loaderForLocal ? ['tag:prybar-local'] : [])] : ['tag:known'];
  const whom = [...machines, ...(options.discoverUnknown ? ['tag:!known'] : [])];
  return HEAD + whom.flatMap((tag) => bootLines(tag, options).map((line) => `${line}\n`)).join('');
}

function bootLines(tag: string, place: BootPlace): string[] {
  return [
    ...LOADERS_BY_ARCH.map((row) => `${tag},tag:!prybar-ipxe,tag:prybar-${row.tag},option:bootfile-name,${row.loader}`),
    `${tag},tag:prybar-ipxe,option:bootfile-name,${scriptUrl(place)}`,
    // iPXE waits for no proxy offers (3 s a boot): option 175, sub-option 176 = 1.
    `${tag},tag:prybar-ipxe,175,b0:01:01`,
    // "server-ip-address" is dnsmasq's word for siaddr in an options file; 66 is for loaders that read the option.
    `${tag},option:server-ip-address,${place.host}`,
    `${tag},option:tftp-server,${place.host}`,
  ];
}

/** What dnsmasq's own configuration needs once: where the files are, and who is asking. */
export function dnsmasqConfiguration(files: { hosts: string; options: string }): string {
  return [
    `dhcp-hostsfile=${files.hosts}`,
    `dhcp-optsfile=${files.options}`,
    'dhcp-match=set:prybar-ipxe,175',
    ...LOADERS_BY_ARCH.flatMap((row) => row.archs.map((arch) => `dhcp-match=set:prybar-${row.tag},option:client-arch,${arch}`)),
    '',
  ].join('\n');
}

/** What dnsmasq's log says of a reload: which files it read, and the lines it refused. Read from where the log ended before. */
export function readReloadLog(log: string, files: readonly string[]): { read: boolean; refused: string[] } {
  const lines = log.split('\n');
  return {
    read: files.every((file) => lines.some((line) => line.endsWith(`: read ${file}`))),
    refused: lines
      .filter((line) => files.some((file) => new RegExp(` at line \\d+ of ${escape(file)}$`).test(line)))
      .map((line) => line.replace(/^.*?\]: /, '')),
  };
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
