/** PURE: option 43 as PXE firmware reads it. PXE 2.1 section 2.2.3, table 2-1; RFC 4578 leaves it to that document. */
import { uint16Bytes, uint32Bytes } from '../shared/bytes.js';
import { malformed, readSubOptions } from './options.js';

/** Sub-options of option 43 for class PXEClient. */
export const PxeSubOption = {
  discoveryControl: 6,
  bootServers: 8,
  bootMenu: 9,
  menuPrompt: 10,
  bootItem: 71,
  end: 255,
} as const;

/**
 * Discovery control bit 3: use the file of this packet, ask no boot server. Without option 43 OVMF goes to port 4011 and ends
 * in PXE-E16. netboot-rules 4.
 */
export const USE_THIS_FILE = Buffer.from([PxeSubOption.discoveryControl, 1, 8, PxeSubOption.end]);

/** Our entry in a proxy's menu; types from 0x8000 on are the vendor's own. PXE 2.1 section 2.2.3. */
const SERVER_TYPE = 0x8001;
const MENU_TEXT = Buffer.from('Prybar');

/**
 * What a proxy's offer says: the file of this packet, and for firmware that insists on a menu one entry that leads to our port
 * 4011, chosen at once (timeout 0).
 */
export function proxyMenu(bootHost: number): Buffer {
  const type = uint16Bytes(SERVER_TYPE);
  return Buffer.concat([
    USE_THIS_FILE.subarray(0, 3),
    subOption(PxeSubOption.bootServers, [type, Buffer.from([1]), uint32Bytes(bootHost)]),
    subOption(PxeSubOption.bootMenu, [type, Buffer.from([MENU_TEXT.length]), MENU_TEXT]),
    subOption(PxeSubOption.menuPrompt, [Buffer.from([0]), MENU_TEXT]),
    Buffer.from([PxeSubOption.end]),
  ]);
}

/** What the boot server on 4011 says: the file, and the menu item that was asked for, as it was asked (sub-option 71). */
export function bootServerOptions(asked: Buffer | undefined): Buffer {
  const subOptions = asked === undefined ? malformed : readSubOptions(asked, true);
  const item = subOptions === malformed ? undefined : subOptions.get(PxeSubOption.bootItem);
  if (item === undefined) return USE_THIS_FILE;
  return Buffer.concat([USE_THIS_FILE.subarray(0, 3), subOption(PxeSubOption.bootItem, [item]), Buffer.from([PxeSubOption.end])]);
}

function subOption(code: number, parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([code, value.length]), value]);
}
