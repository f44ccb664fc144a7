import { printableText } from '../shared/bytes.js';
import { formatIpv4 } from '../shared/ipv4.js';
import { architectureName, type BootStage, type Client } from './client.js';
import { OptionCode } from './codes.js';
import { malformed, readAddress } from './options.js';
import type { DhcpPacket } from './packet.js';

/** What happened, in the words of the node's boot timeline. */
export type DhcpEventKind =
  | 'dhcp-discover'
  | 'dhcp-offer'
  | 'dhcp-request'
  | 'dhcp-ack'
  | 'dhcp-nak'
  | 'dhcp-decline'
  | 'dhcp-release'
  | 'dhcp-inform'
  | 'dhcp-bootp'
  | 'dhcp-ignored';

/** One step of a machine's boot. Text comes from the machine: printable ASCII, to be escaped where it is shown. */
export type DhcpEvent = {
  readonly at: Date;
  readonly mac: string;
  readonly kind: DhcpEventKind;
  readonly client: { readonly arch: number | null; readonly ipxe: boolean; readonly vendorClass: string | null };
  /** The address asked for, offered or given; null where there is none. */
  readonly address: string | null;
  /** giaddr, null for a client on our own link. */
  readonly relay: string | null;
  /** The boot file, or the reason of a refusal or of silence. */
  readonly detail: string | null;
  readonly facts: DhcpFacts;
};

/** What the boot doctor reads besides; stored with the step, absent when the message has none of it. */
export type DhcpFacts = {
  /** Who asked. */
  readonly stage: BootStage;
  /** Transaction id, as 8 hex digits. */
  readonly xid: string;
  /** Seconds since the client began, as it says. */
  readonly secs: number;
  /** The network the message belongs to. */
  readonly network?: string;
  /** Option 54 of a request: the server that the client chose. */
  readonly server_id?: string;
  /** Option 97 without its type byte, hex. */
  readonly uuid?: string;
  /** Option 55, hex: another program asks for other things, whatever it calls itself. */
  readonly wants?: string;
  /** Option 56: why the client declines. */
  readonly said?: string;
  /** Why it was not answered or refused, or why the reply names no boot file. */
  readonly reason?: string;
  /** The file or URL that the reply names. */
  readonly boot_file?: string;
  /** Options that our reply had no room for, by code. RFC 2132 section 9.10 bounds it. */
  readonly left_out?: readonly number[];
  /** Options of the node or its network that the reply carried besides, by code. */
  readonly own_options?: readonly number[];
};

/** Codes of a list are few; a longer one comes from no firmware. */
const MAX_WANTS = 64;

/** What the caller knows besides the packet. */
export type DhcpEventAbout = {
  readonly address?: number | undefined;
  readonly detail?: string | undefined;
  readonly network?: string | undefined;
  /** Of an OFFER or an ACK; without it the detail says why there is none. */
  readonly bootFile?: string | undefined;
  readonly leftOut?: readonly number[] | undefined;
  readonly ownOptions?: readonly number[] | undefined;
};

/** Builds an event; an address of 0 counts as none. */
export function dhcpEvent(kind: DhcpEventKind, at: Date, packet: DhcpPacket, client: Client, about: DhcpEventAbout): DhcpEvent {
  return {
    at,
    mac: client.mac,
    kind,
    client: {
      arch: client.architecture ?? null,
      ipxe: client.stage === 'ipxe',
      vendorClass: client.vendorClass ?? null,
    },
    address: about.address === undefined || about.address === 0 ? null : formatIpv4(about.address),
    relay: packet.relayIpAddress === 0 ? null : formatIpv4(packet.relayIpAddress),
    detail: about.detail ?? null,
    facts: { ...factsOf(packet, client, about), ...outcomeOf(kind, about) },
  };
}

function factsOf(packet: DhcpPacket, client: Client, { network, leftOut = [], ownOptions = [] }: DhcpEventAbout): DhcpFacts {
  const serverId = readAddress(packet.options, OptionCode.serverIdentifier);
  const wants = packet.options.get(OptionCode.parameterRequestList);
  const said = packet.options.get(OptionCode.message);
  return {
    stage: client.stage,
    xid: packet.transactionId.toString(16).padStart(8, '0'),
    secs: packet.secs,
    ...(network === undefined ? {} : { network }),
    ...(serverId === undefined || serverId === malformed ? {} : { server_id: formatIpv4(serverId) }),
    ...(client.uuid === undefined ? {} : { uuid: client.uuid.subarray(1, 17).toString('hex') }),
    ...(wants === undefined ? {} : { wants: wants.subarray(0, MAX_WANTS).toString('hex') }),
    ...(said === undefined ? {} : { said: printableText(said) }),
    ...(leftOut.length === 0 ? {} : { left_out: leftOut }),
    ...(ownOptions.length === 0 ? {} : { own_options: ownOptions }),
  };
}

const SAYS_REASON: ReadonlySet<DhcpEventKind> = new Set(['dhcp-ignored', 'dhcp-nak', 'dhcp-offer', 'dhcp-ack']);

function outcomeOf(kind: DhcpEventKind, { bootFile, detail }: DhcpEventAbout): Pick<DhcpFacts, 'reason' | 'boot_file'> {
  if (bootFile !== undefined) return { boot_file: bootFile };
  return SAYS_REASON.has(kind) && detail !== undefined ? { reason: detail } : {};
}

/** The detail of a DISCOVER or REQUEST: who asks, in a few words. */
export function describeStage(client: Client): string {
  return client.stage === 'other' ? 'operating system' : `${client.stage}, ${architectureName(client.architecture)}`;
}

/** Option 50, else ciaddr; undefined when neither is there. */
export function askedAddress(packet: DhcpPacket): number | undefined {
  const requested = packet.options.get(OptionCode.requestedIpAddress);
  const address = requested?.length === 4 ? requested.readUInt32BE(0) : packet.clientIpAddress;
  return address === 0 ? undefined : address;
}
