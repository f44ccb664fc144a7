/**
 * PURE: what a server of the site is told of each machine, whatever its format. Text of machines and operators ends up in
 * configuration files of other programs (attacks 7 and 23): what is not of the field's own form is left out, never quoted.
 */

/** `network`: fetch a loader and boot what Prybar says; `local`: boot the disk; `none`: an address only, as for a BMC. */
export type HostBoot = 'network' | 'local' | 'none';

export type HostRecord = {
  /** Lower case, with colons. */
  mac: string;
  /** Reserved address; null: the server gives one of its pool. */
  address: string | null;
  /** One label of RFC 1123; null when the node's name has none. */
  hostname: string | null;
  /** Name of the bootenv; null with boot `none`. */
  bootenv: string | null;
  boot: HostBoot;
};

/** A row of the DHCP table or of the reservations, unchecked. */
export type HostRow = { mac: string; address: string | null; hostname: string | null; bootenv: string | null; boot_local: boolean | null };

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const ADDRESS = /^(\d{1,3}\.){3}\d{1,3}$/;
/** RFC 1123 section 2.1: letters, digits and dashes, at most 63. */
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
/** The form bootenv names have (bootenvs/bootenv.ts); anything else would be syntax to some server. */
const BOOTENV = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** One record a MAC, in MAC order. A row whose MAC or bootenv is not of its form makes no record. */
export function hostRecords(rows: readonly HostRow[]): HostRecord[] {
  const byMac = new Map<string, HostRecord>();
  for (const row of rows) {
    if (!MAC.test(row.mac) || (row.bootenv !== null && !BOOTENV.test(row.bootenv))) continue;
    byMac.set(row.mac, {
      mac: row.mac,
      address: row.address !== null && ADDRESS.test(row.address) ? row.address : null,
      hostname: hostLabel(row.hostname),
      bootenv: row.bootenv,
      boot: row.bootenv === null ? 'none' : row.boot_local === true ? 'local' : 'network',
    });
  }
  return withUniqueNames([...byMac.values()].sort((a, b) => (a.mac < b.mac ? -1 : 1)));
}

/** The first label of a name, when it is one. */
export function hostLabel(name: string | null): string | null {
  const label = name?.split('.')[0] ?? '';
  return LABEL.test(label) ? label : null;
}

/** Two NICs of one machine have one name; the first of them keeps it, because servers take a name for one host only. */
function withUniqueNames(records: HostRecord[]): HostRecord[] {
  const seen = new Set<string>();
  return records.map((record) => {
    if (record.hostname === null) return record;
    const name = record.hostname.toLowerCase();
    if (seen.has(name)) return { ...record, hostname: null };
    seen.add(name);
    return record;
  });
}

/** Where machines find loaders and scripts, as the snippets and option files of the site's servers say it. */
export type BootPlace = {
  /** IPv4 address of TFTP and boot HTTP. */
  host: string;
  httpPort: number;
};

/**
 * The script's address as a server says it that cannot compute: iPXE puts the MAC of its NIC in itself
 * (https://ipxe.org/cfg/mac; settings are expanded in a DHCP file name).
 */
export function scriptUrl(place: BootPlace): string {
  return `http://${place.host}:${place.httpPort}/boot/ipxe/\${net0/mac}`;
}

/** Which loader firmware gets, by what it reports in option 93 (RFC 4578 section 2.1; 9 is what most x64 firmware says). */
export const LOADERS_BY_ARCH: readonly { tag: string; archs: readonly number[]; loader: string }[] = [
  { tag: 'bios', archs: [0], loader: 'undionly.kpxe' },
  { tag: 'efi32', archs: [6], loader: 'grubia32.efi' },
  { tag: 'efi64', archs: [7, 9], loader: 'snponly.efi' },
  { tag: 'arm64', archs: [11], loader: 'grubaa64.efi' },
];
