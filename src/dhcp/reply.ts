/**
 * The packet that says a decision. RFC 2131 table 3, RFC 2132, RFC 4578, RFC 6842.
 */
import { uint32Bytes } from '../shared/bytes.js';
import { formatIpv4 } from '../shared/ipv4.js';
import type { BootAnswer } from './bootfile.js';
import type { Client } from './client.js';
import { BootpOp, MessageType, OptionCode } from './codes.js';
import { DEFAULT_LIMIT_BYTES } from './encode.js';
import type { Network } from './network.js';
import { addressesBytes, malformed, readUint16 } from './options.js';
import { BROADCAST_FLAG, FILE_BYTES, SNAME_BYTES, type DhcpPacket, type Options } from './packet.js';

/** What a reply carries beside what it copies from the request. */
export type ReplyContent = {
  /** Undefined makes a BOOTP reply: no option 53, no lease. */
  readonly type: MessageType | undefined;
  readonly serverId: number;
  /** yiaddr; 0 in a NAK and in the answer to an INFORM. */
  readonly address: number;
  /** Undefined gives no lease options (INFORM, BOOTP, NAK). */
  readonly leaseSeconds: number | undefined;
  readonly network: Network;
  /** Full name of the machine; its first label goes into option 12, the rest into 15. */
  readonly hostName: string | undefined;
  readonly boot: BootAnswer | undefined;
  /** The node's own options, already bytes; they win over the network's. */
  readonly extraOptions: ReadonlyMap<number, Buffer>;
  /** Option 56, NAK only. RFC 2132 section 9.9. */
  readonly message: string | undefined;
};

/** An Ethernet frame's payload less IP and UDP headers: no reply is made that has to be fragmented. */
const MAXIMUM_BYTES = 1472;
const HEADER_BYTES = 28;
const EMPTY = Buffer.alloc(0);

/**
 * Builds the reply. The order of options is their priority when a client can take little: the exchange itself, then what boots
 * the machine, then the network, then extras.
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
    options.set(OptionCode.subnetMask, uint32Bytes(content.network.subnet.mask));
    if (content.network.router !== undefined) options.set(OptionCode.router, uint32Bytes(content.network.router));
    if (content.boot !== undefined) addBootOptions(options, content.boot, client);
    addNetworkOptions(options, content);
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
    nextServerIpAddress: boot?.nextServer ?? 0,
    relayIpAddress: request.relayIpAddress,
    clientHardwareAddress: request.clientHardwareAddress,
    serverName: boot === undefined ? EMPTY : fieldText(formatIpv4(boot.nextServer), SNAME_BYTES),
    bootFile: boot === undefined ? EMPTY : fieldText(boot.bootFile, FILE_BYTES),
    options,
  };
}

/** The largest reply the client takes, UDP payload bytes: option 57 between 576 and an Ethernet frame, headers taken off. */
export function replyLimitBytes(request: DhcpPacket): number {
  const said = readUint16(request.options, OptionCode.maximumMessageSize);
  if (said === undefined || said === malformed) return DEFAULT_LIMIT_BYTES;
  return Math.min(Math.max(said - HEADER_BYTES, DEFAULT_LIMIT_BYTES), MAXIMUM_BYTES);
}

/** RFC 2131 table 3: ciaddr is 0 in an OFFER, copied in an ACK. */
function copiedClientAddress(request: DhcpPacket, type: MessageType | undefined): number {
  return type === MessageType.offer ? 0 : request.clientIpAddress;
}

/** T1 and T2 at one half and seven eighths. RFC 2131 section 4.4.5. */
function addLeaseOptions(options: Options, leaseSeconds: number | undefined): void {
  if (leaseSeconds === undefined) return;
  options.set(OptionCode.leaseTime, uint32Bytes(leaseSeconds));
  options.set(OptionCode.renewalTime, uint32Bytes(Math.floor(leaseSeconds / 2)));
  options.set(OptionCode.rebindingTime, uint32Bytes(Math.floor((leaseSeconds * 7) / 8)));
}

function addBootOptions(options: Options, boot: BootAnswer, client: Client): void {
  if (boot.vendorClass !== undefined) options.set(OptionCode.vendorClass, Buffer.from(boot.vendorClass));
  if (boot.vendorOptions !== undefined) options.set(OptionCode.vendorSpecific, boot.vendorOptions);
  if (boot.ipxeOptions !== undefined) options.set(OptionCode.ipxe, boot.ipxeOptions);
  options.set(OptionCode.bootFileName, Buffer.from(boot.bootFile));
  options.set(OptionCode.tftpServerName, Buffer.from(formatIpv4(boot.nextServer)));
  if (client.uuid !== undefined) options.set(OptionCode.clientUuid, client.uuid);
}

/** A DNS server is always named, ourselves when the network has none: Debian's installer stops without one. */
function addNetworkOptions(options: Options, content: ReplyContent): void {
  const { network } = content;
  options.set(OptionCode.domainNameServer, addressesBytes(network.dns.length > 0 ? network.dns : [content.serverId]));
  options.set(OptionCode.broadcastAddress, uint32Bytes(network.subnet.last));
  const [label = '', ...rest] = (content.hostName ?? '').split('.');
  if (label !== '') options.set(OptionCode.hostName, Buffer.from(label));
  const domain = rest.length > 0 ? rest.join('.') : network.domain;
  if (domain !== undefined) options.set(OptionCode.domainName, Buffer.from(domain));
}

/** Option 61 is returned as sent (RFC 6842 section 3), option 82 too and last (RFC 3046 section 2.2; encode.ts puts it last). */
function echoIdentity(options: Options, request: DhcpPacket, client: Client): void {
  if (client.clientId !== undefined) options.set(OptionCode.clientIdentifier, client.clientId);
  const relayed = request.options.get(OptionCode.relayAgentInformation);
  if (relayed !== undefined) options.set(OptionCode.relayAgentInformation, relayed);
}

/** Text with its closing NUL, or nothing when the field is too short for it; option 66 or 67 then says it alone. */
function fieldText(text: string, fieldBytes: number): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  return bytes.length > fieldBytes ? EMPTY : bytes;
}
