/**
 * Which file a client boots next. The bootenv was decided elsewhere and is rendered when the client fetches its script, so
 * the answer depends on who asks far more than on what the node is to boot: firmware gets a loader, the loader gets the script.
 */
import { macWithDashes } from '../shared/mac.js';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import type { Client } from './client.js';
import type { Firmware } from './codes.js';
import { proxyMenu, USE_THIS_FILE } from './pxe-options.js';
import { quirkOf } from './quirks.js';
import type { Trace } from './trace.js';

/** Where loaders and scripts are. */
export type BootSettings = {
  /** IPv4 address of TFTP and boot HTTP, uint32. */
  readonly bootHost: number;
  readonly bootHttpPort: number;
  /** File under the TFTP root for each firmware; a firmware without a row gets no boot file. */
  readonly loaders: Loaders;
  /** Whether another server gives the addresses: firmware then needs a boot menu, and iPXE the class PXEClient to listen at all. */
  readonly isProxy: boolean;
};

export type Loaders = Readonly<Partial<Record<Firmware, string>>>;

/** What an operator's options 66 and 67 say for this client; see custom-options.ts. */
export type CustomBoot = { readonly bootFile: string | undefined; readonly serverName: string | undefined };

/** What the directory says about the machine; an unknown one boots `discovery`. */
export type BootRecord = {
  readonly bootenv: string;
  /** The node boots its own disk. Firmware still gets the loader: the script says how to leave the network. */
  readonly bootLocal: boolean;
};

/** The boot part of a reply. */
export type BootAnswer = {
  /** Option 60, which tells firmware that this is a boot offer; undefined for iPXE. */
  readonly vendorClass: 'PXEClient' | 'HTTPClient' | undefined;
  /** Option 43, raw. */
  readonly vendorOptions: Buffer | undefined;
  /** siaddr. */
  readonly nextServer: number;
  /** sname and option 66. */
  readonly serverName: string;
  /** `file` and option 67. */
  readonly bootFile: string;
  /** Option 175, raw. */
  readonly ipxeOptions: Buffer | undefined;
};

/** Why there is no boot file; the text is for the node's timeline. */
export type NoBootFile = 'not a boot client' | 'unknown architecture' | 'no loader for this architecture' | 'boot files withheld: no contact to the database';

/** Loaders as the set-up script places them: Debian's `ipxe`, GRUB where iPXE is not built. netboot-rules 14. */
export const DEFAULT_LOADERS: Loaders = {
  bios: 'undionly.kpxe',
  'uefi-ia32': 'grubia32.efi',
  'uefi-x64': 'snponly.efi',
  'uefi-arm64': 'grubaa64.efi',
  'raspberry-pi': 'bootcode.bin',
  // U-Boot loads it and goes on to pxelinux.cfg beside it; with EFI it can run it.
  'uboot-arm64': 'grubaa64.efi',
};

/** Sub-option 176 (no-pxedhcp) = 1: iPXE does not wait 3 s for proxy offers. The whole option is `af 03 b0 01 01`. */
const NO_PROXY_OFFERS = Buffer.from([0xb0, 0x01, 0x01]);

/**
 * Chooses by the asking program. iPXE always gets the absolute URL of its script and never a loader, which is what ends the
 * chain: firmware -> iPXE -> script. `mayBoot` false (engine-rules 6) keeps every boot file back except a local one's.
 * Quirks and every step that decided go into the trace.
 */
export function chooseBootfile(
  client: Client,
  boot: BootRecord,
  mayBoot: boolean,
  settings: BootSettings,
  custom: CustomBoot = NO_CUSTOM_BOOT,
  trace?: Trace,
): BootAnswer | NoBootFile {
  const chosen = choose(client, boot, mayBoot, settings, custom, trace);
  trace?.push({
    rule: 'boot-file',
    source: 'netboot-rules 4, 12, 14',
    value: typeof chosen === 'string' ? `none: ${chosen}` : `${chosen.bootFile} from ${chosen.serverName}, for ${client.stage} ${client.firmware}`,
  });
  return chosen;
}

const NO_CUSTOM_BOOT: CustomBoot = { bootFile: undefined, serverName: undefined };

function choose(client: Client, boot: BootRecord, mayBoot: boolean, settings: BootSettings, custom: CustomBoot, trace?: Trace): BootAnswer | NoBootFile {
  if (client.stage === 'other') return 'not a boot client';
  if (!mayBoot && !boot.bootLocal) return 'boot files withheld: no contact to the database';
  const host = formatIpv4(settings.bootHost);
  const httpOrigin = `http://${host}:${settings.bootHttpPort}`;
  if (client.stage === 'ipxe') {
    return {
      // iPXE takes a proxy's offer only from a PXEClient (its src/net/udp/dhcp.c, dhcp_discovery_rx).
      vendorClass: settings.isProxy ? 'PXEClient' : undefined,
      vendorOptions: settings.isProxy ? USE_THIS_FILE : undefined,
      nextServer: settings.bootHost,
      serverName: host,
      bootFile: `${httpOrigin}/boot/ipxe/${macWithDashes(client.mac)}`,
      ipxeOptions: settings.isProxy ? undefined : NO_PROXY_OFFERS,
    };
  }
  const quirk = quirkOf(client, trace);
  const firmware = quirk.firmware ?? client.firmware;
  const loader = custom.bootFile ?? settings.loaders[firmware];
  if (loader === undefined) return firmware === 'unknown' ? 'unknown architecture' : 'no loader for this architecture';
  const answer = { nextServer: parseIpv4(custom.serverName ?? '') ?? settings.bootHost, serverName: custom.serverName ?? host, ipxeOptions: undefined };
  if (client.stage === 'http') {
    // Option 67 is an absolute URL and 43 stays away: netboot-rules 12 and 4, UEFI 2.10 section 24.7.
    return { ...answer, vendorClass: 'HTTPClient', vendorOptions: undefined, bootFile: isUrl(loader) ? loader : `${httpOrigin}/boot/loaders/${loader}` };
  }
  const usual = settings.isProxy ? proxyMenu(settings.bootHost) : USE_THIS_FILE;
  return { ...answer, vendorClass: 'PXEClient', vendorOptions: quirk.vendorOptions ?? usual, bootFile: loader };
}

function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}
