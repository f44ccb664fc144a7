/**
 * Firmware that needs something else than the standards say. One row per quirk; `prybar doctor` shows the rows that matched.
 */
import type { Firmware } from './codes.js';
import type { Client } from './client.js';

/** A change to the boot answer, the clients it is for, and where it was learned. */
export type Quirk = {
  readonly name: string;
  readonly matches: (client: Client) => boolean;
  /** The loader row to use instead of the one option 93 leads to. */
  readonly firmware?: Firmware;
  /** Option 43 instead of the usual `06 01 08 ff`. */
  readonly vendorOptions?: Buffer;
  readonly source: string;
};

/** Raspberry Pi (Trading) Ltd's prefixes. https://standards-oui.ieee.org/ */
const RASPBERRY_PI_PREFIXES = ['b8:27:eb', 'dc:a6:32', 'e4:5f:01', 'd8:3a:dd', '28:cd:c1', '2c:cf:67'];

export const quirks: readonly Quirk[] = [
  {
    name: 'raspberry-pi',
    // The boot ROM says architecture 0 (BIOS) and looks for the words "Raspberry Pi Boot" in a boot menu of option 43.
    matches: (client) =>
      client.stage === 'pxe' && (client.architecture === 0 || client.architecture === 41) && RASPBERRY_PI_PREFIXES.includes(client.mac.slice(0, 8)),
    firmware: 'raspberry-pi',
    vendorOptions: Buffer.from('0601030a0400505845091400001152617370626572727920506920426f6f74ff', 'hex'),
    source: 'Raspberry Pi documentation, "Network booting"; bytes as sent by tinkerbell smee',
  },
];

/** The quirks of a client, in table order; a later row wins where two change the same thing. */
export function quirksOf(client: Client): readonly Quirk[] {
  return quirks.filter((quirk) => quirk.matches(client));
}
