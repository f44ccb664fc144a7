/**
 * Who is asking: hardware address, firmware, boot stage. RFC 4578, RFC 3004, UEFI 2.x section 24.7, https://ipxe.org/howto/dhcpd
 */
import { architectures, OptionCode, type Firmware } from './codes.js';
import { macText } from './mac-texts.js';
import { malformed, readText, readUint16 } from './options.js';
import type { DhcpPacket } from './packet.js';
import { ReceivedOptions } from './received-options.js';

/**
 * What the asking program is. One machine is several of these in one boot: its firmware (`pxe` or `http`), then `ipxe`,
 * then an operating system (`other`).
 */
export type BootStage = 'pxe' | 'http' | 'ipxe' | 'other';

/** What a request says about the program that sent it: the same object for the same words, so that it may key a map. */
export type Program = {
  /** First number of option 93, or the one in the vendor class, or undefined. */
  readonly architecture: number | undefined;
  readonly firmware: Firmware;
  readonly stage: BootStage;
  readonly vendorClass: string | undefined;
};

/** What a request says about its sender. Text is printable ASCII; compare `clientId` and `uuid` as bytes. */
export type Client = Program & {
  /** chaddr, `hlen` bytes, lower case with colons; empty when hlen is 0. */
  readonly mac: string;
  /** Option 61, raw. */
  readonly clientId: Buffer | undefined;
  /** Option 97, raw, type byte included: echoed as it came. RFC 4578 section 2.3. */
  readonly uuid: Buffer | undefined;
  readonly hostName: string | undefined;
  /** Undefined when the options are not as a datagram has them, or are unusual. */
  readonly program?: Program | undefined;
};

/** `PXEClient:Arch:00007:UNDI:003016`. PXE 2.1 section 2.2.1. */
const ARCHITECTURE_IN_CLASS = /^(?:PXE|HTTP)Client:Arch:(\d{5})/;

/** Reads the identity of a request's sender. Never fails: what is malformed counts as absent. */
export function describeClient(packet: DhcpPacket): Client {
  const { options } = packet;
  const known = options instanceof ReceivedOptions ? programOf(packet, options) : undefined;
  const { architecture, firmware, stage, vendorClass } = known ?? readProgram(packet);
  return {
    mac: macText(packet.clientHardwareAddress, packet.hardwareLength),
    clientId: options.get(OptionCode.clientIdentifier),
    uuid: options.get(OptionCode.clientUuid),
    architecture,
    firmware,
    stage,
    vendorClass,
    hostName: readText(options, OptionCode.hostName),
    program: known,
  };
}

/** Options of one machine or of one message, by code; all others are the program's own. */
const NOT_THE_PROGRAMS = new Uint8Array(256);
for (const code of [
  OptionCode.hostName,
  OptionCode.requestedIpAddress,
  OptionCode.leaseTime,
  OptionCode.messageType,
  OptionCode.serverIdentifier,
  OptionCode.message,
  OptionCode.clientIdentifier,
  OptionCode.relayAgentInformation,
  OptionCode.clientUuid,
  OptionCode.subnetSelection,
])
  NOT_THE_PROGRAMS[code] = 1;

/** A rack sends the same words from every machine. Bounded: a flood may invent others. */
const programs = new Map<string, Program>();
const PROGRAMS_MAX = 1_024;

function programOf(packet: DhcpPacket, options: ReceivedOptions): Program {
  const words = options.textWithout(NOT_THE_PROGRAMS);
  const known = programs.get(words);
  if (known !== undefined) return known;
  if (programs.size >= PROGRAMS_MAX) programs.clear();
  const program = readProgram(packet);
  programs.set(words, program);
  return program;
}

function readProgram(packet: DhcpPacket): Program {
  const vendorClass = readText(packet.options, OptionCode.vendorClass);
  const architecture = readArchitecture(packet, vendorClass);
  const stage = bootStage(packet, vendorClass, architecture);
  return { architecture, firmware: firmwareOf(architecture, stage), stage, vendorClass };
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
