/**
 * Which file a client boots next. The bootenv was decided elsewhere and is rendered when the client fetches its script, so
 * the answer depends on who asks far more than on what the node is to boot: firmware gets a loader, the loader gets the script.
 */
import { macWithDashes } from '../shared/mac.js';
import { formatIpv4 } from '../shared/ipv4.js';
import type { Client } from './client.js';
import type { Firmware } from './codes.js';
import { quirksOf } from './quirks.js';

/** Where loaders and scripts are. */
export type BootSettings = {
  /** IPv4 address of TFTP and boot HTTP, uint32. */
  readonly bootHost: number;
  readonly bootHttpPort: number;
  /** File under the TFTP root for each firmware; a firmware without a row gets no boot file. */
  readonly loaders: Readonly<Partial<Record<Firmware, string>>>;
};

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
  /** siaddr, and option 66 as text. */
  readonly nextServer: number;
  /** `file` and option 67. */
  readonly bootFile: string;
  /** Option 175, raw. */
  readonly ipxeOptions: Buffer | undefined;
};

/** Why there is no boot file; the text is for the node's timeline. */
export type NoBootFile = 'not a boot client' | 'no loader for this architecture' | 'boot files withheld: no contact to the database';

/** Loaders as the set-up script places them: Debian's `ipxe`, GRUB where iPXE is not built. netboot-rules 14. */
export const DEFAULT_LOADERS: Readonly<Partial<Record<Firmware, string>>> = {
  bios: 'undionly.kpxe',
  'uefi-ia32': 'grubia32.efi',
  'uefi-x64': 'snponly.efi',
  'uefi-arm64': 'grubaa64.efi',
  'raspberry-pi': 'bootcode.bin',
};

/**
 * PXE_DISCOVERY_CONTROL (sub-option 6) = 8: use the file of this packet, ask no boot server. Without it OVMF goes to port
 * 4011 and ends in PXE-E16. PXE 2.1 section 2.2.3, netboot-rules 4.
 */
const USE_THIS_FILE = Buffer.from([0x06, 0x01, 0x08, 0xff]);

/** Sub-option 176 (no-pxedhcp) = 1: iPXE does not wait 3 s for proxy offers. The whole option is `af 03 b0 01 01`. */
const NO_PROXY_OFFERS = Buffer.from([0xb0, 0x01, 0x01]);

/**
 * Chooses by the asking program. iPXE always gets the absolute URL of its script and never a loader, which is what ends the
 * chain: firmware -> iPXE -> script. `mayBoot` false (engine-rules 6) keeps every boot file back except a local one's.
 */
export function chooseBootfile(client: Client, boot: BootRecord, mayBoot: boolean, settings: BootSettings): BootAnswer | NoBootFile {
  if (client.stage === 'other') return 'not a boot client';
  if (!mayBoot && !boot.bootLocal) return 'boot files withheld: no contact to the database';
  const httpOrigin = `http://${formatIpv4(settings.bootHost)}:${settings.bootHttpPort}`;
  if (client.stage === 'ipxe') {
    return {
      vendorClass: undefined,
      vendorOptions: undefined,
      nextServer: settings.bootHost,
      bootFile: `${httpOrigin}/boot/ipxe/${macWithDashes(client.mac)}`,
      ipxeOptions: NO_PROXY_OFFERS,
    };
  }
  const quirked = quirksOf(client);
  const firmware = quirked.findLast((quirk) => quirk.firmware !== undefined)?.firmware ?? client.firmware;
  const loader = settings.loaders[firmware];
  if (loader === undefined) return 'no loader for this architecture';
  if (client.stage === 'http') {
    return {
      vendorClass: 'HTTPClient',
      vendorOptions: undefined,
      nextServer: settings.bootHost,
      bootFile: `${httpOrigin}/boot/loaders/${loader}`,
      ipxeOptions: undefined,
    };
  }
  return {
    vendorClass: 'PXEClient',
    vendorOptions: quirked.findLast((quirk) => quirk.vendorOptions !== undefined)?.vendorOptions ?? USE_THIS_FILE,
    nextServer: settings.bootHost,
    bootFile: loader,
    ipxeOptions: undefined,
  };
}
