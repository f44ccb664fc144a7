/**
 * The reply to a situation as a packet, its bytes and where they go. PURE, and the only place that builds one: the server, the
 * fuzzer and `prybar dhcp ask` show the same bytes.
 */
import { formatIpv4 } from '../shared/ipv4.js';
import { ok, type Result } from '../shared/result.js';
import { chooseBootfile, type BootAnswer, type BootRecord, type Loaders, type NoBootFile } from './bootfile.js';
import { MessageType, OptionCode } from './codes.js';
import { customOptions } from './custom-options.js';
import { chooseDestination, type Destination } from './destination.js';
import { encodePacket, type EncodeError } from './encode.js';
import { nameServers } from './name-servers.js';
import type { OptionMap } from './network.js';
import type { DhcpPacket } from './packet.js';
import { bootServerOptions } from './pxe-options.js';
import { buildReply, replyLimitBytes, type ReplyContent } from './reply.js';
import type { Situation } from './situation.js';
import type { Trace } from './trace.js';

/** What the server is, besides what it knows. */
export type ServerSettings = {
  /** Undefined: the address the client was heard at. */
  readonly bootHost: number | undefined;
  readonly bootHttpPort: number;
  readonly loaders: Loaders;
  /** Whether this server also answers DNS. */
  readonly servesDns: boolean;
};

/** What is said: the type of the message and what was decided. */
export type Statement = {
  /** Undefined for BOOTP. */
  readonly type: MessageType | undefined;
  /** yiaddr; 0 for NAK, INFORM and boot-only replies. */
  readonly address: number;
  readonly leaseSeconds: number | undefined;
  /** No address and nothing of the network: see proxy.ts. */
  readonly isBootOnly: boolean;
  /** Option 56 of a NAK. */
  readonly message?: string;
};

export type Answer = {
  readonly packet: DhcpPacket;
  readonly bytes: Buffer;
  /** Codes of options that the client has no room for. */
  readonly leftOut: readonly number[];
  readonly boot: BootAnswer | NoBootFile | undefined;
  /** The operator's options that went in, by code. */
  readonly customCodes: readonly number[];
  readonly destination: Destination;
};

/** An unknown machine is asked what it is. */
const UNKNOWN_MACHINE: BootRecord = { bootenv: 'discovery', bootLocal: false };
const NO_OPTIONS: OptionMap = new Map();

/** Builds the reply. Fails only for what an operator wrote too long to be a packet at all. */
export function composeAnswer(
  situation: Situation,
  statement: Statement,
  server: ServerSettings,
  mayBoot: boolean,
  trace?: Trace,
): Result<Answer, EncodeError> {
  const { packet, client, relay, arrival } = situation;
  const isNak = statement.type === MessageType.nak;
  const { content, boot } = isNak ? { content: refusal(situation, statement), boot: undefined } : offering(situation, statement, server, mayBoot, trace);
  const reply = buildReply(packet, client, content);
  const limitBytes = replyLimitBytes(packet);
  const encoded = encodePacket(reply, limitBytes);
  if (!encoded.ok) return encoded;
  const { bytes, leftOut } = encoded.value;
  const destination = chooseDestination(packet, relay, statement, arrival);
  trace?.push({
    rule: 'size',
    source: 'RFC 2132 sections 9.3 and 9.10',
    value: `${bytes.length} bytes of at most ${limitBytes}${leftOut.length === 0 ? '' : `, no room for options ${leftOut.join(', ')}`}`,
  });
  trace?.push({ rule: 'destination', source: 'RFC 2131 section 4.1', value: describeDestination(destination) });
  return ok({ packet: reply, bytes, leftOut, boot, customCodes: [...content.extraOptions.keys()], destination });
}

function offering(situation: Situation, statement: Statement, server: ServerSettings, mayBoot: boolean, trace: Trace | undefined) {
  const { packet, client, network, mode, entry, arrival, serverId } = situation;
  const custom = customOptions(client, network, entry?.options ?? NO_OPTIONS, trace);
  const settings = {
    bootHost: network.bootHost ?? server.bootHost ?? arrival.localAddress,
    bootHttpPort: server.bootHttpPort,
    loaders: server.loaders,
    isProxy: mode === 'proxy',
  };
  const chosen = chooseBootfile(client, entry ?? UNKNOWN_MACHINE, mayBoot, settings, custom.boot, trace);
  const boot = typeof chosen === 'string' || !arrival.isBootServer ? chosen : atBootServer(chosen, packet);
  const content: ReplyContent = {
    type: statement.type,
    serverId,
    address: statement.address,
    leaseSeconds: statement.leaseSeconds,
    network: statement.isBootOnly ? undefined : network,
    nameServers: statement.isBootOnly ? [] : nameServers(network, arrival.localAddress, server.servesDns, trace),
    hostName: entry?.hostName ?? network.hostNameByMac.get(client.mac),
    boot: typeof boot === 'string' ? undefined : boot,
    extraOptions: statement.isBootOnly ? NO_OPTIONS : custom.options,
    message: undefined,
  };
  return { content, boot };
}

/** On 4011 the file and the menu item that was asked for; no menu again. */
function atBootServer(boot: BootAnswer, packet: DhcpPacket): BootAnswer {
  if (boot.vendorOptions === undefined) return boot;
  return { ...boot, vendorOptions: bootServerOptions(packet.options.get(OptionCode.vendorSpecific)) };
}

function refusal({ network, serverId }: Situation, { type, message }: Statement): ReplyContent {
  return {
    type,
    serverId,
    address: 0,
    leaseSeconds: undefined,
    network,
    nameServers: [],
    hostName: undefined,
    boot: undefined,
    extraOptions: NO_OPTIONS,
    message,
  };
}

function describeDestination({ address, port, direct }: Destination): string {
  return `${formatIpv4(address)}:${port}${direct === undefined ? '' : `, or directly to ${formatIpv4(direct.address)}`}`;
}
