/** PURE: which server's file a text is, and what it tells. */
import { readDnsmasqHosts, readDnsmasqLeases } from './dnsmasq.js';
import type { Found } from './found.js';
import { readIsc } from './isc.js';
import { readKea, readKeaLeases } from './kea.js';

/** The formats by the name that `--format` takes. */
export const READERS = {
  isc: readIsc,
  dnsmasq: readDnsmasqHosts,
  'dnsmasq-leases': readDnsmasqLeases,
  kea: readKea,
  'kea-leases': readKeaLeases,
} as const satisfies Record<string, (text: string) => Found>;

export type ImportFormat = keyof typeof READERS;
export const IMPORT_FORMATS = Object.keys(READERS) as [ImportFormat, ...ImportFormat[]];

/** By what only one of them has; undefined when the text is none of them. */
export function detectFormat(text: string): ImportFormat | undefined {
  if (/^address,hwaddr,/.test(text)) return 'kea-leases';
  if (/"(Dhcp4|subnet4|reservations)"\s*:/.test(text)) return 'kea';
  if (/^\s*(lease\s+[\d.]+|host\s+\S+|subnet\s+[\d.]+\s+netmask\s+[\d.]+|group|shared-network\s+\S+)\s*\{/m.test(text)) return 'isc';
  if (/^\d+\s+([0-9a-f]{2}-)?([0-9a-f]{2}:){5}[0-9a-f]{2}\s+[\d.]+\s/im.test(text)) return 'dnsmasq-leases';
  if (/^\s*(dhcp-host\s*=|([0-9a-f]{2}-)?([0-9a-f]{2}:){5}[0-9a-f]{2},)/im.test(text)) return 'dnsmasq';
  return undefined;
}

/** In the order of the lines. */
export function readForeign(text: string, format: ImportFormat): Found {
  const found = READERS[format](text);
  const byLine = (a: { line: number }, b: { line: number }): number => a.line - b.line;
  return { ...found, hosts: found.hosts.sort(byLine), problems: found.problems.sort(byLine) };
}
