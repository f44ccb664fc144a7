/**
 * Firmware that needs something else than the standards say. One row per quirk; `prybar dhcp ask` and the boot doctor show the
 * row that matched. netboot-rules 11.
 */
import type { Client } from './client.js';
import { architectures, type Firmware } from './codes.js';
import type { Trace } from './trace.js';

/** A change to the boot answer, the clients it is for, and where it was learned. */
export type Quirk = {
  readonly name: string;
  /** Which clients, in words. */
  readonly who: string;
  readonly matches: (client: Client) => boolean;
  /** What is done about it, in words. */
  readonly change: string;
  /** The loader row to use instead of the one option 93 leads to. */
  readonly firmware?: Firmware;
  /** Option 43 instead of the usual. */
  readonly vendorOptions?: Buffer;
  readonly source: string;
};

/** Raspberry Pi (Trading) Ltd's and Foundation's prefixes. https://standards-oui.ieee.org/ */
const RASPBERRY_PI_PREFIXES = new Set(['b8:27:eb', 'dc:a6:32', 'e4:5f:01', 'd8:3a:dd', '28:cd:c1', '2c:cf:67', '88:a2:9e']);

/** The boot EEPROM of a Pi 4 makes its own UUID, which begins with these letters. */
const RASPBERRY_PI_UUID = Buffer.from('RPi');

/** Sub-options 6, 10 and 9: a menu whose one entry reads "Raspberry Pi Boot". */
const RASPBERRY_PI_MENU = Buffer.from('0601030a0400505845091400001152617370626572727920506920426f6f74ff', 'hex');

export const quirks: readonly Quirk[] = [
  {
    name: 'raspberry-pi',
    who: 'architecture 0 (BIOS) or 41 with a Raspberry Pi OUI or UUID; the class PXEClient:Arch:00000:UNDI:002001 alone is an Intel ROM too',
    matches: (client) => client.stage === 'pxe' && (client.architecture === 0 || client.architecture === 41) && isRaspberryPi(client),
    change: 'loader row raspberry-pi; option 43 is a menu with the entry "Raspberry Pi Boot", without which the ROM does not go on',
    firmware: 'raspberry-pi',
    vendorOptions: RASPBERRY_PI_MENU,
    source: 'Raspberry Pi documentation, "Network booting"; bytes as tinkerbell smee sends them',
  },
  {
    name: 'ebc-means-x64',
    who: 'architecture 9, EFI byte code in the registry',
    matches: (client) => client.architecture === 9,
    change: 'the x64 loader: firmware of x64 machines took 9 for its own, as the listing in RFC 4578 reads',
    firmware: 'uefi-x64',
    source: 'RFC 4578 section 2.1 and its errata; dnsmasq examples match 7 and 9 alike',
  },
  {
    name: 'http-boot-says-pxe-architecture',
    who: 'class HTTPClient with a TFTP architecture (7, 9 or 11) in option 93',
    matches: (client) => client.stage === 'http' && client.architecture !== undefined && architectures[client.architecture]?.http === false,
    change: 'the class counts: an absolute URL and the class HTTPClient, as for architectures 15, 16 and 19',
    source: 'UEFI 2.10 section 24.7 (HTTP Boot) asks for both; the class decides there what an offer is',
  },
  {
    name: 'pxe-without-architecture',
    who: 'class PXEClient, neither option 93 nor an architecture in the class',
    matches: (client) => client.stage === 'pxe' && client.architecture === undefined,
    change: 'counts as BIOS: such ROMs are older than RFC 4578',
    source: 'PXE 2.1 section 2.2.1; RFC 4578 section 2.1',
  },
];

/** The quirks of a client, in table order. */
export function quirksOf(client: Client): readonly Quirk[] {
  return quirks.filter((quirk) => quirk.matches(client));
}

/** What the quirks of a client change; a later row wins where two change the same thing. */
export function quirkOf(client: Client, trace?: Trace): { firmware: Firmware | undefined; vendorOptions: Buffer | undefined } {
  let firmware: Firmware | undefined;
  let vendorOptions: Buffer | undefined;
  for (const quirk of quirks) {
    if (!quirk.matches(client)) continue;
    trace?.push({ rule: 'quirk', source: quirk.source, value: `${quirk.name}: ${quirk.change}` });
    firmware = quirk.firmware ?? firmware;
    vendorOptions = quirk.vendorOptions ?? vendorOptions;
  }
  return { firmware, vendorOptions };
}

function isRaspberryPi(client: Client): boolean {
  return RASPBERRY_PI_PREFIXES.has(client.mac.slice(0, 8)) || isKnownByUuid(client);
}

/** Whether a quirk is told by option 97: such a client is not like others of the same words and make. */
export function isKnownByUuid({ uuid }: Client): boolean {
  return uuid?.[1] === RASPBERRY_PI_UUID[0] && uuid?.subarray(1, 4).equals(RASPBERRY_PI_UUID) === true;
}
