/**
 * What the programs of one boot put into their DHCP messages: the firmware's PXE ROM, iPXE, the system. Option order and values
 * follow captures of SeaBIOS's iPXE ROM, Intel Boot Agent and OVMF; RFC 4578 (93, 94, 97), PXE 2.1 section 2.2.
 */
import { uint16Bytes } from '../../shared/bytes.js';
import { macBytes } from '../../shared/mac.js';
import type { FirmwareKind, MachineIdentity } from '../identity.js';
import { MessageType, type DhcpMessage } from './dhcp-packet.js';
import type { MachineQuirks } from './faults.js';

/** The program that asks; `system` is the operating system on the disk, `unnamed` a loader that does not say it is one. */
export type DhcpStage = 'firmware' | 'ipxe' | 'unnamed' | 'system';

export type DhcpQuestion = {
  identity: MachineIdentity;
  stage: DhcpStage;
  transactionId: number;
  /** Seconds since the first DISCOVER of this stage. */
  secs: number;
  quirks?: MachineQuirks | undefined;
};

/** Option 93: 0 BIOS, 7 x64 UEFI. https://www.iana.org/assignments/dhcpv6-parameters (processor architecture types) */
const ARCHITECTURE: Record<FirmwareKind, number> = { bios: 0, uefi: 7 };
/** Option 94: type 1, then UNDI major and minor. */
const NETWORK_INTERFACE: Record<FirmwareKind, Buffer> = { bios: Buffer.from([1, 2, 1]), uefi: Buffer.from([1, 3, 0]) };
const UNDI_VERSION: Record<FirmwareKind, string> = { bios: '002001', uefi: '003000' };

/** What OVMF asks for. */
const FIRMWARE_WANTS = Buffer.from([
  1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
]);
/** What iPXE asks for. */
const IPXE_WANTS = Buffer.from([1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203]);
/** What dhclient of a Debian system asks for. */
const SYSTEM_WANTS = Buffer.from([1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42]);
/** iPXE's own space: bus id (177), version (235), then a byte for each feature built in, as the option ROM of 2019 sends it. */
const IPXE_FEATURES = Buffer.from('b105011af41000eb03010000170101220101130101110101270101190101290101100102210101150101180101120101', 'hex');

/** A DISCOVER as the relay agent sends it on: hops 1, giaddr, option 82 last (RFC 3046 section 2.1). */
export function discoverMessage(question: DhcpQuestion): DhcpMessage {
  return relayed(question, MessageType.discover, []);
}

/** A REQUEST for the offered address, in state SELECTING: options 50 and 54, ciaddr zero. RFC 2131 section 4.3.2. */
export function requestMessage(question: DhcpQuestion, requested: Buffer, serverId: Buffer): DhcpMessage {
  return relayed(question, MessageType.request, [
    [50, requested],
    [54, serverId],
  ]);
}

/** A REQUEST for the address of an earlier lease, in state INIT-REBOOT: option 50, no 54. RFC 2131 section 4.3.2. */
export function rebootMessage(question: DhcpQuestion, requested: Buffer): DhcpMessage {
  return relayed(question, MessageType.request, [[50, requested]]);
}

/** A DECLINE of the address that was acknowledged. RFC 2131 section 4.4.4. */
export function declineMessage(question: DhcpQuestion, declined: Buffer, serverId: Buffer): DhcpMessage {
  return relayed(question, MessageType.decline, [
    [50, declined],
    [54, serverId],
    [56, Buffer.from('address in use', 'latin1')],
  ]);
}

/** A REQUEST that extends a lease, through the relay as in REBINDING: ciaddr set, no 50 and no 54. RFC 2131 section 4.3.6. */
export function renewMessage(question: DhcpQuestion, address: string): DhcpMessage {
  return { ...relayed(question, MessageType.request, []), clientAddress: address };
}

/** The relay's own option: which port, and that the reply is to go to the port the question came from (RFC 8357 section 5). */
export function relayInformation(circuitId: string): Buffer {
  const circuit = Buffer.from(circuitId, 'latin1');
  return Buffer.concat([Buffer.from([1, circuit.length]), circuit, Buffer.from([19, 0])]);
}

/** UUID as type byte 0 and 16 bytes. Firmware dumps SMBIOS's mixed-endian form, iPXE turns it to network order first. */
export function machineUuid(uuid: string, stage: DhcpStage): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (stage === 'firmware') {
    bytes.subarray(0, 4).reverse();
    bytes.subarray(4, 6).reverse();
    bytes.subarray(6, 8).reverse();
  }
  return Buffer.concat([Buffer.from([0]), bytes]);
}

function relayed(question: DhcpQuestion, type: number, extra: readonly (readonly [number, Buffer])[]): DhcpMessage {
  const { identity, stage } = question;
  const options = new Map<number, Buffer>([[53, Buffer.from([type])], ...extra]);
  for (const [code, value] of STAGE_OPTIONS[stage](identity)) options.set(code, value);
  if (stage === 'firmware') for (const [code, value] of quirkOptions(question.quirks)) options.set(code, value);
  options.set(82, relayInformation(identity.circuitId));
  return {
    op: 1,
    hops: 1,
    transactionId: question.transactionId,
    secs: question.secs,
    // OVMF asks for broadcast replies, BIOS ROMs and iPXE do not (netboot-rules, first table).
    flags: stage === 'firmware' && identity.firmware === 'uefi' ? 0x8000 : 0,
    clientAddress: '0.0.0.0',
    yourAddress: '0.0.0.0',
    nextServer: '0.0.0.0',
    relayAddress: identity.relayAddress,
    mac: identity.mac,
    serverName: '',
    file: '',
    options,
  };
}

/** What odd firmware sends in place of the right values. */
function quirkOptions({ architecture, uuid, maximumMessageBytes }: MachineQuirks = {}): [number, Buffer][] {
  const options: [number, Buffer][] = [];
  if (architecture !== undefined) {
    const digits = String(architecture).padStart(5, '0');
    const program = [15, 16, 17, 18, 19].includes(architecture) ? 'HTTPClient' : 'PXEClient';
    options.push([93, uint16Bytes(architecture)], [60, Buffer.from(`${program}:Arch:${digits}:UNDI:003016`, 'latin1')]);
  }
  if (uuid !== undefined) options.push([97, machineUuid(uuid, 'firmware')]);
  if (maximumMessageBytes !== undefined) options.push([57, uint16Bytes(maximumMessageBytes)]);
  return options;
}

/** A loader that asks as firmware does, though it wants what iPXE wants. */
function unnamedOptions(identity: MachineIdentity): [number, Buffer][] {
  return ipxeOptions(identity).filter(([code]) => code !== 77 && code !== 175);
}

function firmwareOptions(identity: MachineIdentity): [number, Buffer][] {
  const kind = identity.firmware;
  const options: [number, Buffer][] = [
    [57, uint16Bytes(1472)],
    [55, FIRMWARE_WANTS],
    [97, machineUuid(identity.uuid, 'firmware')],
    [94, NETWORK_INTERFACE[kind]],
    [93, uint16Bytes(ARCHITECTURE[kind])],
    [60, vendorClass(kind)],
  ];
  // Intel Boot Agent sends its UUID as client identifier, OVMF none: one machine is several clients (netboot-rules 5).
  if (kind === 'bios') options.push([61, machineUuid(identity.uuid, 'firmware')]);
  return options;
}

function ipxeOptions(identity: MachineIdentity): [number, Buffer][] {
  const kind = identity.firmware;
  return [
    [57, uint16Bytes(1472)],
    [93, uint16Bytes(ARCHITECTURE[kind])],
    [94, NETWORK_INTERFACE[kind]],
    [60, vendorClass(kind)],
    [77, Buffer.from('iPXE', 'latin1')],
    [55, IPXE_WANTS],
    [175, IPXE_FEATURES],
    [61, Buffer.concat([Buffer.from([1]), macBytes(identity.mac) ?? Buffer.alloc(6)])],
    [97, machineUuid(identity.uuid, 'ipxe')],
  ];
}

/** No PXE options: an operating system wants an address. Its client identifier is a DUID of the machine's UUID (RFC 4361, RFC 6355). */
function systemOptions(identity: MachineIdentity): [number, Buffer][] {
  const duid = Buffer.concat([uint16Bytes(4), machineUuid(identity.uuid, 'ipxe').subarray(1)]);
  const interfaceId = Buffer.from([0, 0, 0, 1]);
  return [
    [57, uint16Bytes(1472)],
    [55, SYSTEM_WANTS],
    [61, Buffer.concat([Buffer.from([255]), interfaceId, duid])],
  ];
}

const STAGE_OPTIONS: Record<DhcpStage, (identity: MachineIdentity) => [number, Buffer][]> = {
  firmware: firmwareOptions,
  ipxe: ipxeOptions,
  unnamed: unnamedOptions,
  system: systemOptions,
};

function vendorClass(kind: FirmwareKind): Buffer {
  const architecture = String(ARCHITECTURE[kind]).padStart(5, '0');
  return Buffer.from(`PXEClient:Arch:${architecture}:UNDI:${UNDI_VERSION[kind]}`, 'latin1');
}
