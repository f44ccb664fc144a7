/**
 * The packet that says a decision. RFC 2131 table 3, RFC 2132, RFC 4578, RFC 6842.
 */
import { uint32Bytes } from '../shared/bytes.js';
import { parseIpv4 } from '../shared/ipv4.js';
import type { BootAnswer } from './bootfile.js';
import type { Client } from './client.js';
import { BootpOp, MessageType, OptionCode } from './codes.js';
import { DEFAULT_LIMIT_BYTES } from './encode.js';
import type { Network, OptionMap } from './network.js';
import { addressesBytes, malformed, readUint16 } from './options.js';
import { BROADCAST_FLAG, FILE_BYTES, SNAME_BYTES, type DhcpPacket, type Options } from './packet.js';

/** What a reply carries beside what it copies from the request. */
export type ReplyContent = {
  /** Undefined makes a BOOTP reply: no option 53, no lease. */
  readonly type: MessageType | undefined;
  readonly serverId: number;
  /** yiaddr; 0 in a NAK, in the answer to an INFORM and in a boot-only reply. */
  readonly address: number;
  /** Undefined gives no lease options (INFORM, BOOTP, NAK). */
  readonly leaseSeconds: number | undefined;
  /** Undefined makes a boot-only reply: another server gives the address and what goes with it. */
  readonly network: Network | undefined;
  /** Option 6. */
  readonly nameServers: readonly number[];
  /** Full name of the machine; its first label goes into option 12, the rest into 15. */
  readonly hostName: string | undefined;
  readonly boot: BootAnswer | undefined;
  /** The operator's options, already bytes; they win over what the network says. */
  readonly extraOptions: OptionMap;
  /** Option 56, NAK only. RFC 2132 section 9.9. */
  readonly message: string | undefined;
};

/** An Ethernet frame's payload less IP and UDP headers: no reply is made that has to be fragmented. */
const MAXIMUM_BYTES = 1472;
const HEADER_BYTES = 28;
const BOOTP_BYTES = 300;
const EMPTY = Buffer.alloc(0);
const NUL = Buffer.alloc(1);

/**
 * Builds the reply. The order of options is their priority when a client can take little: the exchange itself, the link, then
 * what boots the machine, then the network, then extras.
 */
export function buildReply(request: DhcpPacket, client: Client, content: ReplyContent): DhcpPacket {
  const isNak = content.type === MessageType.nak;
  const options: Options = new Map();
  if (content.type !== undefined) {
    options.set(OptionCode.messageType, Buffer.from([content.type]));
    options.set(OptionCode.serverIdentifier, uint32Bytes(content.serverId));
  }
  if (isNak) {
    if (content.message !== undefined) options.set(OptionCode.message, Buffer.from(content.message));
  } else {
    addLeaseOptions(options, content.leaseSeconds);
    if (content.network !== undefined) addLinkOptions(options, content.network);
    if (content.boot !== undefined) addBootOptions(options, content.boot, request, client);
    if (content.network !== undefined) addNetworkOptions(options, content, content.network);
    for (const [code, value] of content.extraOptions) options.set(code, value);
  }
  echoIdentity(options, request, client);
  const boot = isNak ? undefined : content.boot;
  return {
    op: BootpOp.reply,
    hardwareType: request.hardwareType,
    hardwareLength: request.hardwareLength,
    hops: 0,
    transactionId: request.transactionId,
    secs: 0,
    // A NAK through a relay must be broadcast by it: the client has no address. RFC 2131 section 4.3.2.
    flags: isNak && request.relayIpAddress !== 0 ? request.flags | BROADCAST_FLAG : request.flags,
    clientIpAddress: isNak ? 0 : copiedClientAddress(request, content.type),
    yourIpAddress: isNak ? 0 : content.address,
    nextServerIpAddress: isNak ? 0 : (boot?.nextServer ?? namedServer(options)),
    relayIpAddress: request.relayIpAddress,
    clientHardwareAddress: request.clientHardwareAddress,
    serverName: isNak ? EMPTY : fieldText(boot?.serverName ?? options.get(OptionCode.tftpServerName), SNAME_BYTES),
    bootFile: isNak ? EMPTY : fieldText(boot?.bootFile ?? options.get(OptionCode.bootFileName), FILE_BYTES),
    options,
  };
}

/**
 * The largest reply the client takes, UDP payload bytes: option 57 between 576 and an Ethernet frame, headers taken off. A BOOTP
 * client takes 300 bytes and knows no overload (RFC 951 section 3, RFC 1534 section 2).
 */
export function replyLimitBytes(request: DhcpPacket): number {
  if (!request.options.has(OptionCode.messageType)) return BOOTP_BYTES;
  const said = readUint16(request.options, OptionCode.maximumMessageSize);
  if (said === undefined || said === malformed) return DEFAULT_LIMIT_BYTES;
  return Math.min(Math.max(said - HEADER_BYTES, DEFAULT_LIMIT_BYTES), MAXIMUM_BYTES);
}

/** RFC 2131 table 3: ciaddr is 0 in an OFFER, copied in an ACK. */
export function copiedClientAddress(request: DhcpPacket, type: MessageType | undefined): number {
  return type === MessageType.offer ? 0 : request.clientIpAddress;
}

function addLeaseOptions(options: Options, leaseSeconds: number | undefined): void {
  if (leaseSeconds === undefined) return;
  options.set(OptionCode.leaseTime, uint32Bytes(leaseSeconds));
  options.set(OptionCode.renewalTime, uint32Bytes(renewalSeconds(leaseSeconds)));
  options.set(OptionCode.rebindingTime, uint32Bytes(rebindingSeconds(leaseSeconds)));
}

/** T1. RFC 2131 section 4.4.5. */
export function renewalSeconds(leaseSeconds: number): number {
  return Math.floor(leaseSeconds / 2);
}

/** T2. RFC 2131 section 4.4.5. */
export function rebindingSeconds(leaseSeconds: number): number {
  return Math.floor((leaseSeconds * 7) / 8);
}

function addBootOptions(options: Options, boot: BootAnswer, request: DhcpPacket, client: Client): void {
  if (boot.vendorClass !== undefined) options.set(OptionCode.vendorClass, textBytes(boot.vendorClass));
  if (boot.vendorOptions !== undefined) options.set(OptionCode.vendorSpecific, boot.vendorOptions);
  if (boot.ipxeOptions !== undefined) options.set(OptionCode.ipxe, boot.ipxeOptions);
  options.set(OptionCode.bootFileName, textBytes(boot.bootFile));
  options.set(OptionCode.tftpServerName, textBytes(boot.serverName));
  // RFC 5859: a list of addresses, for those that ask for it.
  if (request.options.get(OptionCode.parameterRequestList)?.includes(OptionCode.tftpServerAddress) === true) {
    options.set(OptionCode.tftpServerAddress, uint32Bytes(boot.nextServer));
  }
  if (client.uuid !== undefined) options.set(OptionCode.clientUuid, client.uuid);
}

/** The mask before the router, as RFC 2132 section 3.3 wants; an address is of no use without them. */
function addLinkOptions(options: Options, network: Network): void {
  options.set(OptionCode.subnetMask, uint32Bytes(network.subnet.mask));
  if (network.router !== undefined) options.set(OptionCode.router, uint32Bytes(network.router));
}

function addNetworkOptions(options: Options, content: ReplyContent, network: Network): void {
  if (content.nameServers.length > 0) options.set(OptionCode.domainNameServer, addressesBytes(content.nameServers));
  options.set(OptionCode.broadcastAddress, uint32Bytes(network.subnet.last));
  const { label, domain } = machineName(content.hostName, network);
  if (label !== '') options.set(OptionCode.hostName, Buffer.from(label));
  if (domain !== '') options.set(OptionCode.domainName, Buffer.from(domain));
}

/** A full name as options 12 and 15; a machine without a domain of its own gets its network's. Empty text: no such option. */
export function machineName(hostName: string | undefined, network: Network): { label: string; domain: string } {
  const dot = hostName?.indexOf('.') ?? -1;
  if (hostName === undefined || dot === -1) return { label: hostName ?? '', domain: network.domain ?? '' };
  return { label: hostName.slice(0, dot), domain: hostName.slice(dot + 1) };
}

/** siaddr of a reply without a boot answer: an operator's option 66 when it is an address, for BOOTP clients. */
function namedServer(options: Options): number {
  return parseIpv4(options.get(OptionCode.tftpServerName)?.toString() ?? '') ?? 0;
}

/** Option 61 is returned as sent (RFC 6842 section 3), option 82 too and last (RFC 3046 section 2.2; encode.ts puts it last). */
function echoIdentity(options: Options, request: DhcpPacket, client: Client): void {
  if (client.clientId !== undefined) options.set(OptionCode.clientIdentifier, client.clientId);
  // A DHCP proxy must discard an answer without the subnet it selected. RFC 3011 section 2.
  const selected = request.options.get(OptionCode.subnetSelection);
  if (selected?.length === 4 && request.relayIpAddress !== 0) options.set(OptionCode.subnetSelection, selected);
  const relayed = request.options.get(OptionCode.relayAgentInformation);
  if (relayed !== undefined) options.set(OptionCode.relayAgentInformation, relayed);
}

/** The few texts that nearly every reply carries, as bytes; they are copied from here and never written to. */
const texts = new Map<string, Buffer>();
const TEXTS_MAX = 256;

function textBytes(text: string): Buffer {
  const known = texts.get(text);
  if (known !== undefined) return known;
  const bytes = Buffer.from(text);
  if (texts.size < TEXTS_MAX) texts.set(text, bytes);
  return bytes;
}

/** Text with its closing NUL, or nothing when the field is too short for it; option 66 or 67 then says it alone. */
function fieldText(text: string | Buffer | undefined, fieldBytes: number): Buffer {
  if (text === undefined) return EMPTY;
  const bytes = typeof text === 'string' ? textBytes(`${text}\0`) : Buffer.concat([text, NUL]);
  return bytes.length > fieldBytes ? EMPTY : bytes;
}
