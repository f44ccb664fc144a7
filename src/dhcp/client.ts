/**
 * Who is asking: hardware address, firmware, boot stage. RFC 4578, RFC 3004, UEFI 2.x section 24.7, https://ipxe.org/howto/dhcpd
 */
import { formatMac } from '../shared/mac.js';
import { architectures, OptionCode, type Firmware } from './codes.js';
import { malformed, readText, readUint16 } from './options.js';
import type { DhcpPacket } from './packet.js';

/**
 * What the asking program is. One machine is several of these in one boot: its firmware (`pxe` or `http`), then `ipxe`,
 * then an operating system (`other`).
 */
export type BootStage = 'pxe' | 'http' | 'ipxe' | 'other';

/** What a request says about its sender. Text is printable ASCII; compare `clientId` and `uuid` as bytes. */
export type Client = {
  /** chaddr, `hlen` bytes, lower case with colons; empty when hlen is 0. */
  readonly mac: string;
  /** Option 61, raw. */
  readonly clientId: Buffer | undefined;
  /** Option 97, raw, type byte included: echoed as it came. RFC 4578 section 2.3. */
  readonly uuid: Buffer | undefined;
  /** First number of option 93, or the one in the vendor class, or undefined. */
  readonly architecture: number | undefined;
  readonly firmware: Firmware;
  readonly stage: BootStage;
  readonly vendorClass: string | undefined;
  readonly hostName: string | undefined;
};

/** `PXEClient:Arch:00007:UNDI:003016`. PXE 2.1 section 2.2.1. */
const ARCHITECTURE_IN_CLASS = /^(?:PXE|HTTP)Client:Arch:(\d{5})/;

/** Reads the identity of a request's sender. Never fails: what is malformed counts as absent. */
export function describeClient(packet: DhcpPacket): Client {
  const vendorClass = readText(packet.options, OptionCode.vendorClass);
  const architecture = readArchitecture(packet, vendorClass);
  const stage = bootStage(packet, vendorClass, architecture);
  return {
    mac: formatMac(packet.clientHardwareAddress, packet.hardwareLength),
    clientId: packet.options.get(OptionCode.clientIdentifier),
    uuid: packet.options.get(OptionCode.clientUuid),
    architecture,
    firmware: firmwareOf(architecture, stage),
    stage,
    vendorClass,
    hostName: readText(packet.options, OptionCode.hostName),
  };
}

/** Name of an architecture number for people, with the number when the registry does not have it. */
export function architectureName(architecture: number | undefined): string {
  if (architecture === undefined) return 'not said';
  return architectures[architecture]?.name ?? `unassigned (${architecture})`;
}

function readArchitecture(packet: DhcpPacket, vendorClass: string | undefined): number | undefined {
  const option = readUint16(packet.options, OptionCode.clientArchitecture);
  if (option !== undefined && option !== malformed) return option;
  const inClass = vendorClass === undefined ? undefined : ARCHITECTURE_IN_CLASS.exec(vendorClass)?.[1];
  return inClass === undefined ? undefined : Number(inClass);
}

function bootStage(packet: DhcpPacket, vendorClass: string | undefined, architecture: number | undefined): BootStage {
  if (isIpxe(packet)) return 'ipxe';
  if (vendorClass?.startsWith('HTTPClient') === true) return 'http';
  if (vendorClass?.startsWith('PXEClient') === true) return 'pxe';
  // U-Boot names itself (`U-Boot.armv8`) and sends option 93 like PXE firmware.
  if (vendorClass?.startsWith('U-Boot') === true && architecture !== undefined) return 'pxe';
  return 'other';
}

/**
 * User class `iPXE`, as the bare text iPXE sends or in the length-prefixed form of RFC 3004 section 4; or option 175, which
 * only Etherboot's descendants send.
 */
function isIpxe(packet: DhcpPacket): boolean {
  if (packet.options.has(OptionCode.ipxe)) return true;
  const userClass = packet.options.get(OptionCode.userClass);
  if (userClass === undefined) return false;
  const text = userClass.toString('latin1');
  return text === 'iPXE' || text.includes('\x04iPXE');
}

/** PXE firmware that names no architecture is older than RFC 4578: BIOS. */
function firmwareOf(architecture: number | undefined, stage: BootStage): Firmware {
  if (architecture !== undefined) return architectures[architecture]?.firmware ?? 'unknown';
  return stage === 'pxe' || stage === 'ipxe' ? 'bios' : 'unknown';
}
